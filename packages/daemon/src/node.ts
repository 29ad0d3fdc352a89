/**
 * The node as the REST layer and the CLI see it: reads, writes, status, mode. Implemented by the runtime.
 */
import type {
  KeyProof,
  KeyReading,
  NodeEvent,
  NodeStatus,
  Operation,
  ReadingTag,
  Replica,
  RequestedMode,
  Transition,
  Version,
} from '@lattice/core'

/** Conditions a write must meet, checked in the same step that applies it. */
export interface WriteOptions {
  /** The key (of a single-operation transaction) must read as one of these. */
  readonly ifOneOf?: readonly ReadingTag[]
  /** It must not read as one of these; it need not exist. */
  readonly ifNoneOf?: readonly ReadingTag[]
  /** `true`: the key must exist; `false`: it must not. */
  readonly ifExists?: boolean
  /** Same id and same operations ⇒ the first answer again, applied once. */
  readonly idempotencyKey?: string
}

/** How long a mode stays, and why it was chosen. */
export interface SwitchOptions {
  /** Back to auto after so many ms; for good by default. */
  readonly forMs?: number
  readonly reason?: string
}

/** A durable write. */
export interface WriteReceipt {
  /** 16 hex digits, equal to the version for new transactions. */
  readonly transactionId: string
  readonly version: Version
  /** Merkle root after the commit, 64 hex digits. */
  readonly root: string
}

/** Which page of the state is wanted. */
export interface PageQuery {
  readonly prefix: string
  readonly from: string
  /** 1–1000. */
  readonly limit: number
  /** Asked of each key that goes on the page: whether it is the last one there. */
  readonly isEnough?: (reading: KeyReading) => boolean
}

/** One page of the state, sorted by key. */
export interface StatePage {
  readonly items: readonly KeyReading[]
  /** Pass as `from` to go on; undefined at the end. */
  readonly next?: string
}

/** A running node. All reads show committed data only. */
export interface LatticeNode {
  read(key: string): KeyReading | undefined
  /**
   * Proves under the root in `status` which entries the key has, or that it has none; undefined: it has more
   * than a proof holds. Belongs to that root within `atRest` only.
   */
  prove(key: string): KeyProof | undefined
  /** What cannot be read because something of it is damaged on this node's disk, as far as that is known. */
  readonly quarantine: Pick<Replica['quarantine'], 'isDamaged' | 'damagedKeys'>
  /** Keys ≥ `from` with `prefix`, sorted. */
  list(query: PageQuery): StatePage
  /** Applies all operations or none; resolves once durable. Rejects with a `LatticeError`. */
  write(operations: readonly Operation[], options?: WriteOptions): Promise<WriteReceipt>
  status(): NodeStatus
  /**
   * Runs `look` at a moment when what is read and the root in `status` belong together. Waits for one commit
   * at most.
   */
  atRest<T>(look: () => T): Promise<T>
  /** Idempotent. `forMs`: back to auto by itself. Rejects with MODE_IMPOSSIBLE. */
  switchMode(mode: RequestedMode, options?: SwitchOptions): Promise<NodeStatus>
  /** Newest last, at most 1000. */
  transitions(): readonly Transition[]
  /** Signs with the node key: for the signed state answer. */
  sign(message: Uint8Array): Uint8Array
  /** Calls back in order until the returned function is called. */
  subscribe(listener: (event: NodeEvent) => void): () => void
}

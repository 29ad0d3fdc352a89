/**
 * The seams: everything the core needs from the world, as interfaces.
 *
 * The engine decides, the runtime performs, transports carry. Nothing here holds policy.
 */
import type { Incarnation, Instant, NodeId, PathKind, Sequence } from './units.ts'

/** SHA-256. */
export type Hash = (bytes: Uint8Array) => Uint8Array

/** Signs with the node's own Ed25519 key (RFC 8032). */
export interface Signer {
  readonly nodeId: NodeId
  sign(message: Uint8Array): Uint8Array
  /** The same for many, in order, without holding up the caller's thread; rejects if it cannot. */
  signMany?(messages: readonly Uint8Array[]): Promise<readonly Uint8Array[]>
}

/**
 * Checks Ed25519 signatures by one rule on all nodes. May work in threads; resolves one verdict per item, in
 * order.
 */
export interface Verifier {
  verify(items: readonly SignedMessage[]): Promise<readonly boolean[]>
}

/** One signature to check. */
export interface SignedMessage {
  readonly author: NodeId
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** The only source of time. */
export interface Clock {
  now(): Instant
  /** Runs `callback` once when `mono` has been reached; returns the cancellation. */
  alarm(mono: number, callback: () => void): () => void
}

/** The only source of randomness. */
export interface Random {
  /** Uniform in [0, 1). */
  unit(): number
  bytes(length: number): Uint8Array
}

/** One winning entry at its place in the commit order. */
export interface Row {
  readonly seq: Sequence
  readonly key: string
  /** Slot within the key as lower-case hex; empty for registers and tombstones of the whole key. */
  readonly slot: string
  /** SHA-256 of `bytes`. */
  readonly digest: Uint8Array
  /** The exact signed bytes (docs/protocol.md). */
  readonly bytes: Uint8Array
}

/** A row with its place in the Merkle trie, kept beside it so that a start hashes no leaf again. */
export interface NewRow extends Row {
  /** `H(key) ‖ H(slot)`. */
  readonly path: Uint8Array
  /** Digest of the leaf at `path`. */
  readonly leaf: Uint8Array
}

/** Leaves of the trie in columns: 32 bytes each in `keys` and `digests`. */
export interface LeafBlock {
  /** Sequences of their rows; a double holds each exactly. */
  readonly seqs: Float64Array
  /** First halves of the paths. */
  readonly keys: Uint8Array
  /** Second halves, by index, of those that are not the hash of the empty slot. */
  readonly slots: ReadonlyMap<number, Uint8Array>
  readonly digests: Uint8Array
}

/** What one commit changes: all of it or none. */
export interface Batch {
  /** New rows, by ascending `seq`. A row replaces the one with the same `(key, slot)`. */
  readonly rows: readonly NewRow[]
  /** Rows that go without a successor. Never the newest row of the store, of this batch or before. */
  readonly drops?: readonly Sequence[]
  /** Small named facts (clock high-water, cursors, remembered answers); `undefined` removes. */
  readonly facts: ReadonlyMap<string, Uint8Array | undefined>
}

/**
 * Durable rows and facts. Reads are synchronous and show committed batches only; `commit` resolves after the
 * data is on disk. One writer: a second `commit` may be called before the first has resolved; they take
 * effect in order.
 *
 * A failed commit rejects with a `LatticeError` (STORE_UNAVAILABLE, STORE_CORRUPT) and has changed nothing.
 */
export interface Store {
  /** This life of the store. */
  readonly incarnation: Incarnation
  /** Sequence of the newest committed row, also when that row has been superseded since. */
  readonly lastSeq: Sequence
  /** All rows of one key, in no particular order. */
  slots(key: string): readonly Row[]
  /** The row at `seq`, unless superseded. */
  at(seq: Sequence): Row | undefined
  /** Live rows with a sequence > `seq`, ascending, at most `limit`. */
  after(seq: Sequence, limit: number): readonly Row[]
  /**
   * The trie's leaves of the rows with a sequence > `after` and ≤ `upTo`, of all by default, in no particular
   * order: what the trie is built from at start.
   */
  leaves(after?: Sequence, upTo?: Sequence): Iterable<LeafBlock>
  /** Keys ≥ `from` that start with `prefix`, ascending by UTF-8 bytes, at most `limit`. */
  keys(prefix: string, from: string, limit: number): readonly string[]
  fact(name: string): Uint8Array | undefined
  /** Names and values of facts whose name starts with `prefix`, ascending, at most `limit`. */
  facts(prefix: string, limit: number): ReadonlyArray<readonly [name: string, value: Uint8Array]>
  commit(batch: Batch): Promise<void>
  /**
   * These rows are the next of the batch that will be committed next; none: it is on its way. Whoever can
   * write them already, unseen, makes that commit shorter. Nothing depends on it. The batch names them again.
   */
  prepare?(rows: readonly NewRow[]): void
  /** Waits for commits in flight, then releases everything. */
  close(): Promise<void>
}

/**
 * Name of the fact that says: this store lost what it held before, and the node must learn from its peers
 * before it claims to be complete. Set by the store; removed once the node has agreed with a peer.
 */
export const amnesiaFact = 'store/amnesia'

/** What a transport calls back. It may call at any time after `start` and before `stop` has resolved. */
export interface Inbox {
  /**
   * The peer can be asked over this transport now (connected, or its address is known). Repetition is
   * harmless.
   */
  peerUp(peer: NodeId): void
  /** The peer cannot be asked any more. `reason` is a sentence for people. Repetition is harmless. */
  peerDown(peer: NodeId, reason: string): void
  /** A one-way frame, authenticated as `from`, perhaps relayed by others. */
  announced(from: NodeId, frame: Uint8Array): void
  /**
   * A request, authenticated as `from`. The answer may take long (long poll); `signal` fires when the asker
   * is gone.
   */
  serve(from: NodeId, frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array>
}

/**
 * One lung. Carries frames between trusted nodes and authenticates who sent them; knows nothing of their
 * content. Holds no policy: no polling, no retry, no backoff. Rejections are `LatticeError`s with a PEER_…
 * code.
 */
export interface Transport {
  readonly kind: PathKind
  start(inbox: Inbox): Promise<void>
  stop(): Promise<void>
  /** One try to make the peer reachable (dial, or learn its address); success shows as `peerUp`. */
  connect(peer: NodeId, signal: AbortSignal): Promise<void>
  /** Asks one peer; resolves its answer. */
  request(peer: NodeId, frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array>
  /** Best effort to all peers in reach; resolves when handed over, with nothing known about arrival. */
  announce(frame: Uint8Array): Promise<void>
  /** Last error per address of a peer, for the operator. */
  addresses(peer: NodeId): readonly AddressStatus[]
}

/**
 * One address of a peer, and why it does not work if it does not. Neither `answered` nor `lastError`: nobody
 * has tried it yet.
 */
export interface AddressStatus {
  readonly address: string
  /** The peer was reached there, and nothing has failed there since. */
  readonly answered?: true
  readonly lastError?: string
  /** When the TLS certificate last shown there ends, in Unix ms; only of certificates that were accepted. */
  readonly certificateEndsWall?: number
}

/** What the engine is told, and what it asks for. The runtime turns one into the other's world and back. */
import type { VerifiedEntry } from './entry.ts'
import type { ErrorCode, LatticeError } from './errors.ts'
import type { Message } from './message.ts'
import type { Batch, NewRow } from './ports.ts'
import type { SigningJob } from './signing.ts'
import type { NodeEvent, Operation, ReadingTag, RequestedMode } from './status.ts'
import type { NodeId, PathKind, Version } from './units.ts'

/** Conditions of a write, and its memory for retries. */
export interface WriteConditions {
  /** The key must read as one of these. */
  readonly ifOneOf?: readonly ReadingTag[]
  /** The key must not read as one of these; it need not exist. */
  readonly ifNoneOf?: readonly ReadingTag[]
  readonly ifExists?: boolean
  readonly idempotencyKey?: string
}

/** A message together with the verified entries that came in it and are news to us. */
export interface Delivery {
  readonly message: Message
  readonly entries: readonly VerifiedEntry[]
  readonly refused?: Refused | undefined
}

/** What came in a message and cannot be taken in. */
export interface Refused {
  /** The least; 0 where one cannot even be read. */
  readonly version: Version
  /** Of those whose author is none that this node knows. */
  readonly authors: ReadonlySet<NodeId>
}

/** Everything that can happen to a node. */
export type Event =
  /** The alarm set for `wakeAt` rang. */
  | { readonly type: 'tick' }
  /** A transport has started, or cannot. */
  | {
      readonly type: 'transport'
      readonly path: PathKind
      readonly started: boolean
      readonly reason?: string
    }
  | { readonly type: 'peer-up'; readonly path: PathKind; readonly peer: NodeId }
  | { readonly type: 'peer-down'; readonly path: PathKind; readonly peer: NodeId; readonly reason: string }
  /** A `connect` effect ended without success. Success shows as `peer-up`. */
  | {
      readonly type: 'connect-failed'
      readonly path: PathKind
      readonly peer: NodeId
      readonly reason: string
      readonly code?: ErrorCode
      readonly retryAfterMs?: number
    }
  | ({ readonly type: 'announced'; readonly peer: NodeId } & Delivery)
  /** A peer asks; to be answered by a `reply` with the same id. */
  | ({
      readonly type: 'request'
      readonly id: number
      readonly path: PathKind
      readonly peer: NodeId
    } & Delivery)
  /** The asker of a request has gone. */
  | { readonly type: 'request-gone'; readonly id: number }
  /** The answer to our own `ask` has come; what it brought is still being verified. */
  | { readonly type: 'received'; readonly id: number; readonly message: Message }
  /** The same, verified. */
  | ({ readonly type: 'answer'; readonly id: number } & Delivery)
  | {
      readonly type: 'ask-failed'
      readonly id: number
      readonly reason: string
      /** The peer answered, but not in our frame version: the range that it speaks. */
      readonly speaks?: readonly [lowest: number, highest: number]
      readonly code?: ErrorCode
      readonly retryAfterMs?: number
    }
  /** A client writes; answered by `written` or `write-refused` with the same id. */
  | {
      readonly type: 'write'
      readonly id: number
      readonly operations: readonly Operation[]
      readonly conditions: WriteConditions
    }
  /** The signatures that the `sign` with this id asked for, in order. */
  | { readonly type: 'signed'; readonly id: number; readonly signatures: readonly Uint8Array[] }
  /** The batch of the last `persist` is durable, or was refused. */
  | { readonly type: 'committed' }
  | { readonly type: 'commit-failed'; readonly error: LatticeError }
  /** The disk under the store was measured. */
  | { readonly type: 'disk'; readonly freeBytes: number; readonly totalBytes: number }
  /** Entries found on the disk with nothing to vouch for them; verified anew. */
  | { readonly type: 'readmit'; readonly entries: readonly VerifiedEntry[]; readonly isQuiet?: boolean }
  /** The operator switches. */
  | {
      readonly type: 'switch'
      readonly mode: RequestedMode
      readonly forMs?: number
      readonly reason?: string
    }
  /** The node shuts down: say goodbye. */
  | { readonly type: 'leave' }

/**
 * What has to become of a store that is not to be trusted as it is. `check`: look whether it is damaged, and
 * rebuild it if so. `rebuild`: move it aside and start with what can be read of it. `new-life`: it is sound,
 * but older than what this node has given out already.
 */
export type StoreRemedy = 'check' | 'rebuild' | 'new-life'

/** Everything a node can want. */
export type Effect =
  /** To be signed with the node's key, in other threads where there are any; answered by `signed`. */
  | ({ readonly type: 'sign' } & SigningJob)
  /** These rows, perhaps none yet, will be the next of the batch of the next `persist`: a hint to the store. */
  | { readonly type: 'prepare'; readonly rows: readonly NewRow[] }
  | { readonly type: 'persist'; readonly batch: Batch }
  | { readonly type: 'connect'; readonly path: PathKind; readonly peer: NodeId }
  | {
      readonly type: 'ask'
      readonly id: number
      readonly path: PathKind
      readonly peer: NodeId
      readonly message: Message
      readonly timeoutMs: number
    }
  | { readonly type: 'announce'; readonly message: Message }
  | { readonly type: 'reply'; readonly id: number; readonly message: Message }
  | { readonly type: 'written'; readonly id: number; readonly version: Version; readonly root: string }
  | { readonly type: 'write-refused'; readonly id: number; readonly error: LatticeError }
  | { readonly type: 'emit'; readonly event: NodeEvent }
  /** The store is not what this node knows it was. */
  | { readonly type: 'distrust-store'; readonly reason: string; readonly remedy: StoreRemedy }
  /** The wall clock jumped: libp2p's own timers can no longer be trusted. */
  | { readonly type: 'restart-p2p' }
  | {
      readonly type: 'log'
      readonly level: 'info' | 'warn' | 'error'
      readonly message: string
      readonly fields: Readonly<Record<string, unknown>>
    }

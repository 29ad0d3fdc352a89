/**
 * The read model: what operators, clients and the dashboard are told. Plain data, made afresh from the
 * engine.
 *
 * Times ending in `Wall` are Unix milliseconds.
 */
import type { Incarnation, JsonValue, NodeId, PathKind, Sequence, Version } from './units.ts'

/** What the operator asked for. */
export type RequestedMode = 'auto' | PathKind

/** Where the sync-mode state machine stands (core/mode). */
export type Phase = 'P2P' | 'GRACE' | 'HTTP' | 'TRIAL' | 'NONE' | 'FORCED'

/** What made the machine move. */
export type Trigger = 'watchdog' | 'operator' | 'startup'

/** One step of the sync-mode state machine. */
export interface Transition {
  /** Counts the transitions of this process, from 1. */
  readonly epoch: number
  readonly from: Phase
  readonly to: Phase
  readonly reason: string
  readonly trigger: Trigger
  readonly atWall: number
  /** How long `from` lasted. */
  readonly lastedMs: number
}

/** One path to one peer. */
export interface LinkStatus {
  /**
   * up: proven by a fresh answer. suspected: connected, but silent. down: not connected, or no address known.
   */
  readonly state: 'up' | 'suspected' | 'down'
  readonly rttMs?: number
  readonly lastHeardWall?: number
  readonly lastError?: string
}

/** One member of the federation as this node sees it. */
export interface PeerStatus {
  readonly nodeId: NodeId
  readonly name?: string
  readonly role?: string
  readonly software?: string
  readonly path: PathKind | 'none'
  /** Its host says that it sleeps or is waking: not reached, and no reason for alarm. */
  readonly asleep?: true
  /** Why this path, as a sentence. */
  readonly why: string
  readonly sinceWall: number
  readonly links: Readonly<Record<PathKind, LinkStatus>>
  readonly lastSeenWall?: number
  /** How far its clock is ahead of this one, in ms, less the way of its last message; behind: below 0. */
  readonly clockAheadMs?: number
  readonly root?: string
  /** When its root first differed with nothing on its way, since both were last the same. */
  readonly apartSinceWall?: number
  /** Commits of the peer that this node has not applied yet; undefined when never heard. */
  readonly behind?: number
  /** The peer sends us most of its state: entries held here, and about how many it will be. */
  readonly transfer?: { readonly entries: number; readonly of: number }
  /** Commits of this node that the peer has not acknowledged yet. */
  readonly ahead?: number
}

/** Something that needs a look, in words, with one thing to do (shape after Tailscale's health warnables). */
export interface Warning {
  readonly code: string
  readonly title: string
  readonly text: string
  readonly severity: 'low' | 'medium' | 'high'
  readonly sinceWall: number
  /** How long it must have lasted before it is shown: what passes by itself sooner is no news. */
  readonly timeToVisibleMs: number
  /** Codes that explain this one; while one of them shows, this one stays silent. */
  readonly dependsOn: readonly string[]
  readonly impactsConnectivity: boolean
  readonly primaryAction: { readonly label: string; readonly command?: string; readonly url?: string }
}

/** How deletes end on this node. */
export interface CompactionStatus {
  /** Entries that end by a horizon to come: deletes, removals, and what they have silenced. */
  readonly endingCount: number
  /** Deletes up to here have ended; undefined if none has. */
  readonly horizonWall?: number
  /** Members for which deletes that are old enough have to wait, and why, as a phrase. */
  readonly blockedBy: readonly { readonly nodeId: NodeId; readonly why: string }[]
}

/** Entries damaged on the disk. They are neither served nor sent, and are fetched again from the peers. */
export interface DamageStatus {
  /** Not back yet. */
  readonly lost: number
  /** Of these, those that no other node is known to have had. */
  readonly unshared: number
  /** Found since the start of the process. */
  readonly found: number
  /** Back since then, or superseded. */
  readonly healed: number
  /** Keys of the first of those that are not back; unknown ones as `?`. */
  readonly keys: readonly string[]
}

/** The node as a whole. */
export interface NodeStatus {
  readonly nodeId: NodeId
  readonly incarnation: Incarnation
  readonly seq: Sequence
  /** Merkle root over the committed entries: 64 lower-case hex digits. */
  readonly root: string
  readonly keyCount: number
  readonly entryCount: number
  /** Entries from the future that wait for their time. */
  readonly deferredCount: number
  /** How far the newest stamp here is ahead of this clock, in ms; 0 where it is not. */
  readonly clockLeadMs: number
  /** Whose entries peers hold and this node refuses, because its configuration does not name them. */
  readonly unknownAuthors: readonly NodeId[]
  readonly compaction: CompactionStatus
  /** Entries whose rows were found damaged, and which have not come back from a peer yet. */
  readonly damage: DamageStatus
  /** Since when the disk has been full and no write but a delete is taken; undefined while there is room. */
  readonly fullSinceWall?: number
  /** When an entry was last seen that somebody else has signed with the key of this node. */
  readonly clonedWall?: number
  /** The store lost what it held before; true until the node has agreed with a peer. */
  readonly isRecovering: boolean
  readonly requested: RequestedMode
  readonly phase: Phase
  readonly syncMode: 'P2P' | 'HTTP' | 'NONE'
  readonly sinceWall: number
  readonly reason: string
  readonly epoch: number
  /** When a forced mode ends by itself. */
  readonly forcedUntilWall?: number
  /** Peers with a fresh heartbeat over P2P. */
  readonly p2pPeerCount: number
  /** Last exchange after which this node and a peer had equal roots. */
  readonly lastSyncWall?: number
  readonly peers: readonly PeerStatus[]
  readonly warnings: readonly Warning[]
}

/** What a key is, derived from its slots (contract §5). */
export type KeyType = 'register' | 'counter' | 'set'

/** A key as readers see it. */
export interface KeyReading {
  readonly key: string
  readonly value: JsonValue
  readonly type: KeyType
  /** The greatest version among the live entries, and its author. */
  readonly version: Version
  readonly author: NodeId
  /**
   * Of counters and sets, 16 hex digits that tell their live entries from others of the same version: what
   * was written elsewhere before that version may come after it.
   */
  readonly mark?: string
}

/** What a reading may be told by: its version, and its mark where that matters. */
export type ReadingTag = Pick<KeyReading, 'version' | 'mark'>

/** One operation of a transaction (contract §3). */
export type Operation =
  | { readonly op: 'put'; readonly key: string; readonly value: JsonValue }
  | { readonly op: 'delete'; readonly key: string }
  | { readonly op: 'increment'; readonly key: string; readonly by: number }
  | { readonly op: 'add'; readonly key: string; readonly element: JsonValue }
  | { readonly op: 'remove'; readonly key: string; readonly element: JsonValue }

/** What the node tells its listeners, in the order it happened. */
export type NodeEvent =
  | {
      readonly kind: 'change'
      readonly key: string
      readonly deleted: boolean
      readonly version: Version
      readonly author: NodeId
      readonly via: PathKind | 'local'
    }
  | { readonly kind: 'mode'; readonly transition: Transition }
  | { readonly kind: 'peer'; readonly peer: PeerStatus; readonly previousPath: PathKind | 'none' }

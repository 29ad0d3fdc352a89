/**
 * What nodes say to each other: one message of optional sections, the same on both lungs, in requests,
 * answers and announces. Every message may be lost, repeated or reordered, and none needs a session on the
 * other side.
 */
import type { DigestList } from './digest-list.ts'
import type { Incarnation, NodeId, PathKind, Sequence, Version } from './units.ts'

/** How the sender stands right now; all numbers belong to the same committed state. */
export interface Beat {
  readonly incarnation: Incarnation
  readonly seq: Sequence
  readonly root: Uint8Array
  readonly count: number
  /** The sender's wall clock, Unix milliseconds. */
  readonly wall: number
  /** Per path, how long ago the sender heard the receiver, in ms: finds one-way loss. Absent in announces. */
  readonly heardMs: Readonly<Partial<Record<PathKind, number>>>
}

/** "Everything of `node` in this incarnation up to `seq` is applied and durable here." */
export interface Ack {
  readonly node: NodeId
  readonly incarnation: Incarnation
  readonly seq: Sequence
}

/** An `Ack` to the node itself: it knows its own name. */
export type OwnAck = Omit<Ack, 'node'>

/** An entry by its place and content, for receivers that probably hold it: far shorter than the entry. */
export interface Locator {
  /** First `locatorPathBytes` bytes of the path. */
  readonly path: Uint8Array
  /** First `locatorDigestBytes` bytes of the leaf digest. */
  readonly digest: Uint8Array
}

/**
 * All live rows of the sender's journal in `(after, upTo]`: as entries, or as locators where the receiver
 * probably has them.
 */
export interface Rows {
  readonly incarnation: Incarnation
  readonly after: Sequence
  readonly upTo: Sequence
  readonly entries: readonly Uint8Array[]
  readonly locators: readonly Locator[]
}

/** "Send your rows after this." */
export interface Pull {
  readonly incarnation: Incarnation
  readonly after: Sequence
  /** Entries in full, never as locators: the asker knows it has next to nothing. */
  readonly full: boolean
}

/** "Send the entries under this prefix whose leaf digests start like these." */
export interface Want {
  readonly prefix: Uint8Array
  readonly length: number
  readonly digests: DigestList
}

/**
 * All the sender holds under a prefix, as child digests of the branch there or as leaf digests. Digests are
 * shortened.
 */
export interface Summary {
  readonly prefix: Uint8Array
  /** Nibbles of `prefix` that count. */
  readonly length: number
  /** Of the children of a branch, by nibble; else of every leaf under the prefix. */
  readonly digests: DigestList
  /** Set for a branch: where the leaves part, ≥ `length`, with the nibbles down to there in `prefix`. */
  readonly depth?: number
  /** Set for a branch: at which nibbles it has children, the lowest bit for nibble 0. */
  readonly bitmap?: number
  /** The digests are sums (subtree-sums.ts), and only of those children that are at `bitmap`. */
  readonly sums?: true
}

/** One step of the Merkle descent. */
export interface Compare {
  /** Bytes kept of each digest: short at first, 32 to be sure. */
  readonly digestBytes: number
  readonly summaries: readonly Summary[]
}

/** How beat, acknowledgement and pull travel in frames of version 2: what both sides know is not repeated. */
export interface Standing {
  /**
   * Whose positions these are: the incarnations themselves, or, where each side knows both, a few bytes of
   * them combined. A receiver that cannot make sense of the tag takes no notice of any position.
   */
  readonly lives: { readonly own: Incarnation; readonly yours?: Incarnation } | { readonly tag: Uint8Array }
  /** Newest position of the sender. */
  readonly seq: Sequence
  /** Root of the sender; `same`: the very root that the request had, in the answer to it. */
  readonly root: Uint8Array | 'same'
  /** The sender's cursor for the receiver; absent: it keeps none. */
  readonly ack?: Sequence
  /** Send your rows after `ack` and `ahead`, or after 0 without; `full`: none as locators. */
  readonly pull?: 'brief' | 'full'
  /** The pull begins this far beyond `ack`: what lies between is on its way to the sender's disk. */
  readonly ahead?: number
  readonly heardMs: Beat['heardMs']
  /** What need not be told every time. */
  readonly details?: Pick<Beat, 'count' | 'wall'>
}

/** An acknowledgement in an announce of version 2: the last bytes of its names, enough for their owner. */
export interface AckMark {
  readonly node: Uint8Array
  readonly incarnation: Uint8Array
  readonly seq: Sequence
}

/** Who the sender is, for people. Never used for decisions. */
export interface Info {
  readonly name: string
  readonly role: string
  readonly software: string
}

/** The versions of frames that this build speaks. */
export type FrameVersion = 1 | 2

/** How far the sender has come with ending deletes (docs/protocol.md, the compaction horizon). */
export interface HorizonReport {
  /** Its horizon, if it holds nothing that has ended elsewhere; 0 while it recovers. */
  readonly settled: Version
  /** It writes nothing at or below this any more, and holds what it was told of there. */
  readonly floor: Version
}

/** The message. Absent sections say nothing. */
export interface Message {
  /** Of the frame; absent: 1. */
  readonly version?: FrameVersion
  readonly beat?: Beat
  /** How far the receiver's journal is applied: in requests and answers. */
  readonly ack?: OwnAck
  /** How far everybody's journal is applied: in announces. */
  readonly acks?: readonly Ack[]
  readonly rows?: Rows
  readonly pull?: Pull
  /** Entries outside the journal order: answers to `want`, and what a descent found missing. */
  readonly entries?: readonly Uint8Array[]
  readonly want?: readonly Want[]
  readonly compare?: Compare
  /** Beside `compare`: summaries and wants that the sender reads in one frame. Absent: `compareNodesMax`. */
  readonly reads?: number
  /** In the answer to a request with `reads`: of how many of its summaries. Absent: of all. */
  readonly answered?: number
  /** Beside `reads`, in answers: the sender reads sums. */
  readonly readsSums?: boolean
  /** Long poll: the answer may wait this many milliseconds for something to tell. */
  readonly waitMs?: number
  readonly info?: Info
  /** In frames of version 1: the newest version that the sender speaks. Absent: 1. */
  readonly speaks?: number
  /** In frames of version 2, instead of `beat`, `ack` and `pull` (abbreviation.ts). */
  readonly standing?: Standing
  /** In announces of version 2, instead of `acks`. */
  readonly ackMarks?: readonly AckMark[]
  /** The sender is shutting down in good order. */
  readonly leaving?: boolean
  readonly horizon?: HorizonReport
}

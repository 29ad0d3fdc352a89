/**
 * Composes what we say to a peer: beat and acknowledgements always, rows, entries and the descent as far as
 * they fit a frame.
 */
import { nextRowsAfter } from './bulk.ts'
import { fromHex, toHex } from './bytes.ts'
import { parseEntry, writtenBy } from './entry.ts'
import { horizonKey } from './horizon.ts'
import { compareNodesMax, entryBytesMax, frameContentBytesMax, frameEntriesMax } from './limits.ts'
import { entriesNamed, locatorBytes, readRows, type RowsQuery } from './journal.ts'
import { pathOf, type Leaf } from './merkle.ts'
import type { Ack, Beat, Compare, Info, Message, Rows, Summary, Want } from './message.ts'
import type { Link, Peer } from './peers.ts'
import type { Hash, Store } from './ports.ts'
import {
  compareStep,
  fittingStep,
  missingOf,
  openDescent,
  shortDigestBytes,
  stepBytes,
  unanswered,
  wantedLeaves,
} from './reconcile.ts'
import type { Replica } from './replica.ts'
import type { Instant, NodeId, PathKind, Sequence } from './units.ts'
import { pathKinds } from './units.ts'
import { bytesInFrame, entriesInFrame, locatorPathBytes } from './rows.ts'

/**
 * Room for rows in an answer to a node that takes a state over. It takes each in at one go, during which it
 * hears no heartbeat: some 40 ms (npm run bench:bootstrap).
 */
const fullRowsBytesMax = 85 * 1024

/** What the largest entry may take in a frame. */
const entryRoom = entryBytesMax + 16

/** Leaves that one step pushes and wants. */
const leavesMax = frameEntriesMax / 4

/** Summaries kept for later steps of a descent; what goes beyond, the next descent finds again. */
const restMax = 8 * compareNodesMax

/** Room for entries of the peer's own that wait here: many counters, whose slots they are for. */
const withheldBytesMax = 16 * 1024

/** A Merkle descent that we lead with one peer: what to send next. */
export interface Descent {
  /** Began at the root, not with what the peer wanted after our rows. */
  readonly fromRoot: boolean
  /** Both roots at the beginning: a descent after which one of them has changed has brought something. */
  readonly roots: string
  readonly digestBytes: number
  rounds: number
  next: Compare | undefined
  /** What the peer has told and our steps so far had no room to answer. */
  rest: readonly Summary[]
  /** What we have told and its answers had no room for. */
  unanswered: readonly Summary[]
  push: readonly Leaf[]
  want: readonly Want[]
}

/** What the composer speaks for. */
export interface ComposerParts {
  readonly self: NodeId
  readonly info: Info
  readonly hash: Hash
  readonly store: Store
  readonly replica: Replica
}

/** Makes messages from the committed state. Keeps no state of its own. */
export class Composer {
  readonly #parts: ComposerParts

  constructor(parts: ComposerParts) {
    this.#parts = parts
  }

  /** How we stand; to one peer, with when we last heard it. */
  beat(at: Instant, peer?: Peer): Beat {
    const { store, replica } = this.#parts
    return {
      incarnation: store.incarnation,
      seq: replica.committedSeq,
      root: replica.trie.root(),
      count: replica.trie.count,
      wall: Math.max(0, Math.round(at.wall)),
      heardMs: peer === undefined ? {} : heardMs(peer, at.mono),
    }
  }

  /** How far we have applied the journal of each member. */
  acks(peers: Iterable<Peer>): Ack[] {
    return [...peers].flatMap(({ id, cursor }) => (cursor === undefined ? [] : [{ node: id, ...cursor }]))
  }

  /** Our rows after a position; undefined if there are none, or if the position is beyond our end. */
  rows(query: Omit<RowsQuery, 'upTo'>): Rows | undefined {
    const { replica, hash, self } = this.#parts
    const upTo = replica.committedSeq
    if (query.after >= upTo) return undefined
    return readRows(replica.rows, replica.trie, hash, self, { ...query, upTo })
  }

  /**
   * What every message to a peer carries. `introduce`: also who we are, and what waits here of its own
   * writing. Its store may have been put back since, and no root would tell it (own-history.ts).
   */
  greeting(peer: Peer, at: Instant, introduce: boolean): Message {
    const { cursor } = peer
    const withheld = introduce ? this.#withheld(peer) : []
    return {
      beat: this.beat(at, peer),
      ...(cursor === undefined ? {} : { ack: cursor }),
      ...this.#horizonReport(),
      ...(introduce ? { info: this.#parts.info } : {}),
      ...(withheld.length === 0 ? {} : { entries: withheld }),
    }
  }

  /** The sections of a request: what the peer lacks, what we lack, the next step of the descent. */
  ask(peer: Peer, options: { push: boolean; pull: boolean; descend: boolean }): Message {
    const { store, replica } = this.#parts
    const message: { -readonly [K in keyof Message]: Message[K] } = {}
    const { known, cursor, acked, fetch, bulk } = peer
    const descent = options.descend ? peer.descent : undefined
    const want = [...(fetch?.wants ?? []), ...(descent?.want ?? [])].slice(0, compareNodesMax)
    if (want.length > 0) message.want = want
    if (descent?.next !== undefined) message.compare = descent.next
    const first = this.#horizonFor(peer)
    let room = entriesRoom(message) - entriesInFrame(first)
    // What the peer wants goes first: it may lack nothing else of rows that it was told by locator.
    if (descent !== undefined && descent.push.length > 0) {
      message.entries = this.entriesOf(descent.push, room)
      room -= entriesInFrame(message.entries)
    }
    if (options.push && acked?.incarnation === store.incarnation && room >= entryRoom) {
      const rows = this.rows({ after: acked.seq, bytesMax: room, locateOthers: true })
      if (rows !== undefined) message.rows = rows
      peer.toldSeq = rows?.upTo ?? peer.toldSeq
    }
    if (options.pull && known !== undefined) {
      const { incarnation } = known
      const full = bulk !== undefined || cursor?.incarnation !== incarnation || replica.trie.count === 0
      message.pull = { incarnation, after: nextRowsAfter(peer), full }
    }
    return withFirst(first, message)
  }

  /** The sections that answer a request, within one frame. */
  answer(request: Message, peer?: Peer): Message {
    const { store, replica } = this.#parts
    const { trie } = replica
    const message: { -readonly [K in keyof Message]: Message[K] } = {}
    const missing = request.rows === undefined ? [] : this.missing(request.rows, request.entries ?? [])
    const step = request.compare === undefined ? undefined : compareStep(trie, request.compare, leavesMax)
    const want = [...missing, ...(step?.want ?? [])].slice(0, compareNodesMax)
    if (want.length > 0) message.want = want
    if (request.compare !== undefined && step !== undefined && step.summaries.length > 0)
      message.compare = { digestBytes: request.compare.digestBytes, summaries: step.summaries }
    const isWork = (request.rows ?? request.pull ?? request.compare ?? request.want) !== undefined
    const first = isWork ? this.#horizonFor(peer) : []
    let room = entriesRoom(message) - entriesInFrame(first)
    if (request.want !== undefined) {
      message.entries = this.entriesOf(wantedLeaves(trie, request.want, frameEntriesMax), room)
      room -= entriesInFrame(message.entries)
    }
    // A single row may be as large as an entry can be: it must still fit.
    if (request.pull?.incarnation === store.incarnation && room >= entryRoom) {
      const sent = [...(request.rows?.entries ?? []), ...(request.entries ?? [])]
      const { after, full } = request.pull
      const bytesMax = full ? Math.min(room, fullRowsBytesMax) : room
      const known = entriesNamed(sent)
      const rows = this.rows({ after, bytesMax, locateOthers: !full, known })
      if (rows !== undefined) message.rows = rows
      if (peer !== undefined) peer.toldSeq = rows?.upTo ?? peer.toldSeq
      room -= entriesInFrame(rows?.entries ?? []) + locatorBytes * (rows?.locators.length ?? 0)
    }
    if (step !== undefined) message.entries = [...(message.entries ?? []), ...this.entriesOf(step.push, room)]
    return withFirst(first, message)
  }

  #withheld({ id }: Peer): Uint8Array[] {
    return fitting(this.#parts.replica.deferred.of(id), withheldBytesMax, ({ bytes }) => bytes)
  }

  #horizonReport(): Pick<Message, 'horizon'> {
    const { replica } = this.#parts
    if (replica.horizon === 0n && replica.keys.endingCount === 0) return {}
    return { horizon: { settled: replica.settledHorizon, floor: replica.floor } }
  }

  /** The horizon, for a peer that has not applied it: it must be there before what has survived it. */
  #horizonFor(peer: Peer | undefined): Uint8Array[] {
    const { replica } = this.#parts
    const bytes =
      (peer?.stated?.settled ?? 0n) < replica.settledHorizon
        ? replica.rows.slots(horizonKey)[0]?.bytes
        : undefined
    return bytes === undefined ? [] : [bytes]
  }

  /** Begins a descent from the top. */
  openDescent(roots: string, digestBytes = shortDigestBytes): Descent {
    const next = openDescent(this.#parts.replica.trie, digestBytes)
    return {
      fromRoot: true,
      roots,
      digestBytes,
      rounds: 0,
      next,
      rest: [],
      unanswered: [],
      push: [],
      want: [],
    }
  }

  /** Takes the peer's step of the descent and works out ours; undefined when nothing is left to say. */
  continueDescent(descent: Descent, answer: Message): Descent | undefined {
    const { trie } = this.#parts.replica
    const { digestBytes, fromRoot, roots } = descent
    const theirs = answer.compare?.summaries ?? []
    // The newest first: deep before wide, so that entries move soon.
    const told = [...theirs, ...descent.rest]
    const step = compareStep(trie, { digestBytes, summaries: told }, leavesMax)
    const rest = told.slice(step.read, step.read + restMax)
    const asked = descent.next?.summaries ?? []
    const left = [...unanswered(asked, theirs, answer.want), ...descent.unanswered].slice(0, restMax)
    const again = rest.length + step.summaries.length > 0 ? [] : fittingStep(left)
    const summaries = [...step.summaries, ...again]
    const wanted = answer.want === undefined ? [] : wantedLeaves(trie, answer.want, frameEntriesMax)
    const push = [...wanted, ...step.push]
    const { want } = step
    if (push.length + want.length + summaries.length === 0) return undefined
    return {
      fromRoot,
      roots,
      digestBytes,
      rounds: descent.rounds + 1,
      next: summaries.length === 0 ? undefined : { digestBytes, summaries },
      rest,
      unanswered: left.slice(again.length),
      push,
      want,
    }
  }

  /** The bytes of these leaves, those that fit; leaves superseded meanwhile are left out. */
  entriesOf(leaves: readonly Leaf[], bytesMax: number): Uint8Array[] {
    const { rows } = this.#parts.replica
    return fitting(leaves, bytesMax, leaf => rows.bytesOf(leaf))
  }

  /** Whether the next rows after a position were all written by `author`; looks at `rowsMax` at most. */
  rowsAllBy(author: NodeId, after: Sequence, rowsMax: number): boolean {
    const rows = this.#parts.replica.rows.after(after, rowsMax)
    const id = fromHex(author) as Uint8Array
    return rows.length < rowsMax && rows.every(row => writtenBy(row.bytes, id))
  }

  /** Root of our committed state, in hex. */
  rootHex(): string {
    return toHex(this.#parts.replica.trie.root())
  }

  /** The entries that rows tell by locator, and that we neither hold nor were given along with them. */
  missing(rows: Rows, given: readonly Uint8Array[]): Want[] {
    return this.unmet(missingOf(this.#parts.replica.trie, rows.locators), given)
  }

  /**
   * Of the wants, those at whose place none of the given entries stands. What was given and is not held has
   * lost against ours, or waits for its time: asking again would bring the same.
   */
  unmet(wants: readonly Want[], given: readonly Uint8Array[]): Want[] {
    if (wants.length === 0 || given.length === 0) return [...wants]
    const { hash } = this.#parts
    const places = given.flatMap(bytes => {
      const entry = parseEntry(bytes, hash)
      return entry === undefined
        ? []
        : toHex(pathOf(entry.key, entry.slot, hash).subarray(0, locatorPathBytes))
    })
    const met = new Set(places)
    return wants.filter(({ prefix }) => !met.has(toHex(prefix)))
  }
}

/**
 * Room for entries in a message beside its wants and its step of the descent: always enough for any single
 * one.
 */
function entriesRoom({ compare, want }: Message): number {
  const left = frameContentBytesMax - stepBytes(compare?.summaries, want)
  return Math.max(entryRoom, left)
}

/** A message that goes on with these sections. */
export function followedBy(message: Message, sections: Message): Message {
  return { ...message, ...withFirst(message.entries ?? [], sections) }
}

function withFirst(first: readonly Uint8Array[], message: Message): Message {
  return first.length === 0 ? message : { ...message, entries: [...first, ...(message.entries ?? [])] }
}

/** The bytes of those that are still there and fit. */
function fitting<T>(
  entries: readonly T[],
  bytesMax: number,
  read: (entry: T) => Uint8Array | undefined,
): Uint8Array[] {
  let room = bytesMax
  const taken: Uint8Array[] = []
  for (const entry of entries) {
    const bytes = read(entry)
    const size = bytes === undefined ? 0 : bytesInFrame(bytes, taken.at(-1))
    if (bytes === undefined || size > room) continue
    room -= size
    taken.push(bytes)
  }
  return taken
}

function heardMs(peer: Peer, now: number): Beat['heardMs'] {
  const heard: { -readonly [K in PathKind]?: number } = {}
  for (const path of pathKinds) {
    const link: Link = peer.links[path]
    if (link.lastHeard !== undefined) heard[path] = Math.max(0, Math.round(now - link.lastHeard))
  }
  return heard
}

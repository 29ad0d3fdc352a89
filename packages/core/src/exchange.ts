/**
 * Composes what we say to a peer: beat and acknowledgements always, rows, entries and the descent as far as
 * they fit a frame.
 */
import { nextRowsAfter } from './bulk.ts'
import { fromHex, toHex } from './bytes.ts'
import {
  answerStep,
  beginDescent,
  continueDescent,
  nodesRead,
  stepShare,
  tellStep,
  type Descent,
  type Sift,
} from './descent.ts'
import { parseEntry, writtenBy } from './entry.ts'
import { horizonKey, vouchedHorizon } from './horizon.ts'
import { compareNodesMax, frameContentBytesMax, frameEntriesMax } from './limits.ts'
import { entriesNamed, locatorBytes, readRows, rowsAfter, type RowsQuery } from './journal.ts'
import { leafDigest, pathOf } from './merkle.ts'
import type { Ack, Beat, Info, Message, Rows, Want } from './message.ts'
import type { Link, Peer } from './peers.ts'
import type { Hash, Store } from './ports.ts'
import {
  fittingStep,
  missingOf,
  shortDigestBytes,
  stepBytes,
  stepBytesMax,
  wantBeside,
  wantedLeaves,
} from './reconcile.ts'
import type { Replica } from './replica.ts'
import type { Instant, NodeId, PathKind, Sequence, Version } from './units.ts'
import { pathKinds } from './units.ts'
import { bytesInFrame, entriesInFrame, entryRoom, locatorPathBytes } from './rows.ts'

/**
 * Room for rows in an answer to a node that takes a state over. It takes each in at one go, during which it
 * hears no heartbeat: some 40 ms (npm run bench:bootstrap).
 */
const fullRowsBytesMax = 85 * 1024

/** Room for entries of the peer's own that wait here: many counters, whose slots they are for. */
const withheldBytesMax = 16 * 1024

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
      ...this.horizonReport(),
      ...(introduce ? { info: this.#parts.info } : {}),
      ...(withheld.length === 0 ? {} : { entries: withheld }),
    }
  }

  /**
   * What stands for a greeting in the middle of a descent: what is lost here has not ended, and what was kept
   * here at or below the horizon may be taken.
   */
  horizonReport(): Pick<Message, 'horizon'> {
    const { horizon, settledHorizon: settled, floor, keys, isRecovering, deferred } = this.#parts.replica
    const isPlain = horizon === 0n && keys.endingCount === 0 && !isRecovering && deferred.least === undefined
    return isPlain ? {} : { horizon: { settled, floor } }
  }

  /** The sections of a request: what the peer lacks, what we lack, the next step of the descent. */
  ask(peer: Peer, options: { push: boolean; pull: boolean; descend: boolean }): Message {
    const { store, replica } = this.#parts
    const message: { -readonly [K in keyof Message]: Message[K] } = {}
    const { known, cursor, acked, fetch, bulk } = peer
    const descent = options.descend ? this.#descentWith(peer) : undefined
    const nodesMax = descent?.reads ?? compareNodesMax
    const wants = [...(fetch?.wants ?? []), ...(descent?.want ?? [])]
    const want = fittingStep(wants, { nodes: nodesMax, bytes: stepBytesMax })
    if (want.length > 0) message.want = want
    const first = this.#horizonFor(peer)
    const share = stepShare(descent)
    let room = frameContentBytesMax - stepBytes([], want) - entriesInFrame(first)
    // What the peer wants goes first: it may lack nothing else of rows that it was told by locator.
    if (descent !== undefined && descent.push.length > 0) {
      const { entries, read } = replica.rows.bytesOfAll(descent.push, Math.max(entryRoom, room - share))
      message.entries = entries
      descent.pushed = Math.min(descent.pushed ?? Number.POSITIVE_INFINITY, read)
      room -= entriesInFrame(entries)
    }
    if (options.push && acked?.incarnation === store.incarnation && room - share >= entryRoom) {
      const query = { after: acked.seq, bytesMax: room - share, locateOthers: true }
      const rows = this.rows(query)
      if (rows !== undefined) message.rows = rows
      peer.toldSeq = rows?.upTo ?? peer.toldSeq
      room -= rowsInFrame(rows)
    }
    if (descent !== undefined) Object.assign(message, tellStep(descent, room))
    if (options.pull && known !== undefined) {
      const { incarnation } = known
      const full = bulk !== undefined || cursor?.incarnation !== incarnation || replica.trie.count === 0
      message.pull = { incarnation, after: nextRowsAfter(peer), full }
    }
    return withFirst(first, message)
  }

  /** The sections that answer a request, within one frame together with a greeting that has these entries. */
  answer(request: Message, peer?: Peer, greeted: readonly Uint8Array[] = []): Message {
    const { store, replica } = this.#parts
    const { compare, pull } = request
    const message: { -readonly [K in keyof Message]: Message[K] } = {}
    const missing = request.rows === undefined ? [] : this.missing(request.rows, request.entries ?? [])
    const want = [...fittingStep(missing, { nodes: compareNodesMax, bytes: stepBytesMax })]
    const isWork = (request.rows ?? pull ?? compare ?? request.want) !== undefined
    const first = isWork ? this.#horizonFor(peer) : []
    const share = compare === undefined ? 0 : stepBytesMax
    let room = frameContentBytesMax - stepBytes([], want) - entriesInFrame([...greeted, ...first])
    const wanted = wantedLeaves(replica.trie, request.want ?? [], frameEntriesMax)
    const { entries, read } = replica.rows.bytesOfAll(wanted, Math.max(entryRoom, room - share))
    room -= entriesInFrame(entries)
    // A single row may be as large as an entry can be: it must still fit.
    if (pull?.incarnation === store.incarnation && room - share >= entryRoom) {
      const sent = [...(request.rows?.entries ?? []), ...(request.entries ?? [])]
      const bytesMax = Math.min(room - share, pull.full ? fullRowsBytesMax : room)
      const known = entriesNamed(sent)
      const rows = this.rows({ after: pull.after, bytesMax, locateOthers: !pull.full, known })
      if (rows !== undefined) message.rows = rows
      if (peer !== undefined) peer.toldSeq = rows?.upTo ?? peer.toldSeq
      room -= rowsInFrame(rows)
    }
    if (compare !== undefined) {
      const space = { reads: request.reads, bytes: room }
      const vouched = vouchedHorizon(request.horizon ?? peer?.stated)
      const sift: Sift = leaves => replica.disown(leaves, vouched)
      const step = answerStep(replica.trie, replica.rows, compare, space, sift)
      Object.assign(message, step.sections)
      want.push(...step.want)
      entries.push(...step.entries)
      room -= stepBytes(step.sections.compare?.summaries, step.want) + entriesInFrame(step.entries)
      entries.push(...replica.rows.bytesOfAll(wanted.slice(read), room).entries)
    }
    if (entries.length > 0) message.entries = entries
    if (want.length > 0) message.want = want.slice(0, nodesRead(request.reads))
    return withFirst(first, message)
  }

  #withheld({ id }: Peer): Uint8Array[] {
    return fitting(this.#parts.replica.deferred.of(id), withheldBytesMax, ({ bytes }) => bytes)
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
    return { ...beginDescent(this.#parts.replica.trie, roots, digestBytes), vouched: this.#vouched }
  }

  /**
   * Takes the peer's step of the descent and works out ours; undefined when nothing is left to say.
   * @param vouched the horizon that the peer vouches for along with its step
   */
  continueDescent(descent: Descent, answer: Message, vouched: Version = 0n): Descent | undefined {
    const { replica } = this.#parts
    const restVouched = descent.rest.length === 0 ? vouched : lesser(descent.restVouched, vouched)
    const sift: Sift = leaves => replica.disown(leaves, restVouched)
    const next = continueDescent(replica.trie, descent, answer, sift)
    const own = lesser(descent.vouched, this.#vouched)
    return next && { ...next, vouched: own, restVouched }
  }

  /**
   * What a descent tells goes with what this node vouches for by now: one that was told or begun before that
   * begins anew, since what was lacking then may have come.
   */
  #descentWith(peer: Peer): Descent | undefined {
    const { descent } = peer
    if (descent === undefined || descent.vouched >= this.#vouched) return descent
    peer.descent = descent.fromRoot ? this.openDescent(descent.roots, descent.digestBytes) : undefined
    return peer.descent
  }

  get #vouched(): Version {
    return vouchedHorizon(this.horizonReport().horizon)
  }

  /** Whether the rows after a position were all written by `author`, and are not too many to look at. */
  rowsAllBy(author: NodeId, after: Sequence, most: { rows: number; bytes: number }): boolean {
    const id = fromHex(author) as Uint8Array
    let { rows, bytes } = most
    for (const row of rowsAfter(this.#parts.replica.rows, after)) {
      bytes -= row.bytes.length
      if (!writtenBy(row.bytes, id) || --rows <= 0 || bytes < 0) return false
    }
    return true
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
   * Of the wants, what none of the given entries is. What was given and is not held has lost against ours, or
   * waits for its time: asking again would bring the same.
   */
  unmet(wants: readonly Want[], given: readonly Uint8Array[]): Want[] {
    if (wants.length === 0 || given.length === 0) return [...wants]
    const { hash } = this.#parts
    const leaves = given.flatMap(bytes => {
      const entry = parseEntry(bytes, hash)
      if (entry === undefined) return []
      const path = pathOf(entry.key, entry.slot, hash)
      const place = toHex(path.subarray(0, locatorPathBytes))
      return { place, digest: leafDigest(path, entry.digest, hash) }
    })
    const met = Map.groupBy(leaves, ({ place }) => place)
    return wants.flatMap(want => {
      const digests = (met.get(toHex(want.prefix)) ?? []).map(({ digest }) => digest)
      return wantBeside(want, digests) ?? []
    })
  }
}

function lesser(a: Version, b: Version): Version {
  return a < b ? a : b
}

function rowsInFrame(rows: Rows | undefined): number {
  return rows === undefined ? 0 : entriesInFrame(rows.entries) + locatorBytes * rows.locators.length
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

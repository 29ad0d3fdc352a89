/**
 * A Merkle descent that this node leads with a peer, step by step, and the answers to those of others.
 *
 * Steps are those of reconcile.ts; here is how much of them a frame takes. What finds no room, on either
 * side, is kept by the leader for its next steps: the other side keeps no state. Entries flow meanwhile, so
 * that a descent takes hardly more frames than what is missing fills.
 */
import type { CheckedRows } from './checked-rows.ts'
import { digestName, digestSize, nameOf } from './digest-list.ts'
import { locatorBytes } from './journal.ts'
import { compareNodesMax, compareNodesRead, frameContentBytesMax, frameEntriesMax } from './limits.ts'
import type { Leaf, MerkleTrie } from './merkle.ts'
import type { Compare, Message, Summary, Want } from './message.ts'
import { compareStep, type Step } from './compare-step.ts'
import {
  childrenOf,
  fittingStep,
  fullDigestBytes,
  holds,
  narrowRoom,
  openDescent,
  shortDigestBytes,
  stepBytes,
  stepBytesMax,
  summarize,
  unanswered,
  wantedLeaves,
  type StepRoom,
} from './reconcile.ts'
import { bytesInFrame, entryRoom } from './rows.ts'
import { besideWanted, isOfSums, sumBytes, summedLeavesMax } from './subtree-sums.ts'
import type { Version } from './units.ts'

/** Summaries kept for later steps of a descent; what goes beyond, the next descent finds again. */
const restMax = 8 * compareNodesMax

/** Leaves kept for later requests, in the same way. */
const pushMax = 2 * frameEntriesMax

/**
 * Bytes of summaries in one request, where the peer reads as many: an answer takes the entries that such a
 * number of short lists of leaves brings, and hardly more.
 */
const wideStepBytesMax = 128 * 1024

/** Leaves among which a want is looked for again: those of a short list, with room for growth meanwhile. */
const wantedAmongMax = 64

/** Leaves that a list is told of instead of a sum: those of one, with room for growth meanwhile. */
const listedInsteadMax = 2 * summedLeavesMax

/** Summaries that are told at a time, even where the last answer had room for fewer. */
const paceMin = 64

/** How many more are told than the last answer had room for: the next entries may be smaller. */
const paceGrowth = 1.25

/**
 * Of the descents in a row after which roots had moved, every so many-th has full digests: two entries that
 * short ones do not tell apart stay so. Seconds where both sides are written to all the time, for a share of
 * bytes that hardly shows.
 */
const movedPerFull = 16

/** What to send next to a peer with which we lead a descent. */
export interface Descent {
  /** Began at the root, not with what the peer wanted after our rows. */
  readonly fromRoot: boolean
  /** Both roots at the beginning. */
  readonly roots: string
  /** Leaves of ours have been pushed: a root of the peer's that changes may say that it has taken them. */
  readonly gave: boolean
  readonly digestBytes: number
  /** Summaries and wants that the peer reads in one frame; undefined until it has said so. */
  readonly reads: number | undefined
  /** The peer reads sums (subtree-sums.ts). */
  readonly readsSums: boolean
  /** Summaries told at a time, after what its answers had room for: more would be told in vain. */
  readonly pace: number
  readonly rounds: number
  readonly next: Compare | undefined
  /** What the peer has told and our steps so far had no room to answer. */
  readonly rest: readonly Summary[]
  /** What we have told and its answers had no room for. */
  readonly unanswered: readonly Summary[]
  readonly push: readonly Leaf[]
  readonly want: readonly Want[]
  /** The horizon that this node vouched for when it made the oldest part of `next` and `unanswered`. */
  readonly vouched: Version
  /** The same of the peer and `rest`. */
  readonly restVouched: Version
  /** Entries that were news have come, and are durable. */
  brought?: boolean
  /** How many summaries of `next` and leaves of `push` the request had room for; undefined: all. */
  told?: number
  pushed?: number
}

/** Above every horizon. */
const nothingTold: Version = 2n ** 64n

/** A descent that begins with what the peer asked for after our rows. */
export const wantsOnly: Descent = {
  fromRoot: false,
  roots: '',
  gave: false,
  digestBytes: shortDigestBytes,
  reads: undefined,
  readsSums: false,
  pace: compareNodesRead,
  rounds: 0,
  next: undefined,
  rest: [],
  unanswered: [],
  push: [],
  want: [],
  vouched: nothingTold,
  restVouched: nothingTold,
}

/**
 * How much of each digest the next descent tells, after so many that failed, and that ended as roots moved.
 */
export function digestBytesAfter(failures: number, moved: number): number {
  return failures === 0 && moved % movedPerFull < movedPerFull - 1 ? shortDigestBytes : fullDigestBytes
}

/** Begins a descent from the top. */
export function beginDescent(trie: MerkleTrie, roots: string, digestBytes: number): Descent {
  return { ...wantsOnly, fromRoot: true, roots, digestBytes, next: openDescent(trie, digestBytes) }
}

/** Of leaves that a peer lacks those that have not ended; the others are given up. */
export type Sift = (leaves: readonly Leaf[]) => readonly Leaf[]

/** Takes the peer's step of the descent and works out ours; undefined when nothing is left to say. */
export function continueDescent(
  trie: MerkleTrie,
  descent: Descent,
  answer: Message,
  sift: Sift = leaves => leaves,
): Descent | undefined {
  const { digestBytes, fromRoot, roots, next } = descent
  const theirs = answer.compare?.summaries ?? []
  const [asked, told] = [next?.summaries ?? [], descent.told ?? next?.summaries.length ?? 0]
  const sent = asked.slice(0, told)
  const { reads, readsSums } = told === 0 ? descent : readingOf(answer)
  const answered = answer.answered ?? sent.length
  const open =
    reads === undefined
      ? unanswered(sent, theirs, answer.want)
      : besideWanted(sent.slice(answered), answer.want ?? [])
  const held = [...open, ...asked.slice(told), ...descent.unanswered].slice(0, restMax)
  // The newest first: deep before wide, so that entries move soon.
  const heard = [...theirs, ...descent.rest]
  const room = reads === undefined ? narrowRoom() : wideRoom(reads, readsSums)
  // Who does not say how far it has come is asked for one level at a time.
  const first = reads === undefined ? [] : fittingStep(held, room)
  room.bytes -= stepBytes(first)
  // What a peer has wanted after rows and did not get, it wants again if it can take it.
  const push = fromRoot ? descent.push.slice(descent.pushed ?? descent.push.length) : []
  const { found, others } = byOrigin(answer.want ?? [], digestBytes)
  const missing = wantedLeaves(trie, found, pushMax)
  push.push(...missing, ...wantedLeaves(trie, others, frameEntriesMax))
  const doubtful = listsInstead(trie, found.filter(isOfSums), missing, digestBytes)
  // A successor of what it found missing has come by now, unless it was left out.
  const isFull = mayLeaveOut(answer)
  const { step, lacked } = ownStep(trie, { digestBytes, summaries: heard }, room)
  push.push(...lacked)
  const rest = heard.slice(step.read, step.read + restMax)
  const isDone = first.length + rest.length + step.summaries.length === 0
  const again = isDone ? fittingStep(held, narrowRoom()) : first
  const summaries = [...doubtful, ...again, ...step.summaries]
  const want = [...unmetWants(trie, descent.want), ...step.want]
  if (push.length + want.length + summaries.length === 0) return undefined
  return {
    fromRoot,
    roots,
    gave: descent.gave || push.length > 0,
    ...(descent.brought === true ? { brought: true } : {}),
    digestBytes,
    reads,
    readsSums,
    pace: paceAfter(descent.pace, sent, answered),
    rounds: descent.rounds + 1,
    next: summaries.length === 0 ? undefined : { digestBytes, summaries },
    rest,
    unanswered: held.slice(again.length),
    push: withoutEnded(push, isFull ? step.apart : [...missing, ...step.apart], sift).slice(0, pushMax),
    want,
    vouched: descent.vouched,
    restVouched: descent.restVouched,
  }
}

/**
 * What a descent has found, and what is wanted after rows: that is named by digests of another length, and
 * has been compared with nothing.
 */
function byOrigin(wants: readonly Want[], digestBytes: number): Record<'found' | 'others', readonly Want[]> {
  const { found = [], others = [] } = Object.groupBy(wants, want =>
    digestSize(want.digests) === digestBytes || isOfSums(want) ? 'found' : 'others',
  )
  return { found, others }
}

/** Our step, with lists of leaves; with sums, where those would find no room and sums may be told. */
function ownStep(trie: MerkleTrie, theirs: Compare, room: StepRoom): { step: Step; lacked: Leaf[] } {
  const lacked: Leaf[] = []
  const sums = room.sums === true && theirs.digestBytes === shortDigestBytes
  const step = compareStep(trie, theirs, { ...room, sums: false }, leaf => lacked.push(leaf) > 0)
  if (!sums || step.read === theirs.summaries.length) return { step, lacked }
  const instead: Leaf[] = []
  return { step: compareStep(trie, theirs, room, leaf => instead.push(leaf) > 0), lacked: instead }
}

/** How much of a step the sender of an answer reads, and what. */
function readingOf({ reads, readsSums = false }: Message): Pick<Descent, 'reads' | 'readsSums'> {
  return { reads: reads && nodesRead(reads), readsSums }
}

/**
 * After the last step one more request, which says how we stand, since steps do not; then undefined. Only
 * where the peer has told how far it came: else more may have been left out, and the next descent tells.
 */
export function closeDescent(descent: Descent): Descent | undefined {
  if (!descent.fromRoot || descent.reads === undefined || descent.next === undefined) return undefined
  const nothing = { next: undefined, rest: [], unanswered: [], push: [], want: [] }
  return { ...descent, ...nothing, rounds: descent.rounds + 1 }
}

/** Bytes that the next step of a descent gets in a request, whatever else there is. */
export function stepShare(descent: Descent | undefined): number {
  const { next, pace = 0 } = descent ?? {}
  return stepBytes(fittingStep(next?.summaries ?? [], { nodes: pace, bytes: stepBytesMax }))
}

/** Of the next step, what a request has room for; notes on the descent how much that is. */
export function tellStep(descent: Descent, bytes: number): Pick<Message, 'compare' | 'reads'> {
  const { next, reads, pace, digestBytes } = descent
  if (next === undefined) return {}
  const room = { ...wideRoom(Math.min(reads ?? compareNodesMax, pace)), bytes }
  const summaries = fittingStep(next.summaries, room)
  // Another path may be asked the same: what either had no room for is told again.
  descent.told = Math.min(descent.told ?? Number.POSITIVE_INFINITY, summaries.length)
  if (summaries.length === 0) return {}
  const isWide = reads !== undefined || childrenOf(summaries) > compareNodesMax
  return { compare: { digestBytes, summaries }, ...(isWide ? { reads: compareNodesRead } : {}) }
}

/** The answer to a step of a peer that reads so much: what of it fits these bytes. */
export function answerStep(
  trie: MerkleTrie,
  rows: CheckedRows,
  compare: Compare,
  { reads, bytes }: { reads: number | undefined; bytes: number },
  sift: Sift = leaves => leaves,
): { sections: Message; want: readonly Want[]; entries: readonly Uint8Array[] } {
  const isWide = reads !== undefined
  const room = isWide ? wideRoom(nodesRead(reads)) : narrowRoom()
  room.bytes = isWide ? bytes : Math.min(room.bytes, bytes)
  const leaves: Leaf[] = []
  const entries: Uint8Array[] = []
  const take = (leaf: Leaf): boolean => {
    const entry = rows.bytesOf(leaf)
    const size = entry === undefined ? 0 : bytesInFrame(entry, entries.at(-1))
    if (size > room.bytes) return false
    room.bytes -= size
    if (entry !== undefined) entries.push(entry)
    return leaves.push(leaf) > 0
  }
  const step = compareStep(trie, compare, room, isWide ? take : leaf => leaves.push(leaf) > 0)
  const { read, summaries, want, apart } = step
  const ours = withoutEnded(leaves, apart, sift)
  const isRead = isWide && ours === leaves
  const left = isRead ? entries : rows.bytesOfAll(ours, bytes - stepBytes(summaries, want)).entries
  const sections = {
    ...(summaries.length === 0 ? {} : { compare: { digestBytes: compare.digestBytes, summaries } }),
    ...(isWide ? { reads: compareNodesRead, readsSums: true } : {}),
    ...(isWide && read < compare.summaries.length ? { answered: read } : {}),
  }
  return { sections, want, entries: left }
}

/** Lists of ours where sums differed by more than one leaf: nobody holds what was wanted. */
function listsInstead(
  trie: MerkleTrie,
  wants: readonly Want[],
  missing: readonly Leaf[],
  digestBytes: number,
): Summary[] {
  const met = new Set(missing.map(({ digest }) => nameOf(digest, 0, sumBytes)))
  return wants.flatMap(({ prefix, length, digests }) => {
    if (met.has(digestName(digests, 0)) || trie.countUnder(prefix, length) > listedInsteadMax) return []
    return summarize(trie, trie.at(prefix, length), prefix, length, digestBytes)
  })
}

/**
 * Without what has ended of the leaves that a peer lacks. Where something of the peer's is wanted as well, it
 * may be the successor: what ours is shows once that has come.
 */
function withoutEnded(leaves: readonly Leaf[], apart: readonly Leaf[], sift: Sift): readonly Leaf[] {
  const left = sift(apart)
  if (left.length === apart.length) return leaves
  const kept = new Set(left)
  const ended = new Set(apart.filter(leaf => !kept.has(leaf)))
  return leaves.filter(leaf => !ended.has(leaf))
}

/**
 * Of the wants of the last request, those that its answer had no room for: it goes through them in order.
 * None where it brought nothing, since asking again would bring the same.
 */
function unmetWants(trie: MerkleTrie, wants: readonly Want[]): readonly Want[] {
  const isShort = ({ prefix, length }: Want): boolean => trie.countUnder(prefix, length) <= wantedAmongMax
  const met = wants.findLastIndex(want => isShort(want) && holds(trie, want))
  return met < 0 ? [] : wants.slice(met + 1)
}

/** Whether an answer may have left entries out for want of room, and does not say so. */
function mayLeaveOut({ reads, entries = [], rows, compare, want }: Message): boolean {
  if (reads !== undefined) return false
  const { entries: told = [], locators = [] } = rows ?? {}
  // In frames they come grouped by author; the sender may have counted the author of each.
  const sizes = [...entries, ...told].map(entry => bytesInFrame(entry, undefined))
  const size = sizes.reduce((sum, each) => sum + each, locatorBytes * locators.length)
  return size + stepBytes(compare?.summaries, want) + entryRoom > frameContentBytesMax
}

/** How many summaries to tell after an answer that had room for the first `answered` of those sent. */
function paceAfter(pace: number, sent: readonly Summary[], answered: number): number {
  const cut = sent[answered]
  const more = Math.max(paceMin, Math.ceil(paceGrowth * answered))
  if (cut === undefined) return Math.min(Math.max(pace, more), compareNodesRead)
  // A branch is answered with many summaries, and says nothing of how many lists of leaves find room.
  return cut.bitmap === undefined || cut.sums === true ? more : pace
}

/** Summaries and wants that a frame may have for a node that says so of itself, or nothing of the kind. */
export function nodesRead(reads: number | undefined): number {
  return Math.min(Math.max(reads ?? 0, compareNodesMax), compareNodesRead)
}

function wideRoom(nodes: number, sums = false): StepRoom {
  return { nodes, leaves: nodes, bytes: wideStepBytesMax, sums }
}

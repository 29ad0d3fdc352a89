/**
 * Merkle descent: one symmetric, stateless step that both sides repeat until nothing is left to compare.
 *
 * Each side tells what it holds under some prefixes. Whoever hears that answers, for every prefix that
 * differs, with what it holds one level further down, the entries the other lacks, and the entries it wants.
 * Short digests keep the frames small; the root, compared afterwards in full, catches what they may miss.
 */
import { toHex } from './bytes.ts'
import { compareNodesMax } from './limits.ts'
import type { Leaf, MerkleTrie } from './merkle.ts'
import { nibbleAt, pathNibbles, prefixBytes, sharedNibbles } from './merkle.ts'
import type { Compare, Locator, Summary, Want } from './message.ts'
import { matchesShort } from './wire.ts'

/**
 * Bytes of a digest in a first descent: a false match in 2^32, after which the roots differ and the next is
 * full.
 */
export const shortDigestBytes = 4

/** Bytes of a digest once a descent has ended without equal roots. */
export const fullDigestBytes = 32

/** A subtree of up to this many leaves is told leaf by leaf: cheaper than one more level of 16 children. */
const leafListMax = 20

/**
 * Most bytes of summaries and wants in one step; the rest of the frame is for entries and for the next
 * descent.
 */
const stepBytesMax = 96 * 1024

/** What a summary or want takes beside its digests: heads, prefix, length, depth, bitmap. */
const placeBytes = 24

/**
 * Leaves looked at to answer one message of wants: all that honest ones name, with room for growth meanwhile.
 */
const wantedVisitsMax = 128 * 1024

/** Nibbles that a branch can go on with. */
const childrenMax = 16

/** What one step yields. */
export interface Step {
  /** How many of the other side's summaries it answers; what is beyond found no room. */
  readonly read: number
  readonly summaries: readonly Summary[]
  /** Leaves the other side lacks. */
  readonly push: readonly Leaf[]
  readonly want: readonly Want[]
}

/** What we hold in all: opens a descent. */
export function openDescent(trie: MerkleTrie, digestBytes: number): Compare {
  return { digestBytes, summaries: [summarize(trie, new Uint8Array(0), 0, digestBytes)] }
}

/**
 * Answers the other side's summaries, the first ones first, as many as fit.
 * @param leavesMax bound on the leaves pushed and wanted
 */
export function compareStep(trie: MerkleTrie, theirs: Compare, leavesMax: number): Step {
  const step = { read: 0, summaries: [] as Summary[], push: [] as Leaf[], want: [] as Want[] }
  let bytes = 0
  let wanted = 0
  for (const summary of theirs.summaries) {
    const room = leavesMax - step.push.length - wanted
    if (isFull(step.summaries.length, bytes) || room <= 0) break
    step.read++
    const told = { summaries: step.summaries.length, want: step.want.length }
    if (summary.children !== undefined) compareBranch(trie, summary, theirs.digestBytes, step, room)
    else compareLeaves(trie, summary, step, room)
    const news = { summaries: step.summaries.slice(told.summaries), want: step.want.slice(told.want) }
    bytes += stepBytes(news.summaries, news.want)
    wanted += news.want.reduce((sum, { digests }) => sum + digests.length, 0)
  }
  return step
}

/** Of the summaries, the first ones that fit one step. */
export function fittingStep(summaries: readonly Summary[]): readonly Summary[] {
  let bytes = 0
  const end = summaries.findIndex((summary, at) => {
    const full = isFull(at, bytes)
    bytes += stepBytes([summary])
    return full
  })
  return end < 0 ? summaries : summaries.slice(0, end)
}

/** Of the summaries that were asked, those that the answer had no room for: it goes through them in order. */
export function unanswered(
  asked: readonly Summary[],
  answer: readonly Summary[],
  want: readonly Want[] = [],
): readonly Summary[] {
  const last = answer.at(-1)
  if (last === undefined || !isFull(answer.length, stepBytes(answer, want))) return []
  const at = asked.findLastIndex(({ prefix, length, depth = length }) => {
    const isBelow = (last.depth ?? last.length) >= depth
    return isBelow && sharedNibbles(padded(prefix), padded(last.prefix), depth) >= depth
  })
  return at < 0 ? [] : asked.slice(at + 1)
}

/** Whether a step has no room for the answer to one more summary. */
function isFull(summaries: number, bytes: number): boolean {
  return summaries > compareNodesMax - childrenMax || bytes >= stepBytesMax
}

/** About how many bytes of a frame summaries and wants take; never less than they do. */
export function stepBytes(summaries: readonly Summary[] = [], want: readonly Want[] = []): number {
  const sizeOf = (prefix: Uint8Array, digests: readonly Uint8Array[]): number =>
    placeBytes + prefix.length + digests.length * (digests[0]?.length ?? 0)
  const told = summaries.reduce(
    (sum, { prefix, children, leaves }) => sum + sizeOf(prefix, [...(children?.values() ?? leaves ?? [])]),
    0,
  )
  return want.reduce((sum, { prefix, digests }) => sum + sizeOf(prefix, digests), told)
}

/**
 * The leaves that a `want` asks for, at most `leavesMax`. The work is bounded, whatever the prefixes cover
 * and however many digests they name.
 */
export function wantedLeaves(trie: MerkleTrie, wants: readonly Want[], leavesMax: number): Leaf[] {
  const found: Leaf[] = []
  let visits = 0
  for (const { prefix, length, digests } of wants) {
    const size = digests[0]?.length ?? 0
    const asked = new Set(digests.map(toHex))
    for (const leaf of asked.size === 0 ? [] : trie.leaves(prefix, length)) {
      if (found.length >= leavesMax || visits++ >= wantedVisitsMax) return found
      if (asked.has(toHex(leaf.digest.subarray(0, size)))) found.push(leaf)
    }
  }
  return found
}

/** Of the entries told by locator, those that we do not hold, as wants. */
export function missingOf(trie: MerkleTrie, locators: readonly Locator[]): Want[] {
  return locators
    .filter(
      ({ path, digest }) =>
        ![...trie.leaves(path, 2 * path.length)].some(leaf => matchesShort(leaf.digest, digest)),
    )
    .map(({ path, digest }) => ({ prefix: path, length: 2 * path.length, digests: [digest] }))
}

function summarize(trie: MerkleTrie, prefix: Uint8Array, length: number, digestBytes: number): Summary {
  const subtree = trie.subtree(prefix, length)
  const place = { prefix: prefixBytes(prefix, length), length }
  if (subtree === undefined) return { ...place, leaves: [] }
  if (subtree.depth === undefined || subtree.count <= leafListMax) {
    const leaves = [...trie.leaves(prefix, length)].map(leaf => leaf.digest.subarray(0, digestBytes))
    return { ...place, leaves }
  }
  const { depth, path } = subtree
  const children = new Map<number, Uint8Array>()
  for (let nibble = 0; nibble < 16; nibble++) {
    const child = trie.subtree(childPrefix(path, depth, nibble), depth + 1)
    if (child !== undefined) children.set(nibble, child.digest.subarray(0, digestBytes))
  }
  return { prefix: prefixBytes(path, depth), length, depth, children }
}

function compareBranch(
  trie: MerkleTrie,
  theirs: Summary,
  digestBytes: number,
  step: { summaries: Summary[]; push: Leaf[] },
  room: number,
): void {
  const { prefix, length, depth = length, children = new Map<number, Uint8Array>() } = theirs
  for (const [nibble, digest] of children) {
    const below = childPrefix(prefix, depth, nibble)
    const mine = trie.subtree(below, depth + 1)
    if (mine !== undefined && matchesShort(mine.digest, digest)) continue
    step.summaries.push(summarize(trie, below, depth + 1, digestBytes))
  }
  const end = step.push.length + room
  for (const leaf of leavesOutside(trie, { prefix, length, depth, children })) {
    if (step.push.length >= end) return
    step.push.push(leaf)
  }
}

/**
 * Our leaves under a prefix that lie under none of the children the other side has there. Visits no others.
 */
function* leavesOutside(
  trie: MerkleTrie,
  theirs: Required<Pick<Summary, 'prefix' | 'length' | 'depth' | 'children'>>,
): Generator<Leaf> {
  const { prefix, depth, children } = theirs
  for (let length = theirs.length; ;) {
    const mine = trie.subtree(prefix, length)
    if (mine === undefined) return
    const reach = Math.min(mine.depth ?? pathNibbles, depth)
    if (sharedNibbles(mine.path, padded(prefix), reach) < reach) {
      yield* trie.leaves(prefix, length)
      return
    }
    const inside = (nibble: number): boolean =>
      reach < depth ? nibble === nibbleAt(prefix, reach) : children.has(nibble)
    for (let nibble = 0; nibble < 16; nibble++)
      if (!inside(nibble)) yield* trie.leaves(childPrefix(prefix, reach, nibble), reach + 1)
    if (reach === depth) return
    length = reach + 1
  }
}

function compareLeaves(
  trie: MerkleTrie,
  theirs: Summary,
  step: { push: Leaf[]; want: Want[] },
  room: number,
): void {
  const { prefix, length, leaves = [] } = theirs
  const size = leaves[0]?.length ?? 0
  const lacking = new Map(leaves.map(short => [toHex(short), short]))
  const end = step.push.length + room
  for (const leaf of trie.leaves(prefix, length)) {
    if (lacking.delete(toHex(leaf.digest.subarray(0, size)))) continue
    if (step.push.length >= end) return
    step.push.push(leaf)
  }
  const digests = [...lacking.values()].slice(0, room)
  if (digests.length > 0) step.want.push({ prefix, length, digests })
}

/** The prefix one nibble further down: `depth` nibbles of `path`, then `nibble`. */
function childPrefix(path: Uint8Array, depth: number, nibble: number): Uint8Array {
  const bytes = new Uint8Array((depth + 2) >> 1)
  bytes.set(prefixBytes(path, depth))
  const last = depth >> 1
  bytes[last] = (bytes[last] as number) | (depth % 2 === 0 ? nibble << 4 : nibble)
  return bytes
}

function padded(prefix: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(64)
  bytes.set(prefix.subarray(0, 64))
  return bytes
}

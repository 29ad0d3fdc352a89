/**
 * Merkle descent: one symmetric, stateless step that both sides repeat until nothing is left to compare.
 *
 * Each side tells what it holds under some prefixes. Whoever hears that answers, for every prefix that
 * differs, with what it holds one level further down, the entries the other lacks, and the entries it wants.
 * Short digests keep the frames small; the root, compared afterwards in full, catches what they may miss.
 */
import { compareBytes } from './bytes.ts'
import type { Leaf, MerkleTrie } from './merkle.ts'
import { nibbleAt, prefixBytes, sharedNibbles } from './merkle.ts'
import type { Compare, Locator, Summary, Want } from './message.ts'
import { matchesShort } from './wire.ts'

/** Bytes of a digest in a first descent: a false match in 2^48. */
export const shortDigestBytes = 6

/** Bytes of a digest once a descent has ended without equal roots. */
export const fullDigestBytes = 32

/** A subtree of up to this many leaves is told leaf by leaf: cheaper than one more level of 16 children. */
const leafListMax = 20

/** Summaries in one step; more would not leave room for the answer. The rest is found by the next descent. */
const summariesMax = 512

/** What one step yields. */
export interface Step {
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
 * Answers the other side's summaries.
 * @param leavesMax bound on the leaves pushed and wanted
 */
export function compareStep(trie: MerkleTrie, theirs: Compare, leavesMax: number): Step {
  const step = { summaries: [] as Summary[], push: [] as Leaf[], want: [] as Want[] }
  let room = leavesMax
  for (const summary of theirs.summaries) {
    if (step.summaries.length >= summariesMax || room <= 0) break
    if (summary.children !== undefined) compareBranch(trie, summary, theirs.digestBytes, step, room)
    else compareLeaves(trie, summary, step, room)
    room = leavesMax - step.push.length - step.want.reduce((sum, want) => sum + want.digests.length, 0)
  }
  return step
}

/** The leaves that a `want` asks for, at most `leavesMax`. */
export function wantedLeaves(trie: MerkleTrie, wants: readonly Want[], leavesMax: number): Leaf[] {
  const found: Leaf[] = []
  for (const { prefix, length, digests } of wants) {
    if (digests.length === 0) continue
    for (const leaf of trie.leaves(prefix, length)) {
      if (found.length >= leavesMax) return found
      if (digests.some(short => matchesShort(leaf.digest, short))) found.push(leaf)
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
  if (subtreeInside(trie, theirs, children)) return
  for (const leaf of trie.leaves(prefix, length)) {
    if (step.push.length >= room) return
    const inside = sharedNibbles(leaf.path, padded(prefix), depth) >= depth
    if (!inside || !children.has(nibbleAt(leaf.path, depth))) step.push.push(leaf)
  }
}

/**
 * Whether all our leaves under the prefix lie under children that the other side has too. Asks 16 questions
 * at most.
 */
function subtreeInside(
  trie: MerkleTrie,
  theirs: Summary,
  children: ReadonlyMap<number, Uint8Array>,
): boolean {
  const { prefix, length, depth = length } = theirs
  let covered = 0
  for (const nibble of children.keys())
    covered += trie.subtree(childPrefix(prefix, depth, nibble), depth + 1)?.count ?? 0
  return covered === (trie.subtree(prefix, length)?.count ?? 0)
}

function compareLeaves(
  trie: MerkleTrie,
  theirs: Summary,
  step: { push: Leaf[]; want: Want[] },
  room: number,
): void {
  const { prefix, length, leaves = [] } = theirs
  const lacking = [...leaves].sort(compareBytes)
  let pushed = 0
  for (const leaf of trie.leaves(prefix, length)) {
    const at = lacking.findIndex(short => matchesShort(leaf.digest, short))
    if (at >= 0) lacking.splice(at, 1)
    else if (pushed++ < room) step.push.push(leaf)
  }
  if (lacking.length > 0) step.want.push({ prefix, length, digests: lacking.slice(0, room) })
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

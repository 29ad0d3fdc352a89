/**
 * Builds a whole trie at once: leaves are sorted by path, then every branch is made exactly once, top down.
 *
 * Inserting one by one walks from the top for each leaf and touches every branch on the way; at a million
 * entries that is ten times as much work, and a node must be ready in seconds.
 */
import type { LeafBlock } from './ports.ts'
import { pathNibbles, type Ref, type TrieArena } from './trie-arena.ts'

/** Bits of a path that fit a number beside nothing else: whole bytes, so that they are read cheaply. */
const headBits = 48

/** Bits of an integer that a double holds exactly. */
const exactBits = 53

/** Fills an empty arena; the top of the trie, 0 if there are no leaves. */
export function buildTrie(arena: TrieArena, blocks: Iterable<LeafBlock>): Ref {
  let count = 0
  for (const block of blocks) count = arena.addLeaves(block)
  if (count === 0) return 0
  // Side by side in memory as well: what follows walks them in this order several times over.
  arena.arrange(sortedLeaves(arena, count))
  return build(arena, 0, count)
}

/**
 * References of all leaves by ascending path. Sorts numbers made of the head of the path and the index, which
 * the engine does natively; the few with equal heads are put in order afterwards.
 */
function sortedLeaves(arena: TrieArena, count: number): Int32Array {
  const indexBits = Math.ceil(Math.log2(count + 1))
  const unit = 2 ** indexBits
  const dropped = 2 ** Math.max(0, headBits - (exactBits - indexBits))
  const heads = new Float64Array(count)
  for (let index = 0; index < count; index++) {
    heads[index] = Math.floor(arena.head(-index - 1) / dropped) * unit + index
  }
  heads.sort()
  const sorted = new Int32Array(count)
  let from = 0
  let last = Number.NaN
  for (let at = 0; at < count; at++) {
    const combined = heads[at] as number
    const head = Math.floor(combined / unit)
    sorted[at] = -(combined - head * unit) - 1
    if (head === last) continue
    order(arena, sorted.subarray(from, at))
    from = at
    last = head
  }
  order(arena, sorted.subarray(from))
  return sorted
}

function order(arena: TrieArena, leaves: Int32Array): void {
  if (leaves.length > 1) leaves.sort((a, b) => arena.compare(a, b))
}

/** The node over the leaves number `low` to below `high`, at least one. */
function build(arena: TrieArena, low: number, high: number): Ref {
  const first = leafNumber(low)
  if (high - low === 1) return first
  const depth = arena.sharedByLeaves(first, leafNumber(high - 1))
  if (depth === pathNibbles) return newest(arena, low, high)
  const branch = arena.addBranch(depth, first)
  let count = 0
  for (let at = low; at < high;) {
    const nibble = arena.nibble(leafNumber(at), depth)
    let end = at + 1
    while (end < high && arena.nibble(leafNumber(end), depth) === nibble) end++
    const child = build(arena, at, end)
    arena.setChild(branch, nibble, child)
    count += arena.count(child)
    at = end
  }
  arena.setCount(branch, count)
  return branch
}

/**
 * Several rows for one place are damage; the latest stands, as if set one after the other. It stands in the
 * first leaf, because branches above may have taken that one as their sample.
 */
function newest(arena: TrieArena, low: number, high: number): Ref {
  const first = leafNumber(low)
  for (let at = low + 1; at < high; at++) {
    const leaf = leafNumber(at)
    const later = arena.seq(leaf) > arena.seq(first)
    if (later) arena.setLeaf(first, arena.digest(leaf) as Uint8Array, arena.seq(leaf))
    arena.dropLeaf(leaf)
  }
  return first
}

function leafNumber(index: number): Ref {
  return -index - 1
}

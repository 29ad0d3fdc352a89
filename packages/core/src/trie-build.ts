/**
 * Builds a whole trie at once: leaves are sorted by path, then every branch is made exactly once, top down.
 *
 * Inserting one by one walks from the top for each leaf and touches every branch on the way; at a million
 * entries that is ten times as much work, and a node must be ready in seconds.
 */
import { LeafOrder } from './leaf-order.ts'
import type { LeafBlock } from './ports.ts'
import { pathNibbles, type Ref, type TrieArena } from './trie-arena.ts'

/** Fills an empty arena; the top of the trie, 0 if there are no leaves. */
export function buildTrie(arena: TrieArena, blocks: Iterable<LeafBlock>): Ref {
  const leaves = new LeafOrder(blocks, arena.wholeKeySlot)
  if (leaves.count === 0) return 0
  // Side by side in memory as well: what follows walks them in this order several times over.
  arena.addLeaves(leaves)
  return build(arena, 0, leaves.count)
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

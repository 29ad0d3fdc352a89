/**
 * Builds a whole trie at once: leaves are sorted by path, then every branch is made exactly once, top down.
 *
 * Inserting one by one walks from the top for each leaf and touches every branch on the way; at a million
 * entries that is ten times as much work, and a node must be ready in seconds.
 */
import { headBits, LeafOrder } from './leaf-order.ts'
import type { LeafBlock } from './ports.ts'
import { pathNibbles, type Ref, type TrieArena } from './trie-arena.ts'

/** Nibbles in the head of a path. */
const headNibbles = headBits / 4

/** Fills an empty arena; the top of the trie, 0 if there are no leaves. */
export function buildTrie(arena: TrieArena, blocks: Iterable<LeafBlock>): Ref {
  const leaves = new LeafOrder(blocks, arena.wholeKeySlot)
  if (leaves.count === 0) return 0
  const heads = new Uint32Array(leaves.count)
  let at = 0
  for (const run of leaves.runs()) {
    // Side by side in memory as well: what follows walks them in this order several times over.
    arena.addLeaves(run)
    for (let index = 0; index < run.count; index++) heads[at++] = run.head(index)
  }
  return new TrieBuilder(arena, heads).build(0, heads.length)
}

/** Links sorted leaves. The heads of their paths answer nearly every question without fetching a leaf. */
class TrieBuilder {
  readonly #arena: TrieArena
  readonly #heads: Uint32Array

  constructor(arena: TrieArena, heads: Uint32Array) {
    this.#arena = arena
    this.#heads = heads
  }

  /** The node over the leaves number `low` to below `high`, at least one. */
  build(low: number, high: number): Ref {
    const first = leafNumber(low)
    if (high - low === 1) return first
    const depth = this.#shared(low, high - 1)
    if (depth === pathNibbles) return this.#newest(low, high)
    const arena = this.#arena
    const branch = arena.addBranch(depth, first)
    let count = 0
    for (let at = low; at < high;) {
      const nibble = this.#nibble(at, depth)
      let end = at + 1
      while (end < high && this.#nibble(end, depth) === nibble) end++
      const child = this.build(at, end)
      arena.setChild(branch, nibble, child)
      count += arena.count(child)
      at = end
    }
    arena.setCount(branch, count)
    return branch
  }

  /** How many leading nibbles the paths of two leaves share. */
  #shared(a: number, b: number): number {
    const differing = (this.#heads[a] as number) ^ (this.#heads[b] as number)
    if (differing === 0) return this.#arena.sharedByLeaves(leafNumber(a), leafNumber(b))
    return Math.clz32(differing) >> 2
  }

  #nibble(at: number, index: number): number {
    if (index >= headNibbles) return this.#arena.nibble(leafNumber(at), index)
    return ((this.#heads[at] as number) >>> (headBits - 4 - 4 * index)) & 15
  }

  /**
   * Several rows for one place are damage; the latest stands, as if set one after the other. It stands in the
   * first leaf, because branches above may have taken that one as their sample.
   */
  #newest(low: number, high: number): Ref {
    const arena = this.#arena
    const first = leafNumber(low)
    for (let at = low + 1; at < high; at++) {
      const leaf = leafNumber(at)
      const later = arena.seq(leaf) > arena.seq(first)
      if (later) arena.setLeaf(first, arena.digest(leaf) as Uint8Array, arena.seq(leaf))
      arena.dropLeaf(leaf)
    }
    return first
  }
}

function leafNumber(index: number): Ref {
  return -index - 1
}

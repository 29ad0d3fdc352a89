/**
 * Memory for the trie: nodes as numbers into typed arrays, about 110 bytes per entry and nothing for the
 * collector to walk.
 *
 * A node is a reference: 0 for none, positive for a branch, negative for a leaf. Arrays grow by chunks, so
 * that growing copies nothing. Most entries live in the whole-key slot; only other slots keep the second half
 * of their path.
 */
import { concatBytes, equalBytes } from './bytes.ts'
import type { LeafRun } from './leaf-order.ts'
import type { Sequence } from './units.ts'

/** Nibbles in a path. */
export const pathNibbles = 128

/** A node: 0 none, > 0 a branch, < 0 a leaf. */
export type Ref = number

/** Bytes of a digest, and of each half of a path. */
const digestBytes = 32

const digestWords = digestBytes / 4

/** Nodes per chunk: small, because most tries are; a thousand chunks hold a million nodes. */
const chunkBits = 10
const chunkSize = 1 << chunkBits
const chunkMask = chunkSize - 1

/** Digests and first halves of paths, by four bytes. */
export interface LeafWords {
  readonly keys: Uint32Array
  readonly digests: Uint32Array
}

interface LeafChunk {
  readonly keys: Uint8Array
  readonly digests: Uint8Array
  readonly seqs: Float64Array
  /** Keys and digests by four bytes, to copy them. */
  readonly words: LeafWords
}

interface BranchChunk {
  readonly children: Int32Array
  readonly digests: Uint8Array
  /** The digests by four bytes. */
  readonly words: Uint32Array
  readonly counts: Uint32Array
  readonly depths: Uint8Array
  /** 1 where the digest is up to date. */
  readonly fresh: Uint8Array
  /** Some leaf below: holds the prefix. */
  readonly samples: Int32Array
}

/** The nibble of `path` at `index`. */
export function nibbleAt(path: Uint8Array, index: number): number {
  const byte = path[index >> 1] as number
  return index % 2 === 0 ? byte >> 4 : byte & 15
}

/** Whether a reference is a branch. */
export function isBranch(ref: Ref): boolean {
  return ref > 0
}

/** Nodes in typed arrays. Knows nothing of hashing or of the shape of the trie. */
export class TrieArena {
  readonly #leaves: LeafChunk[] = []
  readonly #branches: BranchChunk[] = []
  readonly #otherSlots = new Map<Ref, Uint8Array>()
  /** Hash of the empty slot: the second half of most paths. */
  readonly wholeKeySlot: Uint8Array
  #leafCount = 0
  #branchCount = 0
  readonly #freeLeaves: Ref[] = []
  readonly #freeBranches: Ref[] = []

  constructor(wholeKeySlot: Uint8Array) {
    this.wholeKeySlot = wholeKeySlot
  }

  addLeaf(path: Uint8Array, digest: Uint8Array, seq: Sequence): Ref {
    const ref = this.#freeLeaves.pop() ?? -++this.#leafCount
    const chunk = this.#leafChunk(ref)
    const at = leafAt(ref)
    chunk.keys.set(path.subarray(0, digestBytes), at * digestBytes)
    const slot = path.subarray(digestBytes)
    if (!equalBytes(slot, this.wholeKeySlot)) this.#otherSlots.set(ref, slot.slice())
    this.setLeaf(ref, digest, seq)
    return ref
  }

  /** Takes in leaves that hang nowhere yet, in path order: the first becomes reference −1, and so on. */
  addLeaves(leaves: LeafRun): void {
    for (let at = 0; at < leaves.count; at++) {
      const ref = -++this.#leafCount
      const [{ words, seqs }, to] = [this.#leafChunk(ref), leafAt(ref)]
      seqs[to] = leaves.copy(at, words, to * digestWords)
      const slot = leaves.slot(at)
      if (slot !== undefined) this.#otherSlots.set(ref, slot)
    }
  }

  /** Another entry takes the place of a leaf. */
  setLeaf(ref: Ref, digest: Uint8Array, seq: Sequence): void {
    const chunk = this.#leafChunk(ref)
    const at = leafAt(ref)
    chunk.digests.set(digest, at * digestBytes)
    chunk.seqs[at] = seq
  }

  dropLeaf(ref: Ref): void {
    this.#otherSlots.delete(ref)
    this.#freeLeaves.push(ref)
  }

  addBranch(depth: number, sample: Ref): Ref {
    const ref = this.#freeBranches.pop() ?? ++this.#branchCount
    const chunk = this.#branchChunk(ref)
    const at = branchAt(ref)
    chunk.children.fill(0, at * 16, at * 16 + 16)
    chunk.depths[at] = depth
    chunk.samples[at] = sample
    chunk.counts[at] = 0
    chunk.fresh[at] = 0
    return ref
  }

  /** A branch like another one, whose digest is stale. */
  copyBranch(branch: Ref): Ref {
    const copy = this.addBranch(this.depth(branch), this.sample(branch))
    const [from, to] = [this.#branchChunk(branch), this.#branchChunk(copy)]
    const [at, target] = [branchAt(branch) * 16, branchAt(copy) * 16]
    for (let nibble = 0; nibble < 16; nibble++)
      to.children[target + nibble] = from.children[at + nibble] as number
    this.setCount(copy, this.count(branch))
    return copy
  }

  dropBranch(ref: Ref): void {
    this.#freeBranches.push(ref)
  }

  child(branch: Ref, nibble: number): Ref {
    const chunk = this.#branchChunk(branch)
    const at = branchAt(branch)
    return chunk.children[at * 16 + nibble] as number
  }

  /** Hangs `child` (or nothing) under a branch; the branch's digest is stale from now on. */
  setChild(branch: Ref, nibble: number, child: Ref): void {
    const chunk = this.#branchChunk(branch)
    const at = branchAt(branch)
    chunk.children[at * 16 + nibble] = child
    chunk.fresh[at] = 0
  }

  count(ref: Ref): number {
    if (ref === 0) return 0
    if (!isBranch(ref)) return 1
    const chunk = this.#branchChunk(ref)
    const at = branchAt(ref)
    return chunk.counts[at] as number
  }

  setCount(branch: Ref, count: number): void {
    const chunk = this.#branchChunk(branch)
    const at = branchAt(branch)
    chunk.counts[at] = count
  }

  depth(branch: Ref): number {
    const chunk = this.#branchChunk(branch)
    const at = branchAt(branch)
    return chunk.depths[at] as number
  }

  seq(leaf: Ref): Sequence {
    const chunk = this.#leafChunk(leaf)
    const at = leafAt(leaf)
    return chunk.seqs[at] as number
  }

  /** A leaf at or below the node: its path starts with the node's prefix. */
  sample(ref: Ref): Ref {
    if (!isBranch(ref)) return ref
    const chunk = this.#branchChunk(ref)
    const at = branchAt(ref)
    return chunk.samples[at] as number
  }

  setSample(branch: Ref, sample: Ref): void {
    const chunk = this.#branchChunk(branch)
    const at = branchAt(branch)
    chunk.samples[at] = sample
  }

  /**
   * The digest; undefined for a branch that has changed since it was set. A view: it changes with the node.
   */
  digest(ref: Ref): Uint8Array | undefined {
    if (!isBranch(ref)) return slice(this.#leafChunk(ref).digests, leafAt(ref))
    const chunk = this.#branchChunk(ref)
    const at = branchAt(ref)
    return chunk.fresh[at] === 0 ? undefined : slice(chunk.digests, at)
  }

  /** Copies the digest of a node, up to date or not, to word `to` of `target`. A loop: a view would cost more. */
  copyDigest(ref: Ref, target: Uint32Array, to: number): void {
    const words = isBranch(ref) ? this.#branchChunk(ref).words : this.#leafChunk(ref).words.digests
    const from = (isBranch(ref) ? branchAt(ref) : leafAt(ref)) * digestWords
    for (let at = 0; at < digestWords; at++) target[to + at] = words[from + at] as number
  }

  isFresh(branch: Ref): boolean {
    return this.#branchChunk(branch).fresh[branchAt(branch)] === 1
  }

  /** Copies the first `length` nibbles of a leaf's path, the odd last half zero; how many bytes that were. */
  copyPrefix(leaf: Ref, length: number, target: Uint8Array, to: number): number {
    const bytes = (length + 1) >> 1
    for (let at = 0; at < bytes; at++) target[to + at] = this.byte(leaf, at)
    if (length % 2 === 1) target[to + bytes - 1] = (target[to + bytes - 1] as number) & 0xf0
    return bytes
  }

  setDigest(branch: Ref, digest: Uint8Array): void {
    const chunk = this.#branchChunk(branch)
    const at = branchAt(branch)
    chunk.digests.set(digest, at * digestBytes)
    chunk.fresh[at] = 1
  }

  /** The whole path of a leaf, in fresh memory. */
  path(leaf: Ref): Uint8Array {
    const chunk = this.#leafChunk(leaf)
    const at = leafAt(leaf)
    return concatBytes(chunk.keys.subarray(at * digestBytes, (at + 1) * digestBytes), this.#slotOf(leaf))
  }

  /** How many leading nibbles a leaf's path shares with `path`, at most `limit`. */
  shared(leaf: Ref, path: Uint8Array, limit: number): number {
    const chunk = this.#leafChunk(leaf)
    const at = leafAt(leaf)
    const bytes = Math.min(limit + 1, 4 * digestBytes) >> 1
    let byte = 0
    const keyBytes = Math.min(bytes, digestBytes)
    while (byte < keyBytes && chunk.keys[at * digestBytes + byte] === path[byte]) byte++
    if (byte === digestBytes && bytes > digestBytes) {
      const slot = this.#slotOf(leaf)
      while (byte < bytes && slot[byte - digestBytes] === path[byte]) byte++
    }
    if (2 * byte >= limit) return limit
    return this.nibble(leaf, 2 * byte) === (path[byte] as number) >> 4 ? 2 * byte + 1 : 2 * byte
  }

  /** How many leading nibbles the paths of two leaves share. */
  sharedByLeaves(a: Ref, b: Ref): number {
    let byte = 0
    while (2 * byte < pathNibbles && this.byte(a, byte) === this.byte(b, byte)) byte++
    if (2 * byte >= pathNibbles) return pathNibbles
    return this.nibble(a, 2 * byte) === this.nibble(b, 2 * byte) ? 2 * byte + 1 : 2 * byte
  }

  /** The nibble of a leaf's path at `index`. */
  nibble(leaf: Ref, index: number): number {
    const value = this.byte(leaf, index >> 1)
    return index % 2 === 0 ? value >> 4 : value & 15
  }

  /** The byte of a leaf's path at `index`. */
  byte(leaf: Ref, index: number): number {
    if (index >= digestBytes) return this.#slotOf(leaf)[index - digestBytes] as number
    return this.#leafChunk(leaf).keys[leafAt(leaf) * digestBytes + index] as number
  }

  #slotOf(leaf: Ref): Uint8Array {
    return this.#otherSlots.get(leaf) ?? this.wholeKeySlot
  }

  #leafChunk(ref: Ref): LeafChunk {
    const index = (-ref - 1) >>> chunkBits
    return (this.#leaves[index] ??= createLeafChunk())
  }

  #branchChunk(ref: Ref): BranchChunk {
    const index = (ref - 1) >>> chunkBits
    return (this.#branches[index] ??= createBranchChunk())
  }
}

function createBranchChunk(): BranchChunk {
  const digests = new Uint8Array(chunkSize * digestBytes)
  return {
    children: new Int32Array(chunkSize * 16),
    digests,
    words: new Uint32Array(digests.buffer),
    counts: new Uint32Array(chunkSize),
    depths: new Uint8Array(chunkSize),
    fresh: new Uint8Array(chunkSize),
    samples: new Int32Array(chunkSize),
  }
}

function createLeafChunk(): LeafChunk {
  const keys = new Uint8Array(chunkSize * digestBytes)
  const digests = new Uint8Array(chunkSize * digestBytes)
  const words = { keys: new Uint32Array(keys.buffer), digests: new Uint32Array(digests.buffer) }
  return { keys, digests, seqs: new Float64Array(chunkSize), words }
}

function leafAt(ref: Ref): number {
  return (-ref - 1) & chunkMask
}

function branchAt(ref: Ref): number {
  return (ref - 1) & chunkMask
}

function slice(digests: Uint8Array, at: number): Uint8Array {
  return digests.subarray(at * digestBytes, (at + 1) * digestBytes)
}

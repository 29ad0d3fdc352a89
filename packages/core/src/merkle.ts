/**
 * The Merkle trie over the winning entries: equal sets of entries ⇔ equal roots, whatever their history.
 *
 * A 16-ary radix tree with path compression (Morrison, PATRICIA, 1968) over the 128 nibbles of `H(key) ‖
 * H(slot)`. A key's slots are one subtree. Hashes are domain-separated as in RFC 6962 §2.1, and a branch
 * commits to its depth, its prefix and the number of leaves below it, so no two different sets have one
 * encoding:
 *
 *   empty   H(02)
 *   leaf    H(00 ‖ path 64 ‖ entry digest 32)
 *   branch  H(01 ‖ depth 1 ‖ prefix, zero-padded to whole bytes ‖ count 6 ‖ bitmap 2 ‖ child digests)
 *
 * Hashes are computed when asked for, so a batch of updates shares the work near the root. Changes are made
 * on copies of the branches they touch (trie-draft.ts), so that a batch is worked out before it is visible.
 */
import { concatBytes, toUtf8, fromHex } from './bytes.ts'
import type { Hash, LeafBlock, NewRow } from './ports.ts'
import { wholeKey } from './slot.ts'
import { isBranch, nibbleAt, pathNibbles, TrieArena, type Ref } from './trie-arena.ts'
import { buildTrie } from './trie-build.ts'
import { TrieDraft } from './trie-draft.ts'
import type { Sequence } from './units.ts'

/** What is hashed for a leaf, made in place: millions are. The first byte is its domain. */
const leafScratch = new Uint8Array(1 + 64 + 32)

/** Room for what stands before the digests in a branch, 74 bytes at most, in whole words. */
const headBytesMax = 76

/** The same for a branch. Digests begin at a word, so that they are copied by words; the head ends there. */
const branchScratch = new Uint8Array(headBytesMax + 16 * 32)
const scratchView = new DataView(branchScratch.buffer)
const scratchWords = new Uint32Array(branchScratch.buffer)

/** By hash function: a process has one, tests have several. */
const wholeKeyHashes = new WeakMap<Hash, Uint8Array>()

export { nibbleAt, pathNibbles }

/** Nibbles that all slots of a key share: those of `H(key)`. */
export const keyPathNibbles = pathNibbles / 2

/** One winning entry: where it is, what it is, and the row that holds it. */
export interface Leaf {
  readonly path: Uint8Array
  readonly digest: Uint8Array
  readonly seq: Sequence
}

/** Leaves that come and go together; those that go do so first. */
export interface LeafChanges {
  readonly rows: ReadonlyArray<Pick<NewRow, 'path' | 'leaf' | 'seq'>>
  readonly drops: ReadonlyArray<Pick<Leaf, 'path'>>
}

/** What stands at a prefix: the leaves below as one digest, and the branch point if there is one. */
export interface Subtree {
  readonly digest: Uint8Array
  readonly count: number
  /** Depth at which the leaves part; undefined for a single leaf. */
  readonly depth: number | undefined
  /** Path of some leaf below. */
  readonly path: Uint8Array
}

/** A node of the trie, cheap to ask about: good until the trie changes. 0 where nothing stands. */
export type Place = Ref

/** Path of `(key, slot)`. `slot` in hex; `keyHash` is the hash of the key, where it is in hand. */
export function pathOf(key: string, slot: string, hash: Hash, keyHash = hash(toUtf8(key))): Uint8Array {
  const slotHash = slot === wholeKey ? wholeKeyHash(hash) : hash(fromHex(slot) as Uint8Array)
  return concatBytes(keyHash, slotHash)
}

/** Hash of the empty slot: half of nearly every path, and always the same. */
function wholeKeyHash(hash: Hash): Uint8Array {
  const known = wholeKeyHashes.get(hash)
  if (known !== undefined) return known
  const made = hash(new Uint8Array(0))
  wholeKeyHashes.set(hash, made)
  return made
}

/** Digest of the leaf at `path` that stands for the entry with `entryDigest`. */
export function leafDigest(path: Uint8Array, entryDigest: Uint8Array, hash: Hash): Uint8Array {
  leafScratch.set(path, 1)
  leafScratch.set(entryDigest, 1 + path.length)
  return hash(leafScratch)
}

/** The prefix one nibble further down: `depth` nibbles of `path`, then `nibble`. */
export function childPrefix(path: Uint8Array, depth: number, nibble: number): Uint8Array {
  const bytes = new Uint8Array((depth + 2) >> 1)
  bytes.set(path.subarray(0, (depth + 1) >> 1))
  const last = depth >> 1
  bytes[last] = depth % 2 === 0 ? nibble << 4 : ((bytes[last] as number) & 0xf0) | nibble
  return bytes
}

/** The nibbles that a bitmap names, the lowest bit for nibble 0. */
export function nibblesIn(bitmap: number): number[] {
  const nibbles: number[] = []
  for (let nibble = 0; nibble < 16; nibble++) if ((bitmap & (1 << nibble)) !== 0) nibbles.push(nibble)
  return nibbles
}

/** How many leading nibbles two paths share, at most `limit`. */
export function sharedNibbles(a: Uint8Array, b: Uint8Array, limit = pathNibbles): number {
  let byte = 0
  while (2 * byte < limit && a[byte] === b[byte]) byte++
  const index = 2 * byte
  return index < limit && nibbleAt(a, index) === nibbleAt(b, index) ? index + 1 : Math.min(index, limit)
}

/** The trie. Holds no entries, only their digests. */
export class MerkleTrie {
  readonly #hash: Hash
  readonly #emptyRoot: Uint8Array
  readonly #arena: TrieArena
  #top: Ref = 0
  #foreseen: { readonly changes: LeafChanges; readonly draft: TrieDraft } | undefined

  /** @param leaves what it holds from the start, in any order: far cheaper than one by one */
  constructor(hash: Hash, leaves: Iterable<LeafBlock> = []) {
    this.#hash = hash
    this.#emptyRoot = hash(Uint8Array.of(2))
    this.#arena = new TrieArena(hash(new Uint8Array(0)))
    this.#top = buildTrie(this.#arena, leaves)
  }

  /** Number of leaves. */
  get count(): number {
    return this.#arena.count(this.#top)
  }

  /** Digest over all leaves. */
  root(): Uint8Array {
    return this.#top === 0 ? this.#emptyRoot : this.#digestOf(this.#top).slice()
  }

  /** Puts the entry with `entryDigest`, held in row `seq`, at `path`; replaces what stood there. */
  set(path: Uint8Array, entryDigest: Uint8Array, seq: Sequence): void {
    this.setLeaf(path, leafDigest(path, entryDigest, this.#hash), seq)
  }

  /** The same with the digest of the leaf, `leafDigest` of path and entry, already in hand. */
  setLeaf(path: Uint8Array, digest: Uint8Array, seq: Sequence): void {
    this.#change(draft => draft.set(path, digest, seq))
  }

  /** Takes the leaf at `path` away, if there is one. */
  delete(path: Uint8Array): void {
    this.#change(draft => draft.delete(path))
  }

  /**
   * Works out what these changes will make of the trie, root and all, while everybody sees it as it is. Any
   * other change makes that void.
   */
  foresee(changes: LeafChanges): void {
    if (this.#foreseen?.changes === changes) return
    this.#forget()
    const draft = new TrieDraft(this.#arena, this.#top)
    for (const { path } of changes.drops) draft.delete(path)
    for (const { path, leaf, seq } of changes.rows) draft.set(path, leaf, seq)
    if (draft.top !== 0) this.#digestOf(draft.top)
    this.#foreseen = { changes, draft }
  }

  /** Makes these changes, at once where they have been foreseen. */
  apply(changes: LeafChanges): void {
    this.foresee(changes)
    if (this.#foreseen !== undefined) this.#adopt(this.#foreseen.draft)
    this.#foreseen = undefined
  }

  /** The leaf at exactly `path`. */
  get(path: Uint8Array): Leaf | undefined {
    const ref = this.#at(path, pathNibbles)
    return ref < 0 ? this.#leafOf(ref) : undefined
  }

  /** Whether any leaf lies under the first `length` nibbles of `prefix`. Hashes nothing. */
  holds(prefix: Uint8Array, length: number): boolean {
    return this.#at(prefix, length) !== 0
  }

  /** How many leaves lie under the first `length` nibbles of `prefix`. Hashes nothing. */
  countUnder(prefix: Uint8Array, length: number): number {
    return this.#arena.count(this.#at(prefix, length))
  }

  /** The node under the first `length` nibbles of `prefix`. */
  at(prefix: Uint8Array, length: number): Place {
    return this.#at(prefix, length)
  }

  /** Of a node under a prefix of `depth` nibbles: what stands there under one more, `nibble`. */
  below(place: Place, depth: number, nibble: number): Place {
    const arena = this.#arena
    if (isBranch(place) && arena.depth(place) === depth) return arena.child(place, nibble)
    return place !== 0 && arena.nibble(arena.sample(place), depth) === nibble ? place : 0
  }

  /** Leaves at or below a node. */
  countAt(place: Place): number {
    return this.#arena.count(place)
  }

  /** Depth at which the leaves below a node part; undefined for a single leaf. */
  depthAt(place: Place): number | undefined {
    return isBranch(place) ? this.#arena.depth(place) : undefined
  }

  /** Digest of a node. A view, which changes with the trie: to be compared at once, or copied. */
  digestAt(place: Place): Uint8Array {
    return this.#digestOf(place)
  }

  /** The row of a node that is a leaf. */
  seqAt(place: Place): Sequence {
    return this.#arena.seq(place)
  }

  /** The leaf at a node that is one. */
  leafAt(place: Place): Leaf {
    return this.#leafOf(place)
  }

  /** The first `length` nibbles that all leaves at or below a node share, the odd last half zero. */
  prefixAt(place: Place, length: number): Uint8Array {
    const bytes = new Uint8Array((length + 1) >> 1)
    this.#arena.copyPrefix(this.#arena.sample(place), length, bytes, 0)
    return bytes
  }

  /** How many of the first `limit` nibbles of `prefix` the leaves at or below a node start with. */
  sharedAt(place: Place, prefix: Uint8Array, limit: number): number {
    return this.#arena.shared(this.#arena.sample(place), prefix, limit)
  }

  /** Shows the leaves at or below a node, in path order, until `see` says false; whether it never did. */
  visit(place: Place, see: (leaf: Place) => boolean): boolean {
    if (place < 0) return see(place)
    if (place === 0) return true
    for (let nibble = 0; nibble < 16; nibble++)
      if (!this.visit(this.#arena.child(place, nibble), see)) return false
    return true
  }

  /** What stands under the first `length` nibbles of `prefix`. */
  subtree(prefix: Uint8Array, length: number): Subtree | undefined {
    const ref = this.#at(prefix, length)
    if (ref === 0) return undefined
    return {
      digest: this.#digestOf(ref).slice(),
      count: this.#arena.count(ref),
      depth: isBranch(ref) ? this.#arena.depth(ref) : undefined,
      path: this.#arena.path(this.#arena.sample(ref)),
    }
  }

  /** The leaves under the first `length` nibbles of `prefix`, in path order. */
  *leaves(prefix: Uint8Array, length: number): Generator<Leaf> {
    yield* this.#leavesOf(this.#at(prefix, length))
  }

  *#leavesOf(ref: Ref): Generator<Leaf> {
    if (ref < 0) yield this.#leafOf(ref)
    if (ref > 0)
      for (let nibble = 0; nibble < 16; nibble++) yield* this.#leavesOf(this.#arena.child(ref, nibble))
  }

  #leafOf(ref: Ref): Leaf {
    const { path, seq } = { path: this.#arena.path(ref), seq: this.#arena.seq(ref) }
    return { path, digest: this.#digestOf(ref).slice(), seq }
  }

  /** The node that all leaves under the prefix hang from; looks at no path but the last one's. */
  #at(prefix: Uint8Array, length: number): Ref {
    const arena = this.#arena
    let ref = this.#top
    while (isBranch(ref) && arena.depth(ref) < length)
      ref = arena.child(ref, nibbleAt(prefix, arena.depth(ref)))
    return ref !== 0 && arena.shared(arena.sample(ref), prefix, length) === length ? ref : 0
  }

  #change(change: (draft: TrieDraft) => void): void {
    this.#forget()
    const draft = new TrieDraft(this.#arena, this.#top)
    change(draft)
    this.#adopt(draft)
  }

  #adopt(draft: TrieDraft): void {
    this.#top = draft.top
    draft.keep()
  }

  #forget(): void {
    this.#foreseen?.draft.discard()
    this.#foreseen = undefined
  }

  #digestOf(ref: Ref): Uint8Array {
    const known = this.#arena.digest(ref)
    if (known !== undefined) return known
    const digest = this.#hashBranch(ref)
    this.#arena.setDigest(ref, digest)
    return digest
  }

  #hashBranch(branch: Ref): Uint8Array {
    const arena = this.#arena
    // First, because making a child's digest uses the same scratch memory.
    for (let nibble = 0; nibble < 16; nibble++) this.#refresh(arena.child(branch, nibble))
    const depth = arena.depth(branch)
    const start = headBytesMax - (2 + ((depth + 1) >> 1) + 8)
    branchScratch[start] = 1
    branchScratch[start + 1] = depth
    arena.copyPrefix(arena.sample(branch), depth, branchScratch, start + 2)
    scratchView.setUint16(headBytesMax - 8, 0)
    scratchView.setUint32(headBytesMax - 6, arena.count(branch))
    let bitmap = 0
    let end = headBytesMax
    for (let nibble = 0; nibble < 16; nibble++) {
      const child = arena.child(branch, nibble)
      if (child === 0) continue
      bitmap |= 1 << nibble
      arena.copyDigest(child, scratchWords, end >> 2)
      end += 32
    }
    scratchView.setUint16(headBytesMax - 2, bitmap)
    return this.#hash(branchScratch.subarray(start, end))
  }

  #refresh(ref: Ref): void {
    if (ref > 0 && !this.#arena.isFresh(ref)) this.#arena.setDigest(ref, this.#hashBranch(ref))
  }
}

/** The first `length` nibbles of `path` as whole bytes, the odd last half zero. */
export function prefixBytes(path: Uint8Array, length: number): Uint8Array {
  const bytes = path.slice(0, (length + 1) >> 1)
  if (length % 2 === 1) bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) & 0xf0
  return bytes
}

/**
 * A trie as it will be, beside the one that stands: the branches above what changes are copies (path copying,
 * Driscoll et al., Making data structures persistent, 1989), all others are shared.
 */
import { assert } from './errors.ts'
import { isBranch, nibbleAt, pathNibbles, type Ref, type TrieArena } from './trie-arena.ts'
import type { Sequence } from './units.ts'

/** Changes on top of a trie in the same arena; ends with `keep` or `discard`. */
export class TrieDraft {
  readonly #arena: TrieArena
  #top: Ref
  /** Nodes that nobody else sees. */
  readonly #own = new Set<Ref>()
  /** Nodes of the trie that stands which this one does without. */
  readonly #replaced: Ref[] = []

  constructor(arena: TrieArena, top: Ref) {
    this.#arena = arena
    this.#top = top
  }

  /** Top of the trie with all changes so far, 0 if nothing is left. */
  get top(): Ref {
    return this.#top
  }

  /** Puts a leaf at `path`; replaces what stood there. */
  set(path: Uint8Array, digest: Uint8Array, seq: Sequence): void {
    const leaf = this.#created(this.#arena.addLeaf(path, digest, seq))
    const nearest = this.#nearest(path)
    const reach = nearest === 0 ? 0 : this.#arena.shared(nearest, path, pathNibbles)
    if (nearest === 0) this.#top = leaf
    else if (reach < pathNibbles) this.#top = this.#insert(this.#top, path, leaf, reach)
    else this.#top = this.#replace(this.#top, path, nearest, leaf)
  }

  /** Takes the leaf at `path` away, if there is one. */
  delete(path: Uint8Array): void {
    const nearest = this.#nearest(path)
    if (nearest === 0 || this.#arena.shared(nearest, path, pathNibbles) < pathNibbles) return
    this.#top = this.#remove(this.#top, path)
  }

  /** This is the trie from now on: the one it was made from is gone. */
  keep(): void {
    for (const ref of this.#replaced) this.#drop(ref)
  }

  /** Nothing of it has ever been. */
  discard(): void {
    for (const ref of this.#own) this.#drop(ref)
  }

  /**
   * A leaf that shares as many leading nibbles with `path` as any does; 0 where there is none. Down by the
   * nibbles at branch points alone (PATRICIA): paths are far apart in memory.
   */
  #nearest(path: Uint8Array): Ref {
    const arena = this.#arena
    let nearest = this.#top
    while (isBranch(nearest)) {
      const child = arena.child(nearest, nibbleAt(path, arena.depth(nearest)))
      nearest = child === 0 ? arena.sample(nearest) : child
    }
    return nearest
  }

  /** @param reach how many leading nibbles of `path` any leaf has: not all */
  #insert(ref: Ref, path: Uint8Array, leaf: Ref, reach: number): Ref {
    const arena = this.#arena
    if (!isBranch(ref) || reach < arena.depth(ref))
      return ref === 0 ? leaf : this.#branchOff(ref, leaf, reach)
    const branch = this.#owned(ref)
    const nibble = nibbleAt(path, arena.depth(branch))
    arena.setChild(branch, nibble, this.#insert(arena.child(branch, nibble), path, leaf, reach))
    arena.setCount(branch, arena.count(branch) + 1)
    return branch
  }

  #branchOff(ref: Ref, leaf: Ref, depth: number): Ref {
    const arena = this.#arena
    const branch = this.#created(arena.addBranch(depth, leaf))
    arena.setChild(branch, arena.nibble(arena.sample(ref), depth), ref)
    arena.setChild(branch, arena.nibble(leaf, depth), leaf)
    arena.setCount(branch, arena.count(ref) + 1)
    return branch
  }

  #replace(ref: Ref, path: Uint8Array, old: Ref, leaf: Ref): Ref {
    const arena = this.#arena
    if (!isBranch(ref)) {
      this.#release(ref)
      return leaf
    }
    const branch = this.#owned(ref)
    const nibble = nibbleAt(path, arena.depth(branch))
    arena.setChild(branch, nibble, this.#replace(arena.child(branch, nibble), path, old, leaf))
    if (arena.sample(branch) === old) arena.setSample(branch, leaf)
    return branch
  }

  /** Takes away the leaf at `path`, which must be there; what stands instead of `ref`. */
  #remove(ref: Ref, path: Uint8Array): Ref {
    const arena = this.#arena
    if (!isBranch(ref)) {
      this.#release(ref)
      return 0
    }
    const branch = this.#owned(ref)
    const nibble = nibbleAt(path, arena.depth(branch))
    arena.setChild(branch, nibble, this.#remove(arena.child(branch, nibble), path))
    arena.setCount(branch, arena.count(branch) - 1)
    return this.#collapse(branch)
  }

  /** A branch with one child left is no branch. Its sample may be the leaf that has gone: takes another. */
  #collapse(branch: Ref): Ref {
    const arena = this.#arena
    const left: Ref[] = []
    for (let nibble = 0; nibble < 16; nibble++) {
      const child = arena.child(branch, nibble)
      if (child !== 0) left.push(child)
    }
    const [first] = left
    assert(first !== undefined, 'a branch keeps at least one child')
    arena.setSample(branch, arena.sample(first))
    if (left.length > 1) return branch
    this.#release(branch)
    return first
  }

  /** The branch itself if nobody else sees it, else a copy in its place. */
  #owned(branch: Ref): Ref {
    if (this.#own.has(branch)) return branch
    this.#replaced.push(branch)
    return this.#created(this.#arena.copyBranch(branch))
  }

  #created(ref: Ref): Ref {
    this.#own.add(ref)
    return ref
  }

  #release(ref: Ref): void {
    if (this.#own.delete(ref)) this.#drop(ref)
    else this.#replaced.push(ref)
  }

  #drop(ref: Ref): void {
    if (isBranch(ref)) this.#arena.dropBranch(ref)
    else this.#arena.dropLeaf(ref)
  }
}

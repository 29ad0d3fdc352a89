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
 * Hashes are computed when asked for, so a batch of updates shares the work near the root.
 */
import { concatBytes, toUtf8, fromHex, uintToBytes } from './bytes.ts'
import { assert } from './errors.ts'
import type { Hash } from './ports.ts'
import type { Sequence } from './units.ts'

/** Nibbles in a path. */
export const pathNibbles = 128

/** Nibbles that all slots of a key share: those of `H(key)`. */
export const keyPathNibbles = pathNibbles / 2

/** One winning entry: where it is, what it is, and the row that holds it. */
export interface Leaf {
  readonly path: Uint8Array
  readonly digest: Uint8Array
  readonly seq: Sequence
}

interface Branch {
  /** Nibbles shared by all leaves below; the children differ in the nibble at this index. */
  readonly depth: number
  /** Path of some leaf below: holds the shared prefix. */
  readonly path: Uint8Array
  readonly children: (Node | undefined)[]
  count: number
  digest: Uint8Array | undefined
}

type Node = Leaf | Branch

/** What stands at a prefix: the leaves below as one digest, and the branch point if there is one. */
export interface Subtree {
  readonly digest: Uint8Array
  readonly count: number
  /** Depth at which the leaves part; undefined for a single leaf. */
  readonly depth: number | undefined
  /** Path of some leaf below. */
  readonly path: Uint8Array
}

/** Path of `(key, slot)`. `slot` in hex. */
export function pathOf(key: string, slot: string, hash: Hash): Uint8Array {
  return concatBytes(hash(toUtf8(key)), hash(fromHex(slot) as Uint8Array))
}

/** The nibble of `path` at `index`. */
export function nibbleAt(path: Uint8Array, index: number): number {
  const byte = path[index >> 1] as number
  return index % 2 === 0 ? byte >> 4 : byte & 15
}

/** How many leading nibbles two paths share, at most `limit`. */
export function sharedNibbles(a: Uint8Array, b: Uint8Array, limit = pathNibbles): number {
  let byte = 0
  while (2 * byte < limit && a[byte] === b[byte]) byte++
  const index = 2 * byte
  return index < limit && nibbleAt(a, index) === nibbleAt(b, index) ? index + 1 : Math.min(index, limit)
}

function isBranch(node: Node): node is Branch {
  return 'children' in node
}

/** The trie. Holds no entries, only their digests. */
export class MerkleTrie {
  readonly #hash: Hash
  readonly #emptyRoot: Uint8Array
  #top: Node | undefined

  constructor(hash: Hash) {
    this.#hash = hash
    this.#emptyRoot = hash(Uint8Array.of(2))
  }

  /** Number of leaves. */
  get count(): number {
    return this.#top === undefined ? 0 : countOf(this.#top)
  }

  /** Digest over all leaves. */
  root(): Uint8Array {
    return this.#top === undefined ? this.#emptyRoot : this.#digestOf(this.#top)
  }

  /** Puts the entry with `entryDigest`, held in row `seq`, at `path`; replaces what stood there. */
  set(path: Uint8Array, entryDigest: Uint8Array, seq: Sequence): void {
    const leaf = { path, digest: this.#hash(concatBytes(Uint8Array.of(0), path, entryDigest)), seq }
    this.#top = insert(this.#top, leaf)
  }

  /** Takes the leaf at `path` away, if there is one. */
  delete(path: Uint8Array): void {
    this.#top = remove(this.#top, path)
  }

  /** The leaf at exactly `path`. */
  get(path: Uint8Array): Leaf | undefined {
    const node = this.#at(path, pathNibbles)
    return node !== undefined && !isBranch(node) ? node : undefined
  }

  /** Whether any leaf lies under the first `length` nibbles of `prefix`. Hashes nothing. */
  holds(prefix: Uint8Array, length: number): boolean {
    return this.#at(prefix, length) !== undefined
  }

  /** What stands under the first `length` nibbles of `prefix`. */
  subtree(prefix: Uint8Array, length: number): Subtree | undefined {
    const node = this.#at(prefix, length)
    if (node === undefined) return undefined
    const digest = this.#digestOf(node)
    return { digest, count: countOf(node), depth: isBranch(node) ? node.depth : undefined, path: node.path }
  }

  /** The leaves under the first `length` nibbles of `prefix`, in path order. */
  *leaves(prefix: Uint8Array, length: number): Generator<Leaf> {
    const node = this.#at(prefix, length)
    if (node !== undefined) yield* leavesOf(node)
  }

  #at(prefix: Uint8Array, length: number): Node | undefined {
    let node = this.#top
    while (node !== undefined) {
      const end = isBranch(node) ? Math.min(node.depth, length) : length
      if (sharedNibbles(node.path, prefix, end) < end) return undefined
      if (!isBranch(node) || node.depth >= length) return node
      node = node.children[nibbleAt(prefix, node.depth)]
    }
    return undefined
  }

  #digestOf(node: Node): Uint8Array {
    if (!isBranch(node)) return node.digest
    return (node.digest ??= this.#hashBranch(node))
  }

  #hashBranch(branch: Branch): Uint8Array {
    const { depth, path, children, count } = branch
    const parts = [Uint8Array.of(1, depth), prefixBytes(path, depth), uintToBytes(BigInt(count), 6)]
    let bitmap = 0
    for (let nibble = 0; nibble < children.length; nibble++)
      if (children[nibble] !== undefined) bitmap |= 1 << nibble
    parts.push(Uint8Array.of(bitmap >> 8, bitmap & 0xff))
    for (const child of children) if (child !== undefined) parts.push(this.#digestOf(child))
    return this.#hash(concatBytes(...parts))
  }
}

/** The first `length` nibbles of `path` as whole bytes, the odd last half zero. */
export function prefixBytes(path: Uint8Array, length: number): Uint8Array {
  const bytes = path.slice(0, (length + 1) >> 1)
  if (length % 2 === 1) bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) & 0xf0
  return bytes
}

function countOf(node: Node): number {
  return isBranch(node) ? node.count : 1
}

function insert(node: Node | undefined, leaf: Leaf): Node {
  if (node === undefined) return leaf
  const limit = isBranch(node) ? node.depth : pathNibbles
  const shared = sharedNibbles(node.path, leaf.path, limit)
  if (shared < limit) return branchOff(node, leaf, shared)
  if (!isBranch(node)) return leaf
  const nibble = nibbleAt(leaf.path, node.depth)
  const child = node.children[nibble]
  const before = child === undefined ? 0 : countOf(child)
  const grown = insert(child, leaf)
  node.children[nibble] = grown
  node.count += countOf(grown) - before
  node.digest = undefined
  return node
}

function branchOff(node: Node, leaf: Leaf, depth: number): Branch {
  const children = Array.from<Node | undefined>({ length: 16 })
  children[nibbleAt(node.path, depth)] = node
  children[nibbleAt(leaf.path, depth)] = leaf
  return { depth, path: leaf.path, children, count: countOf(node) + 1, digest: undefined }
}

function remove(node: Node | undefined, path: Uint8Array): Node | undefined {
  if (node === undefined) return undefined
  const limit = isBranch(node) ? node.depth : pathNibbles
  if (sharedNibbles(node.path, path, limit) < limit) return node
  if (!isBranch(node)) return undefined
  const nibble = nibbleAt(path, node.depth)
  const child = node.children[nibble]
  const shrunk = remove(child, path)
  if (child === undefined || (shrunk === child && !isBranch(child))) return node
  node.children[nibble] = shrunk
  node.count = node.children.reduce((sum, each) => sum + (each === undefined ? 0 : countOf(each)), 0)
  node.digest = undefined
  return collapse(node)
}

/** A branch with one child left is no branch. */
function collapse(branch: Branch): Node {
  const left = branch.children.filter(child => child !== undefined)
  assert(left.length > 0, 'a branch keeps at least one child')
  return left.length === 1 ? (left[0] as Node) : branch
}

function* leavesOf(node: Node): Generator<Leaf> {
  if (!isBranch(node)) yield node
  else for (const child of node.children) if (child !== undefined) yield* leavesOf(child)
}

/**
 * Proofs of single keys: that a key has exactly these entries (inclusion), or none (exclusion), under a root.
 *
 * All slots of a key are one subtree under `H(key)`. Its entries rebuild that subtree; the branches above it,
 * each with the digests of its other children, lead up to the root (compare RFC 6962 §2.1.1). Where there is
 * no entry, the last branch has no child on the way, or what stands there instead, the *neighbour*, begins
 * otherwise. Form and rules: docs/protocol.md §5.1. About 2 kB at a million entries.
 *
 * Hex throughout, because a proof is a JSON document that people keep.
 */
import { toHex, toUtf8 } from './bytes.ts'
import { proofEntriesMax } from './limits.ts'
import {
  keyPathNibbles,
  nibbleAt,
  pathNibbles,
  prefixBytes,
  sharedNibbles,
  type MerkleTrie,
  type Subtree,
} from './merkle.ts'
import type { Hash, Row } from './ports.ts'

/** A branch of the trie: `children` maps a nibble (one hex digit) to the digest of the child there. */
export interface ProofBranch {
  /** Nibbles shared by all leaves below. */
  readonly depth: number
  /** Leaves below. */
  readonly count: number
  readonly children: Readonly<Record<string, string>>
}

/** What stands where the key would be, and begins otherwise. */
export type Neighbour =
  | { readonly leaf: { readonly path: string; readonly digest: string } }
  | { readonly branch: ProofBranch & { readonly prefix: string } }

/** Which entries a key has under a root. */
export interface KeyProof {
  readonly key: string
  /** The exact bytes of all entries of the key; none proves that there is none. */
  readonly entries: readonly string[]
  /** From the top down, without the child that leads on to the key. */
  readonly branches: readonly ProofBranch[]
  readonly neighbour?: Neighbour
}

/** What a proof is made from: the committed trie, and the rows behind it. */
export interface ProofParts {
  readonly trie: MerkleTrie
  readonly hash: Hash
  /** The committed rows of a key. */
  slots(key: string): readonly Row[]
  /** Digest of the entry with this path, which the trie holds. */
  entryDigest(path: Uint8Array): Uint8Array | undefined
}

/** Proves which entries `key` has; undefined where it has more than a proof may hold. */
export function proveKey(key: string, parts: ProofParts): KeyProof | undefined {
  const target = parts.hash(toUtf8(key))
  const branches: ProofBranch[] = []
  let at = 0
  for (;;) {
    const node = parts.trie.subtree(target, at)
    const end = Math.min(node?.depth ?? pathNibbles, keyPathNibbles)
    if (node !== undefined && sharedNibbles(node.path, target, end) === end) {
      if (end === keyPathNibbles) {
        if (node.count > proofEntriesMax) return undefined
        return { key, entries: parts.slots(key).map(row => toHex(row.bytes)), branches }
      }
      branches.push(branchOf(node, parts.trie, nibbleAt(target, end)))
      at = end + 1
      continue
    }
    const neighbour = node === undefined ? undefined : neighbourOf(node, parts)
    return { key, entries: [], branches, ...(neighbour === undefined ? {} : { neighbour }) }
  }
}

function neighbourOf(node: Subtree, parts: ProofParts): Neighbour | undefined {
  if (node.depth === undefined) {
    const digest = parts.entryDigest(node.path)
    return digest === undefined ? undefined : { leaf: { path: toHex(node.path), digest: toHex(digest) } }
  }
  const prefix = toHex(prefixBytes(node.path, node.depth))
  return { branch: { ...branchOf(node, parts.trie, undefined), prefix } }
}

function branchOf(node: Subtree, trie: MerkleTrie, except: number | undefined): ProofBranch {
  const depth = node.depth as number
  const children: Record<string, string> = {}
  for (let nibble = 0; nibble < 16; nibble++) {
    if (nibble === except) continue
    const child = trie.subtree(withNibble(node.path, depth, nibble), depth + 1)
    if (child !== undefined) children[nibble.toString(16)] = toHex(child.digest)
  }
  return { depth, count: node.count, children }
}

function withNibble(path: Uint8Array, index: number, nibble: number): Uint8Array {
  const changed = path.slice()
  const byte = changed[index >> 1] as number
  changed[index >> 1] = index % 2 === 0 ? (nibble << 4) | (byte & 15) : (byte & 0xf0) | nibble
  return changed
}

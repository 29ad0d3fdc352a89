/**
 * Checks proofs of single keys (proof.ts) with nothing but a hash: no trie, no store, no trust in who sent
 * them. A proof says nothing by itself: whoever checks it compares the root with one that a trusted node has
 * signed, and verifies the signatures that are handed back.
 */
import { concatBytes, equalBytes, fromHex, toHex, toUtf8, uintToBytes } from './bytes.ts'
import { admit, entrySignature, keyProblem, parseEntry, type Entry } from './entry.ts'
import { proofEntriesMax } from './limits.ts'
import { keyPathNibbles, MerkleTrie, nibbleAt, pathOf, prefixBytes, sharedNibbles } from './merkle.ts'
import type { Hash, SignedMessage } from './ports.ts'
import type { KeyProof, Neighbour, ProofBranch } from './proof.ts'
import { readKey } from './reading.ts'
import type { KeyReading } from './status.ts'

/** What a sound proof proves, if the signatures are good and the root is trusted. */
export interface ProvenKey {
  /** Merkle root, 64 hex digits. */
  readonly root: string
  /** The key as readers see it; undefined: it does not exist. */
  readonly reading: KeyReading | undefined
  /** One for each entry: what their authors must have signed. */
  readonly signatures: readonly SignedMessage[]
}

/** A proof that proves nothing, and why, as a phrase. */
export interface UnsoundProof {
  readonly problem: string
}

/** Whether a proof failed its check. */
export function isUnsound(result: ProvenKey | UnsoundProof): result is UnsoundProof {
  return 'problem' in result
}

/** Follows a proof up to the root it leads to. Never throws, whatever the proof says. */
export function checkProof(proof: KeyProof, hash: Hash): ProvenKey | UnsoundProof {
  const { key } = proof
  const unusable = keyProblem(key)
  if (unusable !== undefined) return { problem: unusable }
  const target = hash(toUtf8(key))
  const entries = readEntries(proof, hash)
  if (typeof entries === 'string') return { problem: entries }
  const bottom = bottomOf(proof, entries, target, hash)
  if (typeof bottom === 'string') return { problem: bottom }
  const root = climb(proof, bottom, target, hash)
  if (typeof root === 'string') return { problem: root }
  const reading = readKey(key, entries.map(admit))
  return { root: toHex(root), reading, signatures: entries.map(entrySignature) }
}

function readEntries({ key, entries }: KeyProof, hash: Hash): readonly Entry[] | string {
  if (entries.length > proofEntriesMax) return `more than ${proofEntriesMax} entries`
  const read: Entry[] = []
  const slots = new Set<string>()
  for (const [index, hex] of entries.entries()) {
    const bytes = lowerHex(hex)
    const entry = bytes === undefined ? undefined : parseEntry(bytes, hash)
    if (entry === undefined) return `entries[${index}] is not an entry`
    if (entry.key !== key) return `entries[${index}] belongs to another key`
    if (slots.has(entry.slot)) return `entries[${index}] has the slot of an earlier one`
    slots.add(entry.slot)
    read.push(entry)
  }
  return read
}

/** Digest of the node where the branches end; undefined: nothing stands there. */
function bottomOf(
  { neighbour, branches }: KeyProof,
  entries: readonly Entry[],
  target: Uint8Array,
  hash: Hash,
): Uint8Array | undefined | string {
  if (neighbour !== undefined) {
    if (entries.length > 0) return 'entries and a neighbour exclude each other'
    const from = branches.length === 0 ? 0 : (branches.at(-1) as ProofBranch).depth + 1
    return neighbourDigest(neighbour, target, from, hash)
  }
  if (entries.length === 0) return undefined
  const trie = new MerkleTrie(hash)
  for (const { key, slot, digest } of entries) trie.set(pathOf(key, slot, hash), digest, 1)
  return trie.root()
}

/** Digest of what stands on the way to `target` from nibble `from` on, but leaves that way before its end. */
function neighbourDigest(
  neighbour: Neighbour,
  target: Uint8Array,
  from: number,
  hash: Hash,
): Uint8Array | string {
  const strays = (prefix: Uint8Array, length: number): boolean => {
    const end = Math.min(length, keyPathNibbles)
    const shared = sharedNibbles(prefix, target, end)
    return shared >= from && shared < end
  }
  if ('leaf' in neighbour) {
    const path = lowerHex(neighbour.leaf.path, 64)
    const digest = lowerHex(neighbour.leaf.digest, 32)
    if (path === undefined || digest === undefined) return 'the neighbour is malformed'
    if (!strays(path, 2 * path.length)) return 'the neighbour does not stand beside the key'
    return hash(concatBytes(Uint8Array.of(0), path, digest))
  }
  const { depth } = neighbour.branch
  const prefix = lowerHex(neighbour.branch.prefix, (depth + 1) >> 1)
  const children = childrenOf(neighbour.branch)
  if (prefix === undefined || children === undefined || children.size < 2) return 'the neighbour is malformed'
  if (!equalBytes(prefix, prefixBytes(prefix, depth))) return 'the neighbour is malformed'
  if (!strays(prefix, depth)) return 'the neighbour does not stand beside the key'
  return branchDigest(neighbour.branch, prefix, children, hash)
}

/** From the bottom up to the root. */
function climb(
  { branches }: KeyProof,
  bottom: Uint8Array | undefined,
  target: Uint8Array,
  hash: Hash,
): Uint8Array | string {
  if (branches.length > keyPathNibbles) return 'more branches than a path has nibbles'
  if (branches.length === 0) return bottom ?? hash(Uint8Array.of(2))
  let digest = bottom
  let below: number = keyPathNibbles
  for (const [index, branch] of [...branches.entries()].reverse()) {
    const { depth } = branch
    const children = childrenOf(branch)
    if (children === undefined || depth >= below) return `branches[${index}] is malformed`
    const nibble = nibbleAt(target, depth)
    if (children.has(nibble)) return `branches[${index}] names the child that leads to the key`
    if (digest !== undefined) children.set(nibble, digest)
    if (children.size < 2) return `branches[${index}] has too few children`
    digest = branchDigest(branch, prefixBytes(target, depth), children, hash)
    below = depth
  }
  return digest as Uint8Array
}

/** Children by nibble; undefined where depth, count or a child is not of its form. */
function childrenOf({ depth, count, children }: ProofBranch): Map<number, Uint8Array> | undefined {
  if (!Number.isInteger(depth) || depth < 0 || depth > 127) return undefined
  if (!Number.isInteger(count) || count < 2 || count >= 2 ** 48) return undefined
  const read = new Map<number, Uint8Array>()
  for (const [digit, hex] of Object.entries(children)) {
    const digest = lowerHex(hex, 32)
    if (!/^[0-9a-f]$/.test(digit) || digest === undefined) return undefined
    read.set(Number.parseInt(digit, 16), digest)
  }
  return read
}

function branchDigest(
  { depth, count }: ProofBranch,
  prefix: Uint8Array,
  children: ReadonlyMap<number, Uint8Array>,
  hash: Hash,
): Uint8Array {
  const nibbles = [...children.keys()].sort((a, b) => a - b)
  const bitmap = nibbles.reduce((bits, nibble) => bits | (1 << nibble), 0)
  return hash(
    concatBytes(
      Uint8Array.of(1, depth),
      prefix,
      uintToBytes(BigInt(count), 6),
      uintToBytes(BigInt(bitmap), 2),
      ...nibbles.map(nibble => children.get(nibble) as Uint8Array),
    ),
  )
}

/** The bytes behind lower-case hex: one spelling for one proof. */
function lowerHex(hex: string, length?: number): Uint8Array | undefined {
  if (!/^[0-9a-f]*$/.test(hex)) return undefined
  const bytes = fromHex(hex)
  return bytes !== undefined && (length === undefined || bytes.length === length) ? bytes : undefined
}

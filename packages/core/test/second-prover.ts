/** Proofs of single keys, followed by the words of docs/protocol.md §5.1 alone. */
import type { KeyProof, Neighbour, ProofBranch } from '@lattice/core'
import { branchDigest, isSigned, readEntry, rootOf, sha256 } from './second-reader.ts'

/** The root that a proof leads to, in hex; undefined where it proves nothing. */
export function follow(proof: KeyProof): string | undefined {
  const target = sha256(Buffer.from(proof.key)).toString('hex')
  const bottom = bottomOf(proof, target)
  if (bottom === undefined) return undefined
  let digest = bottom === 'nothing' ? undefined : bottom
  let below = 64
  for (const branch of proof.branches.toReversed()) {
    const children = childrenOf(branch)
    const nibble = Number.parseInt(target[branch.depth] ?? '', 16)
    if (children === undefined || branch.depth >= below || children.has(nibble)) return undefined
    if (digest !== undefined) children.set(nibble, digest)
    if (children.size < 2) return undefined
    digest = branchDigest(target, branch.depth, branch.count, children)
    below = branch.depth
  }
  return (digest ?? sha256(Buffer.of(2))).toString('hex')
}

function bottomOf(proof: KeyProof, target: string): Buffer | 'nothing' | undefined {
  const { entries, neighbour, branches } = proof
  const from = (branches.at(-1)?.depth ?? -1) + 1
  if (neighbour !== undefined)
    return entries.length > 0 ? undefined : neighbourDigest(neighbour, target, from)
  if (entries.length === 0) return 'nothing'
  if (!entries.every(hex => /^([0-9a-f]{2})+$/.test(hex) && isSigned(Buffer.from(hex, 'hex'))))
    return undefined
  const read = entries.map(hex => readEntry(Buffer.from(hex, 'hex')))
  const slots = new Set(read.map(({ slot }) => slot.toString('hex')))
  const isOfKey = read.every(({ key }) => key.toString('utf8') === proof.key)
  return isOfKey && slots.size === read.length ? rootOf(read) : undefined
}

/** Digest of what stands beside the key: it begins as the key does up to nibble `from`, and not up to the end. */
function neighbourDigest(neighbour: Neighbour, target: string, from: number): Buffer | undefined {
  const isBeside = (path: string): boolean =>
    path.startsWith(target.slice(0, from)) && path.slice(0, 64) !== target.slice(0, path.length)
  if ('leaf' in neighbour) {
    const { path, digest } = neighbour.leaf
    if (!/^[0-9a-f]{128}$/.test(path) || !/^[0-9a-f]{64}$/.test(digest) || !isBeside(path)) return undefined
    return sha256(Buffer.of(0), Buffer.from(path, 'hex'), Buffer.from(digest, 'hex'))
  }
  const { depth, prefix, count } = neighbour.branch
  const children = childrenOf(neighbour.branch)
  const isWhole = prefix.length === depth + (depth % 2) && (depth % 2 === 0 || prefix.endsWith('0'))
  if (children === undefined || children.size < 2 || !isWhole || !isBeside(prefix.slice(0, depth)))
    return undefined
  return branchDigest(prefix, depth, count, children)
}

function childrenOf({ children, count }: ProofBranch): Map<number, Buffer> | undefined {
  const all = Object.entries(children)
  if (count < 2 || !all.every(([nibble, digest]) => /^[0-9a-f] [0-9a-f]{64}$/.test(`${nibble} ${digest}`)))
    return undefined
  return new Map(all.map(([nibble, digest]) => [Number.parseInt(nibble, 16), Buffer.from(digest, 'hex')]))
}

/** The proofs of vectors/ (docs/protocol.md §5.1): sound ones of every shape, and such as prove nothing. */
import { fromHex, toHex, toUtf8 } from '../bytes.ts'
import { signEntry, type EntryContent } from '../entry.ts'
import { leafDigest, MerkleTrie, nibbleAt, pathOf, prefixBytes } from '../merkle.ts'
import type { Hash } from '../ports.ts'
import { checkProof, isUnsound } from '../proof-check.ts'
import { proveKey, type KeyProof, type Neighbour, type ProofBranch } from '../proof.ts'
import { counterSlot, elementSlot } from '../slot.ts'
import { encodeValue } from '../value.ts'
import { life, version } from './vector-entries.ts'
import type { VectorKeys } from './vector-files.ts'
import { readingInWords } from './vector-readings.ts'

/** As much of an entry as its place in a trie takes. */
interface Placed {
  readonly key: string
  readonly slot: string
  readonly bytes: Uint8Array
  readonly digest: Uint8Array
}

/** Entries in their trie. */
class Tree {
  readonly root: string
  readonly #trie: MerkleTrie
  readonly #entries: readonly Placed[]
  readonly #hash: Hash

  constructor(entries: readonly Placed[], hash: Hash) {
    this.#entries = entries
    this.#hash = hash
    this.#trie = new MerkleTrie(hash)
    for (const [at, { key, slot, digest }] of entries.entries())
      this.#trie.set(pathOf(key, slot, hash), digest, at + 1)
    this.root = toHex(this.#trie.root())
  }

  prove(key: string): KeyProof {
    return proveKey(key, {
      trie: this.#trie,
      hash: this.#hash,
      slots: each => this.slotsOf(each).map(entry => ({ ...entry, seq: 1 })),
      entryDigest: path => this.#entries[(this.#trie.get(path)?.seq ?? 0) - 1]?.digest,
    }) as KeyProof
  }

  slotsOf(key: string): readonly Placed[] {
    return this.#entries.filter(entry => entry.key === key)
  }

  /** The first of the keys `absent 0`, `absent 1`, … whose proof is of this shape. */
  findAbsent(isWanted: (proof: KeyProof) => boolean): KeyProof {
    for (let index = 0; ; index++) {
      const proof = this.prove(`absent ${index}`)
      if (isWanted(proof)) return proof
    }
  }
}

/** Forty registers, a counter, a set, a deleted key, and two keys whose paths part late. */
function entriesOf({ hash, alice }: VectorKeys): Placed[] {
  const sign = (content: Pick<EntryContent, 'key' | 'value'> & Partial<EntryContent>): Placed =>
    signEntry({ slot: '', base: 0n, version, ...content }, alice, hash)
  const elements = ['red', 'green', 'white'].map(each => encodeValue(each))
  return [
    ...Array.from({ length: 40 }, (_, index) => sign({ key: `key ${index}`, value: encodeValue(index) })),
    sign({ key: 'n', slot: counterSlot(alice.nodeId, life), value: encodeValue(-5) }),
    ...elements.map(value => sign({ key: 'colours', slot: elementSlot(value, hash), value })),
    sign({ key: 'gone', value: undefined }),
    ...lateTwins(hash).map(key => sign({ key, value: encodeValue('twin') })),
  ]
}

/** The first two of the keys `twin 0`, `twin 1`, … whose paths share six nibbles. */
function lateTwins(hash: Hash): readonly [string, string] {
  const seen = new Map<string, string>()
  for (let index = 0; ; index++) {
    const key = `twin ${index}`
    const start = toHex(hash(toUtf8(key))).slice(0, 6)
    const other = seen.get(start)
    if (other !== undefined) return [other, key]
    seen.set(start, key)
  }
}

const changeAt = <T>(items: readonly T[], at: number, change: (item: T) => T): T[] =>
  items.map((item, index) => (index === (at < 0 ? items.length + at : at) ? change(item) : item))

/** With a change of one branch, -1 being the last. */
function branch(proof: KeyProof, at: number, change: (branch: ProofBranch) => object): KeyProof {
  return {
    ...proof,
    branches: changeAt(proof.branches, at, each => ({ ...each, ...change(each) })),
  }
}

const flip = (hex: string): string => hex.slice(0, -2) + (hex.endsWith('00') ? '01' : '00')
const childrenOf = ({ children }: ProofBranch): [string, string][] => Object.entries(children)

type Refused = readonly [reason: string, proof: unknown]

function refusedHeld(tree: Tree, { hash, alice }: VectorKeys): readonly Refused[] {
  const proof = tree.prove('key 7')
  const set = tree.prove('colours')
  const newer = signEntry(
    { key: 'key 7', slot: '', value: encodeValue('forged'), base: 0n, version },
    alice,
    hash,
  )
  const children = (change: (all: [string, string][]) => [string, string][]): KeyProof =>
    branch(proof, 0, each => ({ children: Object.fromEntries(change(childrenOf(each))) }))
  const own = toHex(hash(toUtf8('key 7'))).charAt(0)
  return [
    ['another key', { ...proof, key: 'key 8' }],
    ['another key, with its entries', { ...proof, key: 'key 8', entries: tree.prove('key 8').entries }],
    ['no entries', { ...proof, entries: [] }],
    ['no branches', { ...proof, branches: [] }],
    ['without the first branch', { ...proof, branches: proof.branches.slice(1) }],
    ['without the last branch', { ...proof, branches: proof.branches.slice(0, -1) }],
    ['branches upside down', { ...proof, branches: proof.branches.toReversed() }],
    ['a branch twice', { ...proof, branches: [...proof.branches, ...proof.branches.slice(-1)] }],
    ['other content, truly signed', { ...proof, entries: [toHex(newer.bytes)] }],
    ['an entry is missing', { ...set, entries: set.entries.slice(1) }],
    ['an entry twice', { ...set, entries: [...set.entries, ...set.entries.slice(0, 1)] }],
    ['an entry of another key', { ...set, entries: [...set.entries, ...proof.entries] }],
    ['an entry that is cut', { ...proof, entries: changeAt(proof.entries, 0, hex => hex.slice(0, -2)) }],
    ['an entry with another signature', { ...proof, entries: changeAt(proof.entries, 0, flip) }],
    ['upper case', { ...proof, entries: changeAt(proof.entries, 0, hex => hex.toUpperCase()) }],
    ['another count', branch(proof, 0, ({ count }) => ({ count: count + 1 }))],
    ['a count of 1', branch(proof, -1, () => ({ count: 1 }))],
    ['another depth', branch(proof, 0, ({ depth }) => ({ depth: depth + 1 }))],
    ['a depth below 0', branch(proof, 0, () => ({ depth: -1 }))],
    ['another digest', children(all => changeAt(all, 0, ([nibble, digest]) => [nibble, flip(digest)]))],
    ['digests in each other’s place', children(all => all.map(([nibble], at) => [nibble, all.at(at - 1)?.[1] ?? '']))],
    ['a child is missing', children(all => all.slice(1))],
    ['no other children', children(() => [])],
    ['a child at no nibble', children(all => [...all, ['g', all[0]?.[1] ?? '']])],
    ['a child that leads to the key is told', children(all => [...all, [own, all[0]?.[1] ?? '']])],
    ['entries and a neighbour', { ...proof, neighbour: tree.findAbsent(each => each.neighbour !== undefined).neighbour }],
  ] // prettier-ignore
}

function refusedAbsent(tree: Tree, hash: Hash): readonly Refused[] {
  const byLeaf = tree.findAbsent(isBy('leaf'))
  const byBranch = tree.findAbsent(isBy('branch'))
  const empty = tree.findAbsent(({ neighbour }) => neighbour === undefined)
  const held = tree.prove('key 7')
  const set = tree.prove('colours')
  const other = tree.findAbsent(each => isBy('leaf')(each) && each.branches.length !== byLeaf.branches.length)
  return [
    ['held, and its own leaf told as a neighbour', { ...held, entries: [], neighbour: ownLeaf(tree, hash) }],
    ['held, and its own branch told as a neighbour', { ...set, entries: [], neighbour: ownBranch(tree, hash) }],
    ['held, and its own branch told as one above it', { ...set, entries: [], branches: [...set.branches, ownBranch(tree, hash).branch] }],
    ['without its neighbour', { ...byLeaf, neighbour: undefined }],
    ['with the neighbour of another key', { ...byLeaf, neighbour: other.neighbour }],
    ['a neighbour where there is none', { ...empty, neighbour: byLeaf.neighbour }],
    ['an empty place, for another key', { ...empty, key: 'key 7' }],
    ['a neighbour with another digest', leaf(byLeaf, ({ path, digest }) => ({ path, digest: flip(digest) }))],
    ['a neighbour with a path that is cut', leaf(byLeaf, ({ path, digest }) => ({ path: path.slice(0, -2), digest }))],
    ['a branch as neighbour, without a child', neighbourBranch(byBranch, each => ({ children: Object.fromEntries(childrenOf(each).slice(1)) }))],
    ['a branch as neighbour, with another count', neighbourBranch(byBranch, ({ count }) => ({ count: count + 1 }))],
    ['a branch as neighbour, with more in its prefix', neighbourBranch(byBranch, ({ prefix }) => ({ prefix: `${prefix}00` }))],
    ['a branch as neighbour, which begins as the key does', neighbourBranch(byBranch, () => ({ depth: 1, prefix: `${toHex(hash(toUtf8(byBranch.key))).charAt(0)}0` }))],
  ] // prettier-ignore
}

const isBy =
  (kind: 'leaf' | 'branch') =>
  ({ neighbour }: KeyProof): boolean =>
    neighbour !== undefined && kind in neighbour

type Leaf = Extract<Neighbour, { leaf: unknown }>['leaf']
type Branch = Extract<Neighbour, { branch: unknown }>['branch']

function leaf(proof: KeyProof, change: (leaf: Leaf) => Leaf): KeyProof {
  const { neighbour } = proof
  return neighbour !== undefined && 'leaf' in neighbour
    ? { ...proof, neighbour: { leaf: change(neighbour.leaf) } }
    : proof
}

function neighbourBranch(proof: KeyProof, change: (branch: Branch) => Partial<Branch>): KeyProof {
  const { neighbour } = proof
  return neighbour !== undefined && 'branch' in neighbour
    ? { ...proof, neighbour: { branch: { ...neighbour.branch, ...change(neighbour.branch) } } }
    : proof
}

/** The leaf of a key that is held: all digests fit, only its place does not. */
function ownLeaf(tree: Tree, hash: Hash): Neighbour {
  const [entry] = tree.slotsOf('key 7') as [Placed]
  return { leaf: { path: toHex(pathOf(entry.key, entry.slot, hash)), digest: toHex(entry.digest) } }
}

/** The branch of a key that has three slots, which part at once, none of them to nibble 0. */
function ownBranch(tree: Tree, hash: Hash): { branch: Branch } {
  const leaves = tree.slotsOf('colours').map(({ key, slot, digest }) => {
    const path = pathOf(key, slot, hash)
    return { path, digest: leafDigest(path, digest, hash) }
  })
  const children = Object.fromEntries(
    leaves.map(({ path, digest }) => [nibbleAt(path, 64).toString(16), toHex(digest)] as const),
  )
  const prefix = toHex(prefixBytes((leaves[0] as { path: Uint8Array }).path, 64))
  return { branch: { depth: 64, count: leaves.length, children, prefix } }
}

/** Proofs by name, each with the root that it is to be held against. */
export function proofs(keys: VectorKeys): unknown {
  const { hash, alice } = keys
  const tree = new Tree(entriesOf(keys), hash)
  const sign = (key: string): Placed =>
    signEntry({ key, slot: '', value: encodeValue(1), base: 0n, version }, alice, hash)
  const small = (...names: string[]): Tree => new Tree(names.map(sign), hash)
  const [none, one, two] = [small(), small('only'), small('key 7', 'key 8')]
  const twin = lateTwins(hash)[0]
  const held: readonly (readonly [name: string, tree: Tree, key: string])[] = [
    ['a register', tree, 'key 7'],
    ['another register', tree, 'key 39'],
    ['a counter', tree, 'n'],
    ['a set: all its elements', tree, 'colours'],
    ['a delete: the key does not exist, and this entry says so', tree, 'gone'],
    ['below a branch of six shared nibbles', tree, twin],
    ['the only entry: no branches', one, 'only'],
  ]
  const absent: readonly (readonly [name: string, tree: Tree, proof: KeyProof])[] = [
    ['another leaf is in its place', tree, tree.findAbsent(isBy('leaf'))],
    ['its place is empty', tree, tree.findAbsent(({ neighbour }) => neighbour === undefined)],
    ['a branch that begins otherwise is in its place', tree, tree.findAbsent(isBy('branch'))],
    ['a key of 512 bytes', tree, tree.prove('x'.repeat(512))],
    ['nothing is held at all', none, none.prove('key 7')],
    ['one other entry is held', one, one.prove('key 7')],
    ['two other entries are held', two, two.prove('only')],
  ]
  const refused = [...refusedHeld(tree, keys), ...refusedAbsent(tree, hash)]
  return {
    held: held.map(([name, of, key]) => told(name, of.root, of.prove(key), hash)),
    absent: absent.map(([name, of, proof]) => told(name, of.root, proof, hash)),
    refused: [
      ...refused.map(([reason, proof]) => ({ reason, root: tree.root, proof })),
      { reason: 'the only entry is of another key', root: one.root, proof: { ...one.prove('only'), key: 'key 7' } },
      { reason: 'another root', root: two.root, proof: tree.prove('key 7') },
      unsigned(keys),
    ],
  } // prettier-ignore
}

/** A tree that holds an entry which its author has not signed. */
function unsigned({ hash, alice }: VectorKeys): unknown {
  const entry = signEntry({ key: 'only', slot: '', value: encodeValue(1), base: 0n, version }, alice, hash)
  const bytes = fromHex(flip(toHex(entry.bytes))) as Uint8Array
  const tree = new Tree([{ ...entry, bytes, digest: hash(bytes) }], hash)
  return { reason: 'an entry that its author has not signed', root: tree.root, proof: tree.prove('only') }
}

function told(name: string, root: string, proof: KeyProof, hash: Hash): unknown {
  const proven = checkProof(proof, hash)
  return { name, root, reading: readingInWords(isUnsound(proven) ? undefined : proven.reading), proof }
}

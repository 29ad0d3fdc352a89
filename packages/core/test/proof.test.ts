/** Proofs of single keys: what is held is proven, what is not is disproven, and nothing else passes. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  checkProof,
  encodeValue,
  isUnsound,
  leafDigest,
  MerkleTrie,
  pathOf,
  proofEntriesMax,
  proveKey,
  signEntry,
  toHex,
  type Entry,
  type KeyProof,
  type ProofParts,
} from '@lattice/core'
import { anyKey, assertProperty } from '@lattice/core/testing'
import { counterSlot, elementSlot } from '../src/slot.ts'
import type { Incarnation } from '../src/units.ts'
import { alice, bob, createKeyedHashSigner, sha256, verifies } from './crypto.ts'

const quick = createKeyedHashSigner(1)

function register(key: string, value: number, signer = quick): Entry {
  const content = { key, slot: '', value: encodeValue(value), base: 0n, version: BigInt(value + 1) }
  return signEntry(content, signer, sha256)
}

function increment(key: string, total: number, signer = quick): Entry {
  const slot = counterSlot(signer.nodeId, '00000000000000a1' as Incarnation)
  return signEntry({ key, slot, value: encodeValue(total), base: 0n, version: 9n }, signer, sha256)
}

function element(key: string, value: number): Entry {
  const bytes = encodeValue(value)
  const content = { key, slot: elementSlot(bytes, sha256), value: bytes, base: 0n, version: 7n }
  return signEntry(content, quick, sha256)
}

/** A trie over these entries, and what proofs are made from. */
function world(entries: readonly Entry[]): ProofParts & { root: string } {
  const trie = new MerkleTrie(sha256)
  const digests = new Map<string, Uint8Array>()
  for (const [index, { key, slot, digest }] of entries.entries()) {
    const path = pathOf(key, slot, sha256)
    trie.set(path, digest, index + 1)
    digests.set(toHex(path), digest)
  }
  return {
    trie,
    hash: sha256,
    root: toHex(trie.root()),
    slots: key => entries.filter(entry => entry.key === key).map((entry, seq) => ({ ...entry, seq })),
    entryDigest: path => digests.get(toHex(path)),
  }
}

function proofOf(key: string, parts: ProofParts): KeyProof {
  const proof = proveKey(key, parts)
  if (proof === undefined) throw new Error('no proof')
  return structuredClone(proof)
}

/** What a proof leads to, for comparisons: its root, or that it is unsound. */
function rootOf(proof: KeyProof): string {
  const result = checkProof(proof, sha256)
  return isUnsound(result) ? 'unsound' : result.root
}

const many = Array.from({ length: 300 }, (_, index) => register(`key ${index}`, index))

describe('a proof of a key', () => {
  it('leads to the root and to the value, whatever else is held', () => {
    assertProperty(
      fc.property(fc.uniqueArray(anyKey, { minLength: 1, maxLength: 40 }), keys => {
        const parts = world(keys.map((key, index) => register(key, index)))
        for (const [index, key] of keys.entries()) {
          const result = checkProof(proofOf(key, parts), sha256)
          expect(result).toMatchObject({ root: parts.root, reading: { key, value: index } })
        }
      }),
      30,
    )
  })

  it('leads to the root and to nothing for a key that is not held', () => {
    assertProperty(
      fc.property(fc.uniqueArray(anyKey, { minLength: 1, maxLength: 40 }), ([absent, ...keys]) => {
        const parts = world(keys.map((key, index) => register(key, index)))
        const result = checkProof(proofOf(absent as string, parts), sha256)
        expect(result).toEqual({ root: parts.root, reading: undefined, signatures: [] })
      }),
      30,
    )
  })

  it('disproves a key by a missing child, by a leaf and by a branch that stand in its place', () => {
    const parts = world([...many, ...[1, 2, 3].map(value => element('a set', value))])
    const kinds = new Set<string>()
    for (let index = 0; index < 4000; index++) {
      const { neighbour } = proofOf(`absent ${index}`, parts)
      kinds.add(neighbour === undefined ? 'child' : 'leaf' in neighbour ? 'leaf' : 'branch')
    }
    expect([...kinds].sort()).toEqual(['branch', 'child', 'leaf'])
    expect(rootOf(proofOf('absent', world([])))).toBe(world([]).root)
  })

  it('holds all slots of the key, and reads as the node reads them', () => {
    const parts = world([...many, increment('sum', 3, alice), increment('sum', 4, bob), element('set', 1)])
    const result = checkProof(proofOf('sum', parts), sha256)
    if (isUnsound(result)) throw new Error(result.problem)
    expect(result.root).toBe(parts.root)
    expect(result.reading).toMatchObject({ type: 'counter', value: 7 })
    expect(result.signatures.map(verifies)).toEqual([true, true])
  })

  it('of a deleted key holds its tombstone and reads as absent', () => {
    const gone = signEntry({ key: 'gone', slot: '', value: undefined, base: 0n, version: 9n }, quick, sha256)
    const parts = world([...many, gone])
    const proof = proofOf('gone', parts)
    expect(proof.entries).toHaveLength(1)
    expect(checkProof(proof, sha256)).toMatchObject({ root: parts.root, reading: undefined })
  })

  it('is refused to a key of more slots than a proof may hold, and none of them is read for that', () => {
    const big = Array.from({ length: proofEntriesMax + 1 }, (_, value) => element('big', value))
    const parts = world([...many, ...big])
    const asked: string[] = []
    const slots: ProofParts['slots'] = key => {
      asked.push(key)
      return parts.slots(key)
    }
    expect(proveKey('big', { ...parts, slots })).toBeUndefined()
    expect(asked).toEqual([])
    expect(proveKey('big', world([...many, ...big.slice(1)]))?.entries).toHaveLength(proofEntriesMax)
  })
})

describe('a forged proof', () => {
  const parts = world([...many, increment('sum', 3), element('sum', 1), element('sum', 2)])
  const keys = ['key 7', 'sum', ...Array.from({ length: 12 }, (_, index) => `absent ${index}`)]
  const proofs = keys.map(key => proofOf(key, parts))

  it('with any character of its hex changed leads elsewhere or nowhere', () => {
    assertProperty(
      fc.property(fc.constantFrom(...proofs), fc.nat(), fc.nat(15), (proof, where, digit) => {
        const text = JSON.stringify(proof)
        const places = [...text.matchAll(/"[0-9a-f]{64,}"/g)].flatMap(match =>
          Array.from({ length: match[0].length - 2 }, (_, at) => match.index + 1 + at),
        )
        const at = places[where % places.length] as number
        const changed = text.slice(0, at) + digit.toString(16) + text.slice(at + 1)
        fc.pre(changed !== text)
        expect(rootOf(JSON.parse(changed) as KeyProof)).not.toBe(parts.root)
      }),
      400,
    )
  })

  it('with a part taken away or moved leads elsewhere or nowhere', () => {
    for (const proof of proofs) {
      const { entries, branches, neighbour, key } = proof
      const without = <T>(list: readonly T[], at: number): T[] => list.toSpliced(at, 1)
      const last = branches.at(-1) as KeyProof['branches'][number]
      const [child] = Object.keys(last.children) as [string]
      const free = Array.from('0123456789abcdef').find(digit => !(digit in last.children)) as string
      const { [child]: moved, ...others } = last.children
      const ending = (changed: KeyProof['branches'][number]): KeyProof => ({
        ...proof,
        branches: [...branches.slice(0, -1), changed],
      })
      const forged: KeyProof[] = [
        ...entries.map((_, at) => ({ ...proof, entries: without(entries, at) })),
        ...branches.map((_, at) => ({ ...proof, branches: without(branches, at) })),
        { ...proof, branches: branches.toReversed() },
        { ...proof, branches: [...branches, last] },
        ...(neighbour === undefined ? [] : [{ key, entries, branches }]),
        ending({ ...last, count: last.count + 1 }),
        ending({ ...last, depth: last.depth + 1 }),
        ending({ ...last, children: others }),
        ending({ ...last, children: { ...others, [free]: moved as string } }),
        { ...proof, entries: [...entries, toHex(register(key, 5).bytes)] },
      ]
      for (const each of forged) expect(rootOf(each)).not.toBe(parts.root)
    }
  })

  it('of one key proves nothing of another', () => {
    const told = proofs.flatMap(proof => keys.map(key => ({ proof: { ...proof, key }, by: proof.key })))
    const taken = told.filter(({ proof }) => rootOf(proof) === parts.root)
    expect(taken).toHaveLength(proofs.length)
    expect(taken.map(({ proof }) => proof.key)).toEqual(taken.map(({ by }) => by))
  })

  it('cannot deny a key with a neighbour that stands elsewhere', () => {
    const held = proofOf('key 7', parts)
    for (const { neighbour } of proofs) {
      if (neighbour !== undefined) expect(rootOf({ ...held, entries: [], neighbour })).not.toBe(parts.root)
    }
    expect(rootOf({ ...held, entries: [] })).not.toBe(parts.root)
  })

  it('cannot deny a key with the branch of its own slots, where the trie goes on below the key', () => {
    const nibble = ({ key, slot }: Entry): number => (pathOf(key, slot, sha256)[32] as number) >> 4
    // A target ends where its slots begin, and would go on with 0.
    const slots = Array.from({ length: 40 }, (_, value) => element('pair', value)).filter(nibble)
    const pair = [...new Map(slots.map(slot => [nibble(slot), slot])).values()].slice(0, 2)
    const own = world([...many, ...pair])
    const proof = proofOf('pair', own)
    const children = Object.fromEntries(
      pair.map(slot => {
        const path = pathOf(slot.key, slot.slot, sha256)
        return [nibble(slot).toString(16), toHex(leafDigest(path, slot.digest, sha256))]
      }),
    )
    const branches = [...proof.branches, { depth: 64, count: 2, children }]
    expect(rootOf(proof)).toBe(own.root)
    expect(rootOf({ ...proof, entries: [], branches })).not.toBe(own.root)
  })

  it('cannot show a value of before beside the present one', () => {
    const before = toHex(register('key 7', 3).bytes)
    for (const entries of [[before, ...proofOf('key 7', parts).entries], [before]])
      expect(rootOf({ ...proofOf('key 7', parts), entries })).not.toBe(parts.root)
  })

  it('cannot give a key that is absent the entries of its neighbour', () => {
    const beside = proofs.flatMap(proof => {
      const path = proof.neighbour !== undefined && 'leaf' in proof.neighbour && proof.neighbour.leaf.path
      const entry = many.find(({ key, slot }) => toHex(pathOf(key, slot, sha256)) === path)
      return entry === undefined ? [] : [{ ...proof, entries: [toHex(entry.bytes)], neighbour: undefined }]
    })
    expect(beside).not.toEqual([])
    for (const { neighbour: _, ...forged } of beside) expect(rootOf(forged)).not.toBe(parts.root)
  })

  it('with numbers and names of any kind throws nothing', () => {
    const odd = fc.oneof(fc.double(), fc.integer(), fc.constant(-0), fc.constant(2 ** 48))
    const digits = fc.dictionary(fc.string({ maxLength: 2 }), fc.string({ maxLength: 70 }))
    const branch = fc.record({ depth: odd, count: odd, children: digits })
    const shape = fc.record({
      key: fc.string({ unit: 'binary' }),
      entries: fc.array(fc.string(), { maxLength: 3 }),
      branches: fc.array(branch, { maxLength: 3 }),
      neighbour: fc.oneof(
        fc.record({ leaf: fc.record({ path: fc.string(), digest: fc.string() }) }),
        fc.record({ branch: fc.record({ depth: odd, count: odd, children: digits, prefix: fc.string() }) }),
      ),
    })
    assertProperty(
      fc.property(shape, proof => expect(rootOf(proof)).toBe('unsound')),
      300,
    )
  })
})

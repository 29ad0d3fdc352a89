/** The trie: equal sets have equal roots, whatever their history; different sets do not. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  compareBytes,
  concatBytes,
  leafDigest,
  MerkleTrie,
  pathOf,
  toHex,
  toUtf8,
  uintToBytes,
  type Leaf,
  type LeafBlock,
} from '@lattice/core'
import { assertProperty } from '@lattice/core/testing'
import { nibbleAt, pathNibbles, prefixBytes, sharedNibbles } from '../src/merkle.ts'
import { TrieArena } from '../src/trie-arena.ts'
import { TrieDraft } from '../src/trie-draft.ts'
import { sha256 } from './crypto.ts'

interface Held {
  readonly path: Uint8Array
  readonly digest: Uint8Array
}

/** Few paths, so that they meet, with long prefixes in common, so that every shape of the trie comes up. */
const paths = fc
  .tuple(
    fc.constantFrom(0, 1, 2, 17, 32, 63),
    fc.constantFrom(0x00, 0x01, 0x10, 0x0f, 0xf0, 0xa5, 0xa4, 0xff),
    fc.constantFrom(0x00, 0x0f, 0xf0, 0xa5),
    fc.boolean(),
  )
  .map(([at, byte, fill, isWholeKey]) => {
    const path = new Uint8Array(64).fill(fill)
    path[at] = byte
    if (isWholeKey) path.set(sha256(new Uint8Array(0)), 32)
    return path
  })

/** As long as it may be: by default fast-check makes no more than some ten. */
function listOf<T>(each: fc.Arbitrary<T>, maxLength: number, minLength = 0): fc.Arbitrary<T[]> {
  return fc.array(each, { minLength, maxLength })
}

const held: fc.Arbitrary<Held> = fc.record({
  path: paths,
  digest: fc.nat(5).map(seed => sha256(Uint8Array.of(seed))),
})
const change = fc.oneof(
  { weight: 3, arbitrary: held },
  { weight: 1, arbitrary: paths.map(path => ({ path, digest: undefined })) },
)

function build(leaves: Iterable<Held>): MerkleTrie {
  const trie = new MerkleTrie(sha256)
  let seq = 0
  for (const { path, digest } of leaves) trie.set(path, digest, ++seq)
  return trie
}

/** Leaves as a store keeps them, `size` to a block; the sequence is the place in the list, from 1. */
function* blocksOf(leaves: readonly Held[], size: number): Generator<LeafBlock> {
  const wholeKey = toHex(sha256(new Uint8Array(0)))
  for (let from = 0; from < leaves.length; from += size) {
    const block = leaves.slice(from, from + size)
    const slots = block.map(({ path }, index) => [index, path.subarray(32)] as const)
    yield {
      seqs: Float64Array.from(block, (_, index) => from + index + 1),
      keys: concatBytes(...block.map(({ path }) => path.subarray(0, 32))),
      slots: new Map(slots.filter(([, slot]) => toHex(slot) !== wholeKey)),
      digests: concatBytes(...block.map(({ path, digest }) => leafDigest(path, digest, sha256))),
    }
  }
}

/** All that can be seen of a trie. */
function contentIn(trie: MerkleTrie): [root: string, count: number, leaves: Leaf[]] {
  return [toHex(trie.root()), trie.count, [...trie.leaves(new Uint8Array(0), 0)]]
}

/** What is left of leaves set one after the other, sorted. */
function contentOf(leaves: readonly Held[]): readonly Held[] {
  return [...new Map(leaves.map(leaf => [toHex(leaf.path), leaf])).values()].sort(byPath)
}

const byPath = (a: Held, b: Held): number => compareBytes(a.path, b.path)

/** The root by the words of docs/protocol.md, without a trie: one recursion over a sorted list. */
function rootBySpecification(leaves: readonly Held[]): Uint8Array {
  if (leaves.length === 0) return sha256(Uint8Array.of(2))
  const first = leaves[0] as Held
  if (leaves.length === 1) return sha256(concatBytes(Uint8Array.of(0), first.path, first.digest))
  const depth = sharedNibbles(first.path, (leaves.at(-1) as Held).path)
  const groups = Array.from({ length: 16 }, (_, nibble) =>
    leaves.filter(leaf => nibbleAt(leaf.path, depth) === nibble),
  )
  const bitmap = groups.reduce((bits, group, nibble) => bits | (group.length > 0 ? 1 << nibble : 0), 0)
  return sha256(
    concatBytes(
      Uint8Array.of(1, depth),
      prefixBytes(first.path, depth),
      uintToBytes(BigInt(leaves.length), 6),
      uintToBytes(BigInt(bitmap), 2),
      ...groups.filter(group => group.length > 0).map(rootBySpecification),
    ),
  )
}

describe('the Merkle trie', () => {
  it('after any history of insertions, replacements and deletions is the trie of what is left', () => {
    assertProperty(
      fc.property(listOf(change, 60), fc.boolean(), (changes, peeking) => {
        const trie = new MerkleTrie(sha256)
        const model = new Map<string, Held>()
        for (const { path, digest } of changes) {
          if (digest === undefined) {
            trie.delete(path)
            model.delete(toHex(path))
          } else {
            trie.set(path, digest, 1)
            model.set(toHex(path), { path, digest })
          }
          if (peeking) trie.root()
        }
        const left = [...model.values()].sort(byPath)
        expect(trie.count).toBe(left.length)
        expect(toHex(trie.root())).toBe(toHex(rootBySpecification(left)))
        expect(toHex(trie.root())).toBe(toHex(build(left.reverse()).root()))
        for (const { path } of changes) expect(trie.get(path) !== undefined).toBe(model.has(toHex(path)))
      }),
      150,
    )
  })

  it('built at once from leaves in any order is the trie built leaf by leaf, and changes like it', () => {
    assertProperty(
      fc.property(
        listOf(held, 60),
        listOf(change, 20),
        fc.integer({ min: 1, max: 7 }),
        (leaves, changes, blockSize) => {
          const one = build(leaves)
          const bulk = new MerkleTrie(sha256, blocksOf(leaves, blockSize))
          expect(bulk.count).toBe(one.count)
          expect([...bulk.leaves(new Uint8Array(0), 0)]).toEqual([...one.leaves(new Uint8Array(0), 0)])
          for (const trie of [one, bulk]) {
            expect(toHex(trie.root())).toBe(toHex(rootBySpecification(contentOf(leaves))))
            for (const { path, digest } of changes) {
              if (digest === undefined) trie.delete(path)
              else trie.set(path, digest, 99)
            }
          }
          expect(toHex(bulk.root())).toBe(toHex(one.root()))
        },
      ),
      60,
    )
  })

  it('is the same until foreseen changes are made, and then the trie of what is left', () => {
    const batch = fc.record({
      rows: listOf(held, 20),
      drops: listOf(paths, 5),
      // Another change, as when damage is found, makes void what was foreseen.
      between: fc.option(change),
      isForeseen: fc.boolean(),
      isMade: fc.boolean(),
    })
    assertProperty(
      fc.property(listOf(held, 30), listOf(batch, 6), (leaves, batches) => {
        const trie = new MerkleTrie(sha256, blocksOf(leaves, 7))
        const model = new Map(contentOf(leaves).map(leaf => [toHex(leaf.path), leaf]))
        let seq = leaves.length
        const apply = ({ path, digest }: { path: Uint8Array; digest: Uint8Array | undefined }): void => {
          if (digest === undefined) model.delete(toHex(path))
          else model.set(toHex(path), { path, digest })
        }
        for (const { rows, drops, between, isForeseen, isMade } of batches) {
          const placed = rows.map(({ path, digest }) => {
            return { path, leaf: leafDigest(path, digest, sha256), seq: ++seq }
          })
          const changes = { rows: placed, drops: drops.map(path => ({ path })) }
          const before = contentIn(trie)
          if (isForeseen) trie.foresee(changes)
          expect(contentIn(trie)).toEqual(before)
          if (between?.digest !== undefined) trie.set(between.path, between.digest, 1)
          else if (between !== null) trie.delete(between.path)
          if (between !== null) apply(between)
          if (isMade) {
            trie.apply(changes)
            for (const path of drops) apply({ path, digest: undefined })
            for (const row of rows) apply(row)
          }
          const left = [...model.values()].sort(byPath)
          expect([toHex(trie.root()), trie.count]).toEqual([toHex(rootBySpecification(left)), left.length])
          expect([...trie.leaves(new Uint8Array(0), 0)].map(({ path }) => path)).toEqual(
            left.map(({ path }) => path),
          )
          if (!isMade) continue
          for (const { path, leaf, seq: last } of new Map(placed.map(row => [toHex(row.path), row])).values())
            expect(trie.get(path)).toEqual({ path, digest: leaf, seq: last })
        }
      }),
      150,
    )
  })

  it('takes no more memory for what is foreseen and given up, or made, than for one such change', () => {
    const arena = new TrieArena(sha256(new Uint8Array(0)))
    const path = (name: number): Uint8Array => pathOf(`key ${name}`, '', sha256)
    let top = 0
    const change = (names: readonly number[], isKept: boolean): void => {
      const draft = new TrieDraft(arena, top)
      for (const name of names) draft.set(path(name), path(name).subarray(32), name)
      draft.delete(path(names[0] as number))
      if (isKept) top = draft.top
      if (isKept) draft.keep()
      else draft.discard()
    }
    const names = Array.from({ length: 100 }, (_, name) => name)
    change(names, true)
    for (let round = 0; round < 50; round++) change(names.slice(round, round + 20), round % 2 === 0)
    // As references of new nodes are counted up, they tell how many there have ever been.
    const free = [...names, ...names].map(() => arena.addLeaf(path(0), path(0).subarray(32), 0))
    expect(Math.max(...free.map(ref => -ref))).toBeLessThanOrEqual(99 + 200)
    const branches = names.map(() => arena.addBranch(0, -1))
    expect(Math.max(...branches)).toBeLessThanOrEqual(2 * 99 + 100)
  })

  it('built at once keeps sequences that take more than 32 bits', () => {
    const [block] = blocksOf([{ path: new Uint8Array(64), digest: sha256(Uint8Array.of(1)) }], 1)
    const seq = 2 ** 40 + 5
    const trie = new MerkleTrie(sha256, [{ ...(block as LeafBlock), seqs: Float64Array.of(seq) }])
    expect(trie.get(new Uint8Array(64))?.seq).toBe(seq)
  })

  it('built at once from thousands of keys and slots has the root of the specification', () => {
    const slots = ['', 'aa', 'bb'.repeat(33)]
    const leaves = Array.from({ length: 3_000 }, (_, at): Held => {
      const slot = slots[at % 3] ?? ''
      return { path: pathOf(`k${at - (at % 3)}`, slot, sha256), digest: sha256(Uint8Array.of(at & 255)) }
    })
    const trie = new MerkleTrie(sha256, blocksOf(leaves, 1_000))
    expect(toHex(trie.root())).toBe(toHex(rootBySpecification(contentOf(leaves))))
  })

  it('built at once from a thousand paths with the same first bytes, as an attacker finds them, too', () => {
    const leaves = Array.from({ length: 1_000 }, (_, at): Held => {
      const hashed = sha256(uintToBytes(BigInt(at)))
      return { path: concatBytes(new Uint8Array(2 + (at % 3)), hashed, hashed).slice(0, 64), digest: hashed }
    })
    const trie = new MerkleTrie(sha256, blocksOf(leaves, 1_000))
    expect(toHex(trie.root())).toBe(toHex(rootBySpecification(contentOf(leaves))))
  })

  it('the order of insertion makes no difference', () => {
    const sets = fc.uniqueArray(held, {
      selector: each => toHex(each.path),
      minLength: 1,
      maxLength: 30,
    })
    assertProperty(
      fc.property(
        sets.chain(set => fc.tuple(fc.constant(set), fc.shuffledSubarray(set, { minLength: set.length }))),
        ([set, shuffled]) => expect(toHex(build(set).root())).toBe(toHex(build(shuffled).root())),
      ),
      200,
    )
  })

  it('sets that differ in one leaf, digest or place have different roots', () => {
    assertProperty(
      fc.property(fc.uniqueArray(held, { selector: each => toHex(each.path), minLength: 1 }), leaves => {
        const root = toHex(build(leaves).root())
        const [first, ...others] = leaves as [Held, ...Held[]]
        const elsewhere = first.path.map((byte, at) => (at === 40 ? byte ^ 1 : byte))
        expect(toHex(build(others).root())).not.toBe(root)
        expect(toHex(build([...others, { ...first, digest: sha256(first.digest) }]).root())).not.toBe(root)
        expect(toHex(build([...others, { ...first, path: elsewhere }]).root())).not.toBe(root)
      }),
      200,
    )
  })

  it('leaves and subtree under any prefix are those of a plain list, in order', () => {
    const lengths = fc.integer({ min: 0, max: pathNibbles })
    assertProperty(
      fc.property(listOf(held, 40), held, lengths, (leaves, { path }, length) => {
        const trie = build(leaves)
        const model = new Map(leaves.map(leaf => [toHex(leaf.path), leaf]))
        const under = [...model.values()]
          .filter(leaf => sharedNibbles(leaf.path, path, length) === length)
          .sort(byPath)
        const listed = [...trie.leaves(prefixBytes(path, length), length)]
        expect(listed.map(leaf => toHex(leaf.path))).toEqual(under.map(leaf => toHex(leaf.path)))
        const subtree = trie.subtree(prefixBytes(path, length), length)
        expect(subtree?.count ?? 0).toBe(under.length)
        if (subtree === undefined) return
        expect(toHex(subtree.digest)).toBe(toHex(rootBySpecification(under)))
        const last = under.at(-1) as Held
        expect(subtree.depth).toBe(
          under.length === 1 ? undefined : sharedNibbles((under[0] as Held).path, last.path),
        )
        expect(sharedNibbles(subtree.path, last.path, subtree.depth ?? pathNibbles)).toBe(
          subtree.depth ?? pathNibbles,
        )
      }),
      400,
    )
  })

  it('the slots of one key are one subtree: 64 nibbles in, and nothing else is there', () => {
    const trie = new MerkleTrie(sha256)
    const slots = ['', `01${'ab'.repeat(40)}`, `02${'cd'.repeat(32)}`]
    for (let i = 0; i < 300; i++)
      for (const slot of slots) trie.set(pathOf(`key ${i}`, slot, sha256), sha256(toUtf8(`${i}${slot}`)), i)
    const alone = new MerkleTrie(sha256)
    for (const slot of slots) alone.set(pathOf('key 7', slot, sha256), sha256(toUtf8(`7${slot}`)), 1)
    const subtree = trie.subtree(sha256(toUtf8('key 7')), 64)
    expect(subtree?.count).toBe(3)
    expect(toHex(subtree?.digest ?? new Uint8Array(0))).toBe(toHex(alone.root()))
    expect(trie.subtree(sha256(toUtf8('no such key')), 64)).toBeUndefined()
  })

  it('deleting what is not there changes nothing', () => {
    const trie = build([{ path: new Uint8Array(64), digest: sha256(Uint8Array.of(1)) }])
    const root = toHex(trie.root())
    trie.delete(new Uint8Array(64).fill(1))
    expect([toHex(trie.root()), trie.count]).toEqual([root, 1])
    trie.delete(new Uint8Array(64))
    expect([toHex(trie.root()), trie.count]).toEqual([toHex(sha256(Uint8Array.of(2))), 0])
  })
})

describe('X11: second preimages', () => {
  it('a branch does not pass for a leaf, though what is hashed for both is equally long', () => {
    // 46 nibbles shared: domain 1, depth 1, prefix 23, count 6, bitmap 2, two children: 97, like a leaf.
    const [left, right] = [0x00, 0xf0].map(byte => {
      const path = new Uint8Array(64)
      path[23] = byte
      return { path, digest: sha256(Uint8Array.of(byte)) }
    }) as [Held, Held]
    const branch = concatBytes(
      Uint8Array.of(1, 46),
      new Uint8Array(23),
      uintToBytes(2n, 6),
      uintToBytes(0b1000_0000_0000_0001n, 2),
      rootBySpecification([left]),
      rootBySpecification([right]),
    )
    const trie = build([left, right])
    expect(toHex(trie.root())).toBe(toHex(sha256(branch)))
    const forged = branch.subarray(1)
    expect(forged.length).toBe(64 + 32)
    expect(toHex(leafDigest(forged.subarray(0, 64), forged.subarray(64), sha256))).not.toBe(
      toHex(trie.root()),
    )
    expect(toHex(build([{ path: forged.subarray(0, 64), digest: forged.subarray(64) }]).root())).not.toBe(
      toHex(trie.root()),
    )
  })

  it('a leaf twice is one leaf: no odd one is doubled, and the count is hashed', () => {
    assertProperty(
      fc.property(listOf(held, 9, 1), fc.nat(8), (leaves, at) => {
        const again = leaves[at % leaves.length] as Held
        const once = contentOf(leaves)
        const twice = build([...once, ...once.filter(leaf => leaf.path === again.path)])
        expect(toHex(twice.root())).toBe(toHex(rootBySpecification(once)))
        expect(twice.count).toBe(once.length)
      }),
      50,
    )
  })
})

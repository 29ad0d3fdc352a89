/** Sums of subtrees: what one of them says, and that two replicas end equal by them. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  decodeMessage,
  encodeMessage,
  isMalformed,
  MerkleTrie,
  packDigests,
  toHex,
  type Leaf,
  type Message,
  type Summary,
} from '@lattice/core'
import { createSeededRandom, runsFromEnvironment } from '@lattice/core/testing'
import { compareStep, type Step } from '../src/compare-step.ts'
import { beginDescent, closeDescent, continueDescent, type Descent } from '../src/descent.ts'
import { compareNodesRead } from '../src/limits.ts'
import { createPeer } from '../src/peers.ts'
import { narrowRoom, openDescent, shortDigestBytes, wantedLeaves, type StepRoom } from '../src/reconcile.ts'
import { sumBytes } from '../src/subtree-sums.ts'
import { sha256 } from './crypto.ts'
import { ann, ben, makeEqual, numberedEntry, sideWith, type Side } from './descents.ts'
import { heldBytes } from './replicas.ts'

const random = createSeededRandom(11)

/** A trie of one leaf under each of these prefixes of nibbles, and the paths. */
function plant(trie: MerkleTrie, prefixes: readonly string[]): Uint8Array[] {
  return prefixes.map((prefix, at) => {
    const path = random.bytes(64)
    path.set(Buffer.from(prefix.padEnd(8, '0'), 'hex'))
    trie.set(path, sha256(path), at + 1)
    return path
  })
}

function stepWith(
  trie: MerkleTrie,
  summaries: readonly Summary[],
  room: Partial<StepRoom> = {},
): Step & { push: Leaf[] } {
  const push: Leaf[] = []
  const theirs = { digestBytes: shortDigestBytes, summaries }
  const step = compareStep(trie, theirs, { ...narrowRoom(), ...room }, leaf => push.push(leaf) > 0)
  return { ...step, push }
}

/** Two tries with these leaves under `5`, parted at the next nibble, and what the first one tells as sums. */
function differing(common: readonly string[], first: readonly string[], second: readonly string[]) {
  const [a, b] = [new MerkleTrie(sha256), new MerkleTrie(sha256)]
  for (const path of plant(a, common)) b.set(path, sha256(path), 1)
  const lackedByB = plant(a, first)
  const lackedByA = plant(b, second)
  const theirs = stepWith(b, openDescent(a, shortDigestBytes).summaries).summaries
  return { a, b, lackedByA, lackedByB, sums: stepWith(a, theirs, { sums: true }).summaries }
}

const wide = ['1', '2', '9'].flatMap(top =>
  Array.from({ length: 30 }, (_, at) => top + (at % 16).toString(16)),
)
const five = (nibble: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `5${nibble}${at.toString(16)}`)
const common = [...wide, ...five('3', 6), ...five('a', 8), ...five('c', 12)]

describe('a sum', () => {
  it('names the one leaf that either side lacks', () => {
    const { a, b, lackedByA, lackedByB, sums } = differing(common, ['5a9'], ['53f'])
    expect(sums.map(({ sums: isSum, bitmap }) => [isSum, bitmap])).toEqual([[true, (1 << 3) | (1 << 10)]])
    const { push, want, apart, summaries } = stepWith(b, sums)
    expect(push.map(({ path }) => path)).toEqual(lackedByA)
    expect(apart).toEqual(push)
    expect(wantedLeaves(a, want, 9).map(({ path }) => path)).toEqual(lackedByB)
    expect(summaries).toEqual([])
  })

  it('takes four bytes for each subtree that differs, whatever it holds', () => {
    const { sums } = differing(common, ['5a9', '3'], ['53f'])
    const told = sums.find(summary => summary.sums === true)
    expect(told?.digests).toHaveLength(1 + 2 * sumBytes)
  })

  it('is told of subtrees of 4 to 64 leaves; of fewer a list, of more a branch', () => {
    const [few, least, most, many] = ['0', '3', 'a', 'c'] as const
    const held = [...wide, ...five(few, 3), ...five(least, 4), ...five(most, 64), ...five(many, 65)]
    const { sums } = differing(
      held,
      [],
      [few, least, most, many].map(nibble => `5${nibble}f`),
    )
    const below = sums.filter(({ length, sums: isSum }) => length === 2 && isSum !== true)
    expect(below.map(({ bitmap }) => bitmap === undefined)).toEqual([true, false])
    expect(sums.find(({ sums: isSum }) => isSum)?.bitmap).toBe((1 << 3) | (1 << 10))
  })

  it('of more than one difference is nobody’s: what is wanted then is listed', () => {
    const { a, b, lackedByA, lackedByB, sums } = differing(common, ['5a9', '5ab'], ['5a8'])
    const { want, push } = stepWith(b, sums)
    expect(push).toEqual([])
    expect(wantedLeaves(a, want, 9)).toEqual([])
    const told = {
      ...beginDescent(a, '', shortDigestBytes),
      next: { digestBytes: shortDigestBytes, summaries: sums },
    }
    const next = continueDescent(a, told, { want, reads: compareNodesRead, readsSums: true })
    expect(next?.next?.summaries).toMatchObject([{ length: 2 }])
    expect(next?.next?.summaries[0]).not.toHaveProperty('bitmap')
    const answer = stepWith(b, next?.next?.summaries ?? [])
    expect(answer.push.map(({ path }) => path)).toEqual(lackedByA)
    const lacked = wantedLeaves(a, answer.want, 9).map(({ path }) => toHex(path))
    expect(lacked.sort()).toEqual(lackedByB.map(toHex).sort())
  })

  it('that was nobody’s is listed also where leaves have come meanwhile', () => {
    const { a, b, sums } = differing([...common, ...five('3', 56)], ['53e', '53f'], [])
    const { want } = stepWith(b, sums)
    plant(a, ['53e'])
    const told = {
      ...beginDescent(a, '', shortDigestBytes),
      next: { digestBytes: shortDigestBytes, summaries: sums },
    }
    const next = continueDescent(a, told, { want, reads: compareNodesRead, readsSums: true })
    expect(next?.next?.summaries).toMatchObject([{ prefix: Uint8Array.of(0x53), length: 2 }])
  })

  it('that a peer has wanted something of is not told again', () => {
    const { a, b, sums } = differing(common, ['5a9'], ['53f'])
    const { want } = stepWith(b, sums)
    const told = {
      ...beginDescent(a, '', shortDigestBytes),
      next: { digestBytes: shortDigestBytes, summaries: sums },
    }
    const answer = { want, reads: compareNodesRead, readsSums: true, answered: 0 }
    const again = continueDescent(a, told, answer)
    expect(again?.push).toHaveLength(1)
    expect(again?.next?.summaries.map(({ bitmap }) => bitmap)).toEqual([1 << 3])
  })

  it('is wanted of before anything is pushed, even where nothing finds room', () => {
    const { b, sums } = differing(common, ['5a9'], ['53f'])
    const step = compareStep(b, { digestBytes: 3, summaries: [...sums, ...sums] }, narrowRoom(), () => false)
    expect(step).toMatchObject({ read: 1, summaries: [] })
    expect(step.want).toHaveLength(2)
  })

  it('leaves room for what is to be pushed, however much is wanted', () => {
    const { b, sums } = differing(common, ['5a9'], ['53f'])
    const step = stepWith(b, [...sums, ...sums], { leaves: 2 })
    expect(step.want).toHaveLength(1)
    expect(step.push).toHaveLength(1)
    expect(step.read).toBe(1)
  })
})

describe('lists of leaves', () => {
  // At each of 4096 places one leaf of seven differs.
  const places = Array.from({ length: 4096 }, (_, at) => at.toString(16).padStart(3, '0'))
  const [a, b] = [new MerkleTrie(sha256), new MerkleTrie(sha256)]
  const leaves = places.flatMap(place => Array.from('02479d', last => place + last))
  for (const path of plant(a, leaves)) b.set(path, sha256(path), 1)
  plant(
    b,
    places.map(place => `${place}f`),
  )
  const ample = { nodes: compareNodesRead, bytes: 2 ** 20 }
  const top = stepWith(a, openDescent(b, shortDigestBytes).summaries)
  const heard = stepWith(b, top.summaries, ample).summaries

  /** Whether what is told after so many branches are sums. */
  function toldAfter(branches: number, answer: Message, digestBytes = shortDigestBytes): boolean[] {
    const compare = { digestBytes, summaries: heard.slice(0, branches) }
    const descent = continueDescent(a, beginDescent(a, '', digestBytes), { ...answer, compare })
    return (descent?.next?.summaries ?? []).map(({ sums = false }) => sums)
  }

  const reader = { reads: compareNodesRead, readsSums: true }

  it('that find room in one step are told', () => {
    const told = toldAfter(64, reader)
    expect(told).toHaveLength(64 * 16)
    expect(told).not.toContain(true)
  })

  it('that find none make way for sums, which do', () => {
    expect(heard).toHaveLength(256)
    const told = toldAfter(256, reader)
    expect(told).toHaveLength(256)
    expect(told).not.toContain(false)
  })

  it('are all that an older build reads, and all that full digests come as', () => {
    for (const told of [toldAfter(256, { reads: compareNodesRead }), toldAfter(256, reader, 32)]) {
      expect(told.length).toBeGreaterThan(500)
      expect(told).not.toContain(true)
    }
  })
})

it('the last step of a descent is followed by one request that says how the asker stands', async () => {
  const side = await sideWith([numberedEntry(1)])
  const opened = side.composer.openDescent('')
  const ask = (descent: Descent | undefined): Message =>
    side.composer.ask(
      { ...createPeer(ben.nodeId, undefined, 0), descent },
      { push: false, pull: false, descend: true },
    )
  const closing = closeDescent({ ...opened, reads: compareNodesRead })
  expect(ask(opened)).toHaveProperty('compare')
  expect(closing).toMatchObject({ fromRoot: true, rounds: 1 })
  expect(ask(closing)).toEqual({})
  expect(closing && closeDescent(closing)).toBeUndefined()
  // Of an older build nobody knows whether that was all.
  expect(closeDescent(opened)).toBeUndefined()
})

/** A descent that has come to where the asker tells sums. */
function descentBySums(asker: Side, answerer: Side): Descent {
  const trie = asker.replica.trie
  const theirs = stepWith(answerer.replica.trie, openDescent(trie, shortDigestBytes).summaries).summaries
  const { summaries, want, push } = stepWith(trie, theirs, { sums: true })
  const next = { digestBytes: shortDigestBytes, summaries }
  const opened = beginDescent(trie, '', shortDigestBytes)
  return { ...opened, next, push, want, reads: compareNodesRead, readsSums: true }
}

describe('a descent by sums', () => {
  const held = Array.from({ length: 1500 }, (_, key) => numberedEntry(key))
  const some = fc.array(
    fc.tuple(fc.nat(3000), fc.nat(3), fc.constantFrom(ann, ben)).map(drawn => numberedEntry(...drawn)),
    { maxLength: 150 },
  )

  it('makes any two replicas equal', async () => {
    const { seed, numRuns } = runsFromEnvironment(12)
    let sums = 0
    const property = fc.asyncProperty(some, some, async (left, right) => {
      const a = await sideWith([...held, ...left], ann)
      const b = await sideWith([...held, ...right], ben)
      const from = descentBySums(a, b)
      sums += from.next?.summaries.filter(summary => summary.sums === true).length ?? 0
      const { roundTrips } = await makeEqual(a, b, { from, descentsMax: 2 })
      expect(roundTrips).toBeLessThanOrEqual(8)
      expect(heldBytes(a)).toBe(heldBytes(b))
    })
    await fc.assert(property, { numRuns, ...(seed === undefined ? {} : { seed }) })
    expect(sums).toBeGreaterThan(numRuns)
  })
})

describe('frames', () => {
  const digests = packDigests([new Uint8Array(sumBytes), new Uint8Array(sumBytes)])
  const summary: Summary = {
    prefix: Uint8Array.of(0x50),
    length: 1,
    depth: 1,
    bitmap: 0b11,
    digests,
    sums: true,
  }
  const carried = (summaries: readonly Summary[]) =>
    decodeMessage(encodeMessage({ compare: { digestBytes: 3, summaries } }))

  it('carry sums', () => {
    expect(carried([summary])).toEqual({ compare: { digestBytes: 3, summaries: [summary] } })
    const one = { ...summary, bitmap: 1, digests: packDigests([new Uint8Array(sumBytes)]) }
    expect(carried([one])).toEqual({ compare: { digestBytes: 3, summaries: [one] } })
  })

  it.each([
    ['of another length', { digests: packDigests([new Uint8Array(5), new Uint8Array(5)]) }],
    ['of more or fewer subtrees than are named', { bitmap: 0b111 }],
    ['of no subtree', { bitmap: 0, digests: packDigests([]) }],
  ])('with sums %s are refused', (_, change) => {
    expect(isMalformed(carried([{ ...summary, ...change }]) as Message)).toBe(true)
  })
})

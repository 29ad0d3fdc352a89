/**
 * The Merkle descent between two real replicas over real frames: it ends equal, in few round trips and bytes.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  compareNodesMax,
  decodeMessage,
  encodeMessage,
  frameBytesMax,
  isMalformed,
  MerkleTrie,
  pathOf,
  toHex,
  type Compare,
  type Incarnation,
  type Leaf,
  type Message,
  type Summary,
  type VerifiedEntry,
  type Want,
} from '@lattice/core'
import { assertProperty, createSeededRandom, runsFromEnvironment, testWall } from '@lattice/core/testing'
import { compareStep, type Step } from '../src/compare-step.ts'
import { beginDescent, continueDescent } from '../src/descent.ts'
import { digestCount, packDigests } from '../src/digest-list.ts'
import { followedBy } from '../src/exchange.ts'
import { createPeer } from '../src/peers.ts'
import {
  missingOf,
  narrowRoom,
  openDescent,
  shortDigestBytes,
  stepBytes,
  wantedLeaves,
} from '../src/reconcile.ts'
import { entriesInFrame } from '../src/rows.ts'
import { sha256 } from './crypto.ts'
import { ann, ben, makeEqual, numberedEntry, sideWith } from './descents.ts'
import { heldBytes, rootOf } from './replicas.ts'

const some = fc.array(
  fc
    .tuple(fc.nat(150), fc.nat(3), fc.constantFrom(ann, ben))
    .map(([key, tick, by]) => numberedEntry(key, tick, by)),
  { maxLength: 150 },
)

/** Numbers 0 … length − 1 in an order that depends on the seed alone. */
function drawn(length: number, seed: number): number[] {
  const random = createSeededRandom(seed)
  const numbers = Array.from({ length }, (_, at) => [random.unit(), at] as const)
  return numbers.sort(([a], [b]) => a - b).map(([, at]) => at)
}

/** Children at these nibbles that have one digest. */
function childrenAt(nibbles: readonly number[], digest: Uint8Array): Pick<Summary, 'digests' | 'bitmap'> {
  const places = new Set(nibbles)
  const bitmap = [...places].reduce((bits, nibble) => bits | (1 << nibble), 0)
  return { digests: packDigests([...places].map(() => digest)), bitmap }
}

function trieOf(entries: readonly VerifiedEntry[]): MerkleTrie {
  const trie = new MerkleTrie(sha256)
  entries.forEach(({ key, slot, digest }, at) => trie.set(pathOf(key, slot, sha256), digest, at))
  return trie
}

/** A step, and the leaves that it pushes. */
function stepOf(
  trie: MerkleTrie,
  theirs: Compare,
  leaves = narrowRoom().leaves,
): Step & { push: readonly Leaf[] } {
  const push: Leaf[] = []
  const step = compareStep(trie, theirs, { ...narrowRoom(), leaves }, leaf => push.push(leaf) > 0)
  return { ...step, push }
}

describe('a descent', () => {
  it('makes any two replicas equal, in a bounded number of round trips', async () => {
    const { seed, numRuns } = runsFromEnvironment(40)
    const property = fc.asyncProperty(some, some, some, async (common, left, right) => {
      const a = await sideWith([...common, ...left], ann)
      const b = await sideWith([...common, ...right], ben)
      const { roundTrips, descents } = await makeEqual(a, b)
      expect(roundTrips).toBeLessThanOrEqual(4)
      expect(descents).toBeLessThanOrEqual(1)
      expect(heldBytes(a)).toBe(heldBytes(b))
      const all = await sideWith([...left, ...right, ...common], ann)
      expect(rootOf(a)).toBe(rootOf(all))
    })
    await fc.assert(property, { numRuns, ...(seed === undefined ? {} : { seed }) })
  })

  it('fills an empty replica, and drains into one', async () => {
    const full = Array.from({ length: 3000 }, (_, key) => numberedEntry(key))
    for (const [left, right] of [
      [[], full],
      [full, []],
    ] as const) {
      const [a, b] = [await sideWith(left, ann), await sideWith(right, ben)]
      const cost = await makeEqual(a, b)
      expect(b.replica.trie.count).toBe(3000)
      expect(cost.roundTrips).toBeLessThanOrEqual(12)
    }
  })

  it('between two that share nothing keeps every frame within 256 KiB', async () => {
    const value = 'x'.repeat(300)
    const a = await sideWith(
      Array.from({ length: 3000 }, (_, key) => numberedEntry(key, 0, ann, value)),
      ann,
    )
    const b = await sideWith(
      Array.from({ length: 3000 }, (_, key) => numberedEntry(key + 9000, 0, ben, value)),
      ben,
    )
    const cost = await makeEqual(a, b)
    expect(cost.largestFrame).toBeGreaterThan(190_000)
    expect(a.replica.trie.count).toBe(6000)
  })

  it('brings what takes many frames without beginning anew', async () => {
    const value = 'x'.repeat(20_000)
    const [left, right] = [0, 40].map(first =>
      Array.from({ length: 40 }, (_, at) => numberedEntry(first + at, 0, ann, value)),
    ) as [VerifiedEntry[], VerifiedEntry[]]
    const [a, b] = [await sideWith(left, ann), await sideWith(right, ben)]
    const { roundTrips, descents } = await makeEqual(a, b)
    expect(a.replica.trie.count).toBe(80)
    // Forty entries fill four frames each way.
    expect([roundTrips, descents]).toEqual([5, 1])
  })

  it('tells and wants no more than an older build reads', async () => {
    const [left, right] = [drawn(12_000, 7), drawn(12_000, 8)].map(order =>
      order.slice(0, 9_000).map(key => numberedEntry(key)),
    ) as [VerifiedEntry[], VerifiedEntry[]]
    const [a, b] = [await sideWith(left, ann), await sideWith(right, ben)]
    const { roundTrips } = await makeEqual(a, b, { isOlder: true })
    expect(heldBytes(a)).toBe(heldBytes(b))
    const [c, d] = [await sideWith(left, ann), await sideWith(right, ben)]
    const among = await makeEqual(c, d)
    expect([among.roundTrips, among.descents]).toEqual([3, 1])
    expect(roundTrips).toBeGreaterThan(among.roundTrips)
  })

  it('does not give up what found no room in a request, of which the peer may hold the successor', () => {
    const trie = trieOf([numberedEntry(1, 0, ann)])
    const push = [...trie.leaves(new Uint8Array(0), 0)]
    const descent = { ...beginDescent(trie, '', shortDigestBytes), push, pushed: 0 }
    expect(continueDescent(trie, descent, {}, () => [])?.push).toEqual(push)
  })

  it('with full digests stays within the frame as well', () => {
    const a = trieOf(Array.from({ length: 6000 }, (_, key) => numberedEntry(key)))
    const b = trieOf(Array.from({ length: 6000 }, (_, key) => numberedEntry(key, 1, ben)))
    let step = { ...openDescent(a, 32), push: [], want: [] as readonly Want[] }
    let largest = 0
    for (let round = 0; round < 8 && step.summaries.length > 0; round++) {
      const next = stepOf(round % 2 === 0 ? b : a, step)
      largest = Math.max(largest, stepBytes(next.summaries, next.want))
      step = { digestBytes: 32, ...next, push: [] }
    }
    expect(largest).toBeGreaterThan(90 * 1024)
    expect(largest).toBeLessThan(112 * 1024)
  })
})

describe('the cost of a descent over 10,000 entries', () => {
  const entries = Array.from({ length: 10_000 }, (_, key) => numberedEntry(key))

  // Half of what differs lacks on each side; a single difference lacks on the asker's.
  const costs = [
    [1, { roundTrips: 3, bytes: 358, entryBytes: 123 }],
    [100, { roundTrips: 3, bytes: 16_756, entryBytes: 12_286 }],
    [1000, { roundTrips: 3, bytes: 124_903, entryBytes: 122_856 }],
    // More subtrees differ than a frame may name: what finds no room is answered in the next steps.
    [5000, { roundTrips: 4, bytes: 529_313, entryBytes: 614_342 }],
  ] as const
  it.each(costs)('with %i differences is what it always was', async (differences, expected) => {
    const order = drawn(entries.length, 42)
    const lackingLeft = new Set(order.slice(0, Math.ceil(differences / 2)))
    const lackingRight = new Set(order.slice(Math.ceil(differences / 2), differences))
    const a = await sideWith(
      entries.filter((_, at) => !lackingLeft.has(at)),
      ann,
    )
    const b = await sideWith(
      entries.filter((_, at) => !lackingRight.has(at)),
      ben,
    )
    const { roundTrips, bytes, entryBytes, descents } = await makeEqual(a, b)
    console.info(`descent, n = 10,000, d = ${differences}:`, { roundTrips, bytes, entryBytes, descents })
    expect({ roundTrips, bytes, entryBytes }).toEqual(expected)
    expect(descents).toBe(1)
  })

  it('is what the protocol tells of it', () => {
    const text = readFileSync(join(import.meta.dirname, '../../../docs/protocol.md'), 'utf8')
    for (const number of costs.slice(0, 2).flatMap(([, { bytes, entryBytes }]) => [bytes, entryBytes]))
      expect(text).toMatch(new RegExp(`\\b${number.toLocaleString('en')}\\b`))
  })
})

describe('what a composer says', () => {
  const entries = Array.from({ length: 1500 }, (_, key) => numberedEntry(key, 0, ann, 'x'.repeat(200)))

  it('asks for no more at once than a frame may name, however much is missing', async () => {
    const side = await sideWith([], ann)
    const wants = [...trieOf(entries).leaves(new Uint8Array(0), 0)].map(({ path, digest }) => ({
      prefix: path.slice(0, 4),
      length: 8,
      digests: packDigests([digest.slice(0, 6)]),
    }))
    const peer = createPeer(ben.nodeId, undefined, 0)
    peer.fetch = { wants, upTo: { incarnation: side.store.incarnation, seq: 1 } }
    const message = decodeMessage(
      encodeMessage(side.composer.ask(peer, { push: false, pull: false, descend: true })),
    )
    expect(message).toEqual({ want: wants.slice(0, compareNodesMax) })
  })

  it('answers wants, a pull, locators and a comparison together within one frame', async () => {
    const large = numberedEntry(9999, 0, ben, 'y'.repeat(128 * 1024 - 5))
    const side = await sideWith([...entries, large], ben)
    const held = [...side.replica.trie.leaves(new Uint8Array(0), 0)]
    const wants = held.slice(0, 1000).map(({ path, digest }) => ({
      prefix: path.slice(0, 4),
      length: 8,
      digests: packDigests([digest.slice(0, 6)]),
    }))
    const stranger = trieOf(Array.from({ length: 9000 }, (_, key) => numberedEntry(key, 7, ben)))
    const locators = [...stranger.leaves(new Uint8Array(0), 0)].map(({ path, digest }) => ({
      path: path.slice(0, 4),
      digest: digest.slice(0, 6),
    }))
    const { incarnation } = side.store
    const answer = side.composer.answer({
      want: wants,
      pull: { incarnation, after: 1400, full: true },
      rows: { incarnation: '00000000000000ff' as Incarnation, after: 0, upTo: 9000, entries: [], locators },
      compare: {
        digestBytes: 32,
        summaries: stepOf(stranger, openDescent(side.replica.trie, 32)).summaries,
      },
    })
    const frame = encodeMessage(answer)
    expect(frame.length).toBeLessThanOrEqual(frameBytesMax)
    expect(isMalformed(decodeMessage(frame))).toBe(false)
    expect(answer.entries?.length).toBeGreaterThan(100)
  })
})

describe('an answer that greets with what waits here of the asker', () => {
  it('fits a frame however much else is asked for', async () => {
    const entries = Array.from({ length: 4700 }, (_, key) => numberedEntry(key, 0, ann, 'x'.repeat(60)))
    const side = await sideWith(entries, ben)
    const waiting = Array.from({ length: 300 }, (_, key) => numberedEntry(key, 2 ** 46, ann))
    side.replica.offer(waiting, 'p2p', testWall)
    const stranger = trieOf(Array.from({ length: 9000 }, (_, key) => numberedEntry(key, 7, ben)))
    const { summaries } = stepOf(stranger, openDescent(side.replica.trie, 32))
    const want = [...side.replica.trie.leaves(new Uint8Array(0), 0)].slice(0, 1000).map(leaf => ({
      prefix: leaf.path.slice(0, 4),
      length: 8,
      digests: packDigests([leaf.digest.slice(0, 6)]),
    }))
    const peer = createPeer(ann.nodeId, undefined, 0)
    const greeting = side.composer.greeting(peer, { mono: 1, wall: testWall }, true)
    expect(entriesInFrame(greeting.entries ?? [])).toBeGreaterThan(15_000)
    const sizes = summaries.map((_, at) => {
      const rotated = [...summaries.slice(at), ...summaries.slice(0, at)]
      const request: Message = { want, compare: { digestBytes: 32, summaries: rotated } }
      return encodeMessage(followedBy(greeting, side.composer.answer(request, peer, greeting.entries))).length
    })
    expect(Math.max(...sizes)).toBeLessThanOrEqual(frameBytesMax)
    expect(Math.max(...sizes)).toBeGreaterThan(240_000)
  })
})

describe('wants', () => {
  const entries = Array.from({ length: 500 }, (_, key) => numberedEntry(key))
  const trie = trieOf(entries)
  const leaves = [...trie.leaves(new Uint8Array(0), 0)]

  it('are answered with exactly the leaves they name', () => {
    const picks = fc.subarray(leaves, { maxLength: 20 })
    assertProperty(
      fc.property(
        picks,
        fc.integer({ min: 4, max: 32 }),
        fc.integer({ min: 0, max: 9 }),
        (named, size, length) => {
          const wants = named.map(({ path, digest }) => ({
            prefix: path.slice(0, (length + 1) >> 1),
            length,
            digests: packDigests([digest.slice(0, size), new Uint8Array(size).fill(0xee)]),
          }))
          const found = wantedLeaves(trie, wants, 4096)
          expect(found.map(leaf => toHex(leaf.path))).toEqual(named.map(leaf => toHex(leaf.path)))
        },
      ),
      200,
    )
  })

  it('come from locators that are not held', () => {
    const held = leaves
      .slice(0, 5)
      .map(({ path, digest }) => ({ path: path.slice(0, 4), digest: digest.slice(0, 6) }))
    const other = { path: new Uint8Array(4), digest: new Uint8Array(6) }
    expect(missingOf(trie, held)).toEqual([])
    expect(missingOf(trie, [...held, other])).toEqual([
      { prefix: other.path, length: 8, digests: packDigests([other.digest]) },
    ])
  })
})

describe('a peer that lies', () => {
  const trie = trieOf(Array.from({ length: 2000 }, (_, key) => numberedEntry(key)))
  const prefixes = fc.tuple(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.nat(127))
  const digests = fc.array(fc.uint8Array({ minLength: 6, maxLength: 6 }), { maxLength: 300 })
  const lies: fc.Arbitrary<Summary> = fc.oneof(
    fc.tuple(prefixes, digests).map(([[path, length], leaves]) => ({
      prefix: path.slice(0, (length + 1) >> 1),
      length,
      digests: packDigests(leaves),
    })),
    fc
      .tuple(prefixes, fc.nat(127), fc.array(fc.nat(15), { minLength: 2 }))
      .map(([[path, depth], above, nibbles]) => ({
        prefix: path.slice(0, (depth + 1) >> 1),
        length: Math.min(above, depth),
        depth,
        ...childrenAt(nibbles, path.slice(0, 6)),
      })),
    fc.tuple(prefixes, fc.uniqueArray(fc.nat(15), { minLength: 1 })).map(([[path, depth], nibbles]) => ({
      prefix: path.slice(0, (depth + 1) >> 1),
      length: depth,
      depth,
      ...childrenAt(nibbles, path.slice(0, 4)),
      sums: true as const,
    })),
    fc.constant({ prefix: new Uint8Array(0), length: 0, digests: packDigests([]) }),
  )

  it('gets an answer of bounded size, whatever it says', () => {
    assertProperty(
      fc.property(fc.array(lies, { maxLength: 60 }), summaries => {
        const step = stepOf(trie, { digestBytes: 6, summaries })
        const wanted = step.want.reduce((sum, want) => sum + digestCount(want.digests), 0)
        expect(step.push.length + wanted).toBeLessThanOrEqual(1024)
        expect(stepBytes(step.summaries, step.want)).toBeLessThan(112 * 1024)
      }),
      100,
    )
  })

  it('is sent nothing that it holds, where the digests of two leaves begin alike', () => {
    const seen = new Map<string, VerifiedEntry>()
    for (let number = 0; ; number++) {
      const one = numberedEntry(number, 0, ann)
      const [leaf] = trieOf([one]).leaves(new Uint8Array(0), 0)
      const start = toHex((leaf as Leaf).digest.subarray(0, shortDigestBytes))
      const other = seen.get(start)
      seen.set(start, one)
      if (other === undefined) continue
      const both = trieOf([one, other])
      const step = stepOf(both, openDescent(both, shortDigestBytes))
      return expect([step.push, step.want]).toEqual([[], []])
    }
  })

  it('is never sent what lies under a child it has named, and always what lies beside', () => {
    assertProperty(
      fc.property(fc.uniqueArray(fc.nat(15), { minLength: 2, maxLength: 15 }), nibbles => {
        const children = childrenAt(nibbles, new Uint8Array(6))
        const root: Summary = { prefix: new Uint8Array(0), length: 0, depth: 0, ...children }
        const step = stepOf(trie, { digestBytes: 6, summaries: [root] }, 10_000)
        const beside = [...trie.leaves(new Uint8Array(0), 0)].filter(
          leaf => !nibbles.includes((leaf.path[0] as number) >> 4),
        )
        expect(step.push.map(leaf => toHex(leaf.path)).sort()).toEqual(
          beside.map(leaf => toHex(leaf.path)).sort(),
        )
      }),
      50,
    )
  })
})

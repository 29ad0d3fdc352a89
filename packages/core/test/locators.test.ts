/** Entries that are told by locator: no cursor passes one that is not here. */
import { describe, expect, it } from '@jest/globals'
import { elementSlot, encodeValue, signEntry, type VerifiedEntry } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { alice, bob, carol, sha256 } from './crypto.ts'
import { EnginePair } from './engine-pair.ts'

/** Elements that carol has added to one set: their locators all have the place of the key. */
function elements(from: number, count: number, size: number): VerifiedEntry[] {
  return Array.from({ length: count }, (_, at): VerifiedEntry => {
    const value = encodeValue(`${from + at} ${'x'.repeat(size)}`)
    const version = BigInt(testWall) * 65_536n + BigInt(from + at)
    return signEntry(
      { key: 'set', slot: elementSlot(value, sha256), value, base: 0n, version },
      carol,
      sha256,
    )
  })
}

describe('elements of one set, told by locator', () => {
  it.each([
    ['more than a frame holds', 12, 60_000],
    ['more than a frame may name', 1_500, 8],
  ])('%s: are asked for until all are here', async (_, count, size) => {
    const pair = new EnginePair([
      { signer: alice, aheadMs: 0, dials: false },
      { signer: bob, aheadMs: 0, dials: true },
    ])
    const [giver, taker] = pair.nodes
    const shared = elements(0, 1, size)
    await pair.start()
    await pair.announce(0, carol.nodeId, shared)
    await pair.announce(1, carol.nodeId, shared)
    await pair.pass(5_000)
    const before = taker.asked.length
    await pair.announce(0, carol.nodeId, elements(1, count, size))
    await pair.pass(20_000)
    const asked = taker.asked.slice(before)
    expect(taker.engine.replica.trie.count).toBe(1 + count)
    expect(asked.filter(({ want }) => want !== undefined).length).toBeGreaterThan(0)
    expect([...asked, ...giver.asked].filter(({ compare }) => compare !== undefined)).toEqual([])
  })
})

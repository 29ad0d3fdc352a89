/** Summaries of keys: followed entry by entry, they are what a look at all slots says. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { compareEntries, encodeValue, type Entry, type VerifiedEntry } from '@lattice/core'
import { anyEntry, assertProperty } from '@lattice/core/testing'
import { elementSlot } from '../src/slot.ts'
import { follow, knownDeletes, summaryOf } from '../src/key-summary.ts'
import { alice, bob, sha256 } from './crypto.ts'
import { entryOf } from './replicas.ts'

/**
 * Puts entries in their places one after the other, earlier ones over later ones, too; how often the summary
 * could be followed, and how often not.
 */
function followAll(entries: readonly Entry[]): { followed: number; looked: number } {
  const slots = new Map<string, Entry>()
  const times = { followed: 0, looked: 0 }
  for (const entry of entries) {
    const old = slots.get(entry.slot)
    if (old !== undefined && compareEntries(entry, old) === 0) continue
    const before = summaryOf([...slots.values()])
    slots.set(entry.slot, entry)
    const after = follow(before, old, entry)
    if (after === undefined) times.looked++
    else {
      times.followed++
      expect(after).toEqual(summaryOf([...slots.values()]))
    }
  }
  return times
}

const element = (name: string, tick: number, isThere = true, base = 0n): VerifiedEntry => {
  const bytes = encodeValue(name)
  return entryOf({ tick, slot: elementSlot(bytes, sha256), value: isThere ? bytes : undefined, base })
}
const names = Array.from({ length: 20 }, (_, at) => `element ${at}`)

describe('a followed summary', () => {
  it('is that of all slots, whatever comes in whatever order', () => {
    let followed = 0
    const entries = anyEntry([alice, bob], sha256, fc.constant('k'))
    assertProperty(
      fc.property(fc.array(entries, { maxLength: 30 }), list => {
        followed += followAll(list).followed
      }),
      1_000,
    )
    expect(followed).toBeGreaterThan(1_000)
  })

  it('needs no look while elements come, go and come back, but for the oldest removal', () => {
    const comings = names.map((name, at) => element(name, at))
    const goings = names.slice(0, 10).map((name, at) => element(name, 20 + at, false))
    expect(followAll([...comings, ...goings])).toEqual({ followed: 30, looked: 0 })
    const returns = names.slice(1, 9).map((name, at) => element(name, 40 + at))
    expect(followAll([...comings, ...goings, ...returns])).toEqual({ followed: 38, looked: 0 })
    const oldest = element(names[0] as string, 60)
    expect(followAll([...comings, ...goings, ...returns, oldest]).looked).toBe(1)
  })

  it('needs none where a deleted set is filled again', () => {
    const gone = entryOf({ tick: 30 })
    const before = names.map((name, at) => element(name, at))
    const after = names.map((name, at) => element(name, 40 + at, true, gone.version))
    // Only the delete itself.
    expect(followAll([...before, gone, ...after])).toEqual({ followed: 40, looked: 1 })
  })

  it('tells what a write must remember of deletes', () => {
    const horizon = 7n
    expect(knownDeletes(summaryOf([]), horizon)).toBe(horizon)
    expect(knownDeletes(summaryOf([element('a', 1, true, 3n), element('b', 1, true, 5n)]), horizon)).toBe(3n)
    expect(knownDeletes(summaryOf([element('a', 1, true, 9n)]), horizon)).toBe(horizon)
    const gone = entryOf({ tick: 2 })
    expect(knownDeletes(summaryOf([gone, element('a', 1)]), horizon)).toBe(gone.version)
  })
})

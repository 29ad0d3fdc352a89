/** The readings of vectors/, held against replicas: in any order of arrival, and under any horizon. */
import { readFileSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import {
  admit,
  formatVersion,
  fromHex,
  futureToleranceMs,
  parseEntry,
  signEntry,
  type Entry,
  type VerifiedEntry,
} from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { floorOf } from '../src/reading.ts'
import { horizonContent, horizonKey } from '../src/horizon.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, sha256 } from './crypto.ts'
import { commit, joined, life, openReplica, permutations, rootOf, type TestReplica } from './replicas.ts'

interface Reading {
  readonly type: string
  readonly json: string
  readonly version: string
  readonly author: string
}

interface Case {
  readonly name: string
  readonly key: string
  readonly entries: readonly string[]
  readonly held: readonly number[]
  readonly root: string
  readonly floor: string
  readonly reading: Reading | null
  readonly ends: readonly { entry: number; horizon: string }[]
}

const file = joinPath(import.meta.dirname, '../../../vectors/readings.json')
const cases = JSON.parse(readFileSync(file, 'utf8')) as Case[]
const laterWall = testWall + 2 * futureToleranceMs

const entriesOf = ({ entries }: Case): VerifiedEntry[] =>
  entries.map(hex => admit(parseEntry(fromHex(hex) as Uint8Array, sha256) as Entry))

/** All orders of a few, both directions of many. */
const ordersOf = (entries: readonly VerifiedEntry[]): (readonly VerifiedEntry[])[] =>
  entries.length < 5 ? permutations(entries) : [entries, entries.toReversed()]

const heldBy = ({ store }: TestReplica): Entry[] =>
  store
    .after(0, Number.MAX_SAFE_INTEGER)
    .map(storedEntry)
    .filter(entry => entry.key !== horizonKey)

function readingOf({ replica }: TestReplica, key: string): Reading | null {
  const reading = replica.read(key)
  if (reading === undefined) return null
  const { type, value, version, author } = reading
  return { type, json: JSON.stringify(value), version: formatVersion(version), author }
}

describe.each(cases)('$name', each => {
  const entries = entriesOf(each)
  const digests = (places: readonly number[]): unknown => new Set(places.map(at => entries[at]?.digest))

  it('is read so in every order of arrival', async () => {
    for (const order of ordersOf(entries)) {
      const node = await joined(order)
      expect(readingOf(node, each.key)).toEqual(each.reading)
      expect(rootOf(node)).toBe(each.root)
      expect(new Set(heldBy(node).map(entry => entry.digest))).toEqual(digests(each.held))
      expect(formatVersion(floorOf(heldBy(node)))).toBe(each.floor)
    }
  })

  it('loses to a horizon what ends by it, and reads the same', async () => {
    const horizons = new Set(entries.flatMap(({ version }) => [version - 1n, version]))
    for (const horizon of horizons) {
      const node = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
      const content = horizonContent(horizon, new Map([[alice.nodeId, life(1)]]))
      for (const part of [entries, [signEntry(content, alice, sha256)]]) {
        node.replica.offer(part, 'p2p', laterWall)
        await commit(node)
      }
      const ended = each.ends.filter(end => BigInt(`0x${end.horizon}`) <= horizon).map(end => end.entry)
      const left = each.held.filter(at => !ended.includes(at))
      expect(new Set(heldBy(node).map(entry => entry.digest))).toEqual(digests(left))
      expect(readingOf(node, each.key)).toEqual(each.reading)
    }
  })
})

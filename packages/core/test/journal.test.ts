/** What is read of a journal for one frame, and where rows go on. */
import { describe, expect, it } from '@jest/globals'
import { encodeValue } from '@lattice/core'
import { continues, covers, entriesNamed, readRows, type RowsQuery } from '../src/journal.ts'
import type { Rows } from '../src/message.ts'
import { alice, carol, sha256 } from './crypto.ts'
import { entryOf, joined, life, type TestReplica } from './replicas.ts'

const kib = 1024
const mib = 1024 * kib
const rowCount = 200
const value = encodeValue('x'.repeat(100 * kib))

/** A replica of alice with large entries that carol has written, each by itself or all in one transaction. */
function withLargeRows(tickOf: (at: number) => number): Promise<TestReplica> {
  const entries = Array.from({ length: rowCount }, (_, at) =>
    entryOf({ tick: tickOf(at), key: `k${at}`, value }, carol),
  )
  return joined(entries)
}

/** Frame after frame to the end of the journal, each with the bytes of the rows that it took to make it. */
function frames({ replica }: TestReplica, query: Pick<RowsQuery, 'bytesMax' | 'locateOthers'>) {
  const told: { rows: Rows; bytesRead: number }[] = []
  for (let after = 0; after < replica.committedSeq;) {
    let bytesRead = 0
    const { incarnation } = replica.rows
    const counted = {
      incarnation,
      after: (...asked: Parameters<typeof replica.rows.after>) => {
        const found = replica.rows.after(...asked)
        bytesRead += found.reduce((sum, { bytes }) => sum + bytes.length, 0)
        return found
      },
    }
    const upTo = replica.committedSeq
    const rows = readRows(counted, replica.trie, sha256, alice.nodeId, { ...query, after, upTo })
    told.push({ rows, bytesRead })
    after = rows.upTo
  }
  return told
}

describe('rows of 100 KiB', () => {
  it('are not read by the hundred where a frame holds one', async () => {
    const told = frames(await withLargeRows(at => at), { bytesMax: 85 * kib, locateOthers: false })
    expect(told.map(({ rows }) => rows.entries.length)).toEqual(Array.from({ length: rowCount }, () => 1))
    expect(Math.max(...told.map(({ bytesRead }) => bytesRead))).toBeLessThan(512 * kib)
  })

  it.each([
    ['each by itself', (at: number) => at, 9 * mib],
    ['all in one transaction', () => 0, 17 * mib],
  ])('are looked at in bounded turns where ten bytes tell of each: %s', async (_, tickOf, bytesMax) => {
    const told = frames(await withLargeRows(tickOf), { bytesMax: 200 * kib, locateOthers: true })
    expect(told.reduce((sum, { rows }) => sum + rows.locators.length, 0)).toBe(rowCount)
    expect(Math.max(...told.map(({ bytesRead }) => bytesRead))).toBeLessThan(bytesMax)
  })
})

it('rows go on at or before the cursor, and at the front where the journal is another one', () => {
  const cursor = { incarnation: life(1), seq: 5 }
  const goOn = (number: number, after: number): boolean =>
    continues(cursor, { incarnation: life(number), after })
  expect([goOn(1, 4), goOn(1, 5), goOn(1, 6)]).toEqual([true, true, false])
  expect([goOn(2, 0), goOn(2, 1), continues(undefined, { incarnation: life(1), after: 1 })]).toEqual([
    true,
    false,
    false,
  ])
  const covered = (number: number, seq: number): boolean => covers(cursor, { incarnation: life(number), seq })
  expect([covered(1, 5), covered(1, 6), covered(2, 5)]).toEqual([true, false, false])
})

it('rows beyond the end that is told are left out', async () => {
  const { replica } = await joined([1, 2, 3].map(tick => entryOf({ tick, key: `k${tick}` }, carol)))
  const query = { after: 0, upTo: 2, bytesMax: kib, locateOthers: false }
  const rows = readRows(replica.rows, replica.trie, sha256, alice.nodeId, query)
  expect([rows.entries.length, rows.upTo]).toEqual([2, 2])
})

it('a transaction is not cut where it fits a frame, and its rows are told with it', async () => {
  const ticks = [1, 2, 2, 2]
  const { replica } = await joined(ticks.map((tick, at) => entryOf({ tick, key: `k${at}` }, carol)))
  const size = replica.rows.after(0, 1)[0]?.bytes.length ?? 0
  const query = { upTo: 4, bytesMax: 3 * size, locateOthers: false }
  const tell = (after: number): Rows =>
    readRows(replica.rows, replica.trie, sha256, alice.nodeId, { ...query, after })
  expect([tell(0), tell(1)].map(({ entries, upTo }) => [entries.length, upTo])).toEqual([
    [1, 1],
    [3, 4],
  ])
})

it('entries of different authors at one version are no transaction', async () => {
  const entries = [1, 2, 2].map((tick, at) => entryOf({ tick, key: `k${at}` }, at < 2 ? carol : alice))
  const { replica } = await joined(entries)
  const query = { after: 0, upTo: 3, bytesMax: 250, locateOthers: false }
  expect(readRows(replica.rows, replica.trie, sha256, alice.nodeId, query).entries).toHaveLength(2)
})

it('an entry is recognised by all its bytes', () => {
  const { bytes } = entryOf({ tick: 1, value })
  const named = entriesNamed([bytes])
  expect([
    named.has(bytes.slice()),
    named.has(bytes.map((byte, at) => (at === 40 ? byte ^ 1 : byte))),
  ]).toEqual([true, false])
})

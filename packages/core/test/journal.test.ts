/** What is read of a journal for one frame, however large its rows are. */
import { describe, expect, it } from '@jest/globals'
import { encodeValue } from '@lattice/core'
import { readRows, type RowsQuery } from '../src/journal.ts'
import type { Rows } from '../src/message.ts'
import { alice, carol, sha256 } from './crypto.ts'
import { entryOf, joined, type TestReplica } from './replicas.ts'

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

/** The last room on the disk is for deletes, whoever wrote what would take it (reliability S3). */
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { horizonKey } from '@lattice/core'
import { testBatch } from '@lattice/core/testing'
import { openSqliteStore } from '../src/sqlite-store.ts'
import { StorePlaces } from './fixtures/store-places.ts'
import { trueRow } from './fixtures/true-rows.ts'

let places: StorePlaces

beforeEach(() => {
  places = new StorePlaces()
})
afterEach(() => places.clear())

it('is not taken by what brings values, also where that is prepared or comes with deletes', async () => {
  const store = await openSqliteStore(places.newDirectory(), { reserveBytes: Number.MAX_SAFE_INTEGER })
  const isFull = { code: 'STORE_FULL' }
  const [value, gone] = [trueRow(1, 'value', 'v'), trueRow(1, 'gone', undefined)]
  await expect(store.commit(testBatch([value]))).rejects.toMatchObject(isFull)
  await expect(store.commit(testBatch([gone, trueRow(2, 'b', 'v')]))).rejects.toMatchObject(isFull)
  store.prepare?.([value])
  await expect(store.commit(testBatch([value]))).rejects.toMatchObject(isFull)
  const together = [store.commit(testBatch([value])), store.commit(testBatch([gone], { fact: 'v' }))]
  const [refused, taken] = await Promise.allSettled(together)
  expect([refused?.status, taken?.status]).toEqual(['rejected', 'fulfilled'])
  await store.commit(testBatch([], { other: 'v' }))
  expect(store.after(0, 9).map(({ key }) => key)).toEqual(['gone'])
  expect(store.facts('', 9).map(([name]) => name)).toEqual(['fact', 'other'])
  await store.close()
})

it('is open to a compaction horizon, which ends deletes', async () => {
  const store = await openSqliteStore(places.newDirectory(), { reserveBytes: Number.MAX_SAFE_INTEGER })
  await store.commit(testBatch([trueRow(1, 'gone', undefined), trueRow(2, 'gone too', undefined)]))
  await store.commit(testBatch([trueRow(3, horizonKey, 'holders')], {}, [1]))
  expect(store.after(0, 9).map(({ seq }) => seq)).toEqual([2, 3])
  await store.close()
})

it('is told from room: there is some here', async () => {
  const store = await openSqliteStore(places.newDirectory())
  for (let seq = 1; seq <= 40; seq++) await store.commit(testBatch([trueRow(seq, `key ${seq}`, 'v')]))
  expect(store.after(0, 99)).toHaveLength(40)
  await store.close()
})

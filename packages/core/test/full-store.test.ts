/** What is taken from clients while there is no room on the disk, and when that is over. */
import { beforeEach, expect, it } from '@jest/globals'
import { LatticeError, type Operation } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import type { Intake } from '../src/intake.ts'
import { StoreCare } from '../src/store-care.ts'
import { openEngine } from './engines.ts'
import { openReplica } from './replicas.ts'

const at = { mono: 1, wall: testWall }
const put: Operation = { op: 'put', key: 'k', value: 1 }
const deletion: Operation = { op: 'delete', key: 'l' }
const mib = 1024 * 1024

let care: StoreCare
beforeEach(() => {
  care = new StoreCare({ replica: openReplica().replica, intake: { own: {} } as Intake })
})

/** The transactions that are refused, of a write, a delete, and one with both. */
function refused(): string[] {
  const tried = { write: [put], delete: [deletion], both: [deletion, put] }
  return Object.entries(tried).flatMap(([name, operations]) =>
    care.refusal(operations, at)?.code === 'STORE_FULL' ? [name] : [],
  )
}

it('only what deletes and does nothing else', () => {
  expect(refused()).toEqual([])
  care.refused({ type: 'commit-failed', error: new LatticeError('STORE_UNAVAILABLE') }, at)
  expect(refused()).toEqual([])
  care.refused({ type: 'commit-failed', error: new LatticeError('STORE_FULL') }, at)
  expect(refused()).toEqual(['write', 'both'])
})

it('until a tenth is free', () => {
  const free = (freeBytes: number): string[] => {
    care.measured({ type: 'disk', freeBytes, totalBytes: 100 * mib }, at)
    return refused()
  }
  expect([free(mib), free(mib - 1), free(10 * mib - 1), free(10 * mib)]).toEqual([
    [],
    ['write', 'both'],
    ['write', 'both'],
    [],
  ])
})

it('deletes are written although what was under way before them finds no room; not without end', () => {
  const engine = openEngine()
  const failed = { type: 'commit-failed', error: new LatticeError('STORE_FULL') } as const
  const now = (mono: number): typeof at => ({ mono, wall: testWall + mono })
  engine.step({ type: 'write', id: 1, operations: [put], conditions: {} }, now(1))
  engine.step({ type: 'write', id: 2, operations: [deletion], conditions: {} }, now(2))
  engine.step({ type: 'write', id: 3, operations: [deletion, put], conditions: {} }, now(3))
  const idsOf = (type: string, effects: ReturnType<typeof engine.step>): unknown =>
    effects.flatMap(each => (each.type === type && 'id' in each ? each.id : []))
  const first = engine.step(failed, now(4))
  expect(idsOf('write-refused', first)).toEqual([1, 3])
  const persists = first.flatMap(each => (each.type === 'persist' ? [each.batch] : []))
  expect(persists.map(({ rows }) => rows.map(({ key }) => key))).toEqual([['l']])
  const second = engine.step(failed, now(5))
  expect(idsOf('write-refused', second)).toEqual([2])
})

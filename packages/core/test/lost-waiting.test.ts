/** Cursors that have passed what only waited in memory are forgotten after a restart, on the disk as well. */
import { expect, it } from '@jest/globals'
import { LatticeError, type Effect, type Event } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { cursorFact, encodeCursor } from '../src/journal.ts'
import { bob } from './crypto.ts'
import { openEngine } from './engines.ts'
import { life } from './replicas.ts'

it.each([
  ['at once', false],
  ['with the next commit, where the disk refuses the first', true],
])('%s', async (_, isRefused) => {
  const store = createMemoryStore()
  const cursor = encodeCursor({ incarnation: life(2), seq: 9 })
  const facts = new Map([
    ['waiting', new Uint8Array(8)],
    [cursorFact(bob.nodeId), cursor],
  ])
  await store.commit({ rows: [], facts })
  const engine = openEngine(store)
  let now = 0
  let refusals = Number(isRefused)
  const asked: Effect[] = []
  const step = async (event: Event): Promise<void> => {
    for (const effect of engine.step(event, { mono: ++now, wall: testWall + now })) {
      if (effect.type === 'ask') asked.push(effect)
      if (effect.type !== 'persist') continue
      if (refusals-- > 0) await step({ type: 'commit-failed', error: new LatticeError('STORE_UNAVAILABLE') })
      else {
        await store.commit(effect.batch)
        await step({ type: 'committed' })
      }
    }
  }
  await step({ type: 'peer-up', path: 'http', peer: bob.nodeId })
  const operations = [{ op: 'put', key: 'k', value: 1 }] as const
  await step({ type: 'write', id: 1, operations, conditions: {} })
  expect(store.fact(cursorFact(bob.nodeId))).toBeUndefined()
  expect(store.fact('waiting') !== undefined).toBe(isRefused)
  const acks = asked.map(effect => (effect.type === 'ask' ? effect.message.standing?.ack : 0))
  expect(acks.length).toBeGreaterThan(0)
  expect(acks.filter(ack => ack !== undefined)).toEqual([])
})

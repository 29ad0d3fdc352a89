/** A node whose disk is never idle still finds out in what it differs from a peer. */
import { expect, it } from '@jest/globals'
import type { Batch, Event, Incarnation } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { antiEntropyMs } from '../src/params.ts'
import { bob } from './crypto.ts'
import { openEngine, type Ask } from './engines.ts'

const incarnation = '00000000000000bb' as Incarnation

it('descends once roots are overdue, although the next commit always waits for the last', async () => {
  const store = createMemoryStore()
  const engine = openEngine(store)
  const asked: Ask[] = []
  let now = 0
  let underWay: Batch | undefined
  const step = (event: Event): void => {
    for (const effect of engine.step(event, { mono: now, wall: testWall + now })) {
      if (effect.type === 'ask' && effect.peer === bob.nodeId) asked.push(effect)
      if (effect.type === 'persist') underWay = effect.batch
    }
  }
  const write = (id: number): void => {
    const operations = [{ op: 'put', key: `k${id % 200}`, value: id }] as const
    step({ type: 'write', id, operations, conditions: {} })
  }
  step({ type: 'peer-up', path: 'http', peer: bob.nodeId })
  write(0)
  let descents = 0
  for (let id = 1; now < 1.1 * antiEntropyMs && descents === 0; id++) {
    now += 5_000
    write(id)
    expect(underWay).toBeDefined()
    if (underWay !== undefined) await store.commit(underWay)
    step({ type: 'committed' })
    const beat = { incarnation, seq: id, count: 200, root: new Uint8Array(32), wall: testWall, heardMs: {} }
    for (const { id: question, message } of asked.splice(0)) {
      if (message.compare !== undefined) descents++
      const answer = { version: 1, beat, acks: [] } as const
      step({ type: 'answer', id: question, message: answer, entries: [] })
    }
  }
  expect(descents).toBe(1)
})

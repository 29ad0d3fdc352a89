/** Cursors that are worth nothing are forgotten: of what only waited in memory, and of a journal put back. */
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
])('those that have passed what waited before a restart, on the disk as well: %s', async (_, isRefused) => {
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

it('those that lie beyond the end of a journal that is shorter than it was', async () => {
  const store = createMemoryStore()
  const position = { incarnation: life(2), seq: 9 }
  await store.commit({ rows: [], facts: new Map([[cursorFact(bob.nodeId), encodeCursor(position)]]) })
  const engine = openEngine(store)
  const asked: (Effect & { type: 'ask' })[] = []
  let now = 0
  const step = (event: Event): void => {
    now = Math.max(now + 1, event.type === 'tick' ? engine.wakeAt : 0)
    for (const effect of engine.step(event, { mono: now, wall: testWall + now }))
      if (effect.type === 'ask') asked.push(effect)
  }
  step({ type: 'peer-up', path: 'http', peer: bob.nodeId })
  const acks = [9, 5].map(seq => {
    for (let turns = 0; turns < 50 && asked.length === 0; turns++) step({ type: 'tick' })
    const ask = asked.shift()
    const beat = { ...position, seq, root: new Uint8Array(32), count: 9, wall: testWall, heardMs: {} }
    step({ type: 'answer', id: ask?.id ?? 0, message: { version: 1, beat }, entries: [] })
    return ask?.message.standing?.ack ?? ask?.message.ack?.seq
  })
  for (let turns = 0; turns < 50 && asked.length === 0; turns++) step({ type: 'tick' })
  const [next] = asked
  expect([...acks, next?.message.ack, next?.message.standing?.ack]).toEqual([9, 9, undefined, undefined])
})

it('those that lie beyond it go back to its end, where its node asks and holds the same', async () => {
  const store = createMemoryStore()
  const position = { incarnation: life(2), seq: 9 }
  await store.commit({ rows: [], facts: new Map([[cursorFact(bob.nodeId), encodeCursor(position)]]) })
  const engine = openEngine(store)
  const root = engine.replica.trie.root()
  const beat = { ...position, seq: 5, root, count: 0, wall: testWall, heardMs: {} }
  const from = { type: 'request', id: 1, path: 'http', peer: bob.nodeId, entries: [] } as const
  const effects = engine.step({ ...from, message: { beat } }, { mono: 1, wall: testWall })
  const acks = effects.flatMap(effect => (effect.type === 'reply' ? effect.message.ack?.seq : []))
  expect(acks).toEqual([5])
})

/** What a commit says of peers whose answers have waited for it. */
import { expect, it } from '@jest/globals'
import type { Effect, Event, Incarnation, Message } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { bob } from './crypto.ts'
import { openEngine } from './engines.ts'

const incarnation = '00000000000000bb' as Incarnation

it('a peer that had our root before a commit is told of it, though its answer waited for the commit', async () => {
  const store = createMemoryStore()
  const engine = openEngine(store)
  const root = engine.replica.trie.root()
  const hello: Message = {
    info: { name: 'bob', role: 'node', software: 'test' },
    beat: { incarnation, seq: 0, count: 0, root, wall: testWall, heardMs: {} },
    ack: { incarnation: store.incarnation, seq: 0 },
  }
  let now = 0
  const step = (event: Event): Effect[] => engine.step(event, { mono: ++now, wall: testWall + now })
  const from = { path: 'http', peer: bob.nodeId } as const
  const [ask] = step({ type: 'peer-up', ...from }).filter(effect => effect.type === 'ask')
  step({ type: 'request', id: 1, ...from, message: { ...hello, waitMs: 25_000 }, entries: [] })
  const put = { op: 'put', key: 'k', value: 1 } as const
  const written = step({ type: 'write', id: 1, operations: [put], conditions: {} })
  step({ type: 'answer', id: ask?.id ?? 0, message: hello, entries: [] })
  for (const effect of written) if (effect.type === 'persist') await store.commit(effect.batch)
  const told = step({ type: 'committed' }).map(({ type }) => type)
  expect(told).toContain('reply')
  expect(told).toContain('ask')
})

/** What a node has written, and has ended, comes back from one that kept it: no old copy, and no double. */
import { expect, it } from '@jest/globals'
import { encodeValue, futureToleranceMs, versionAt, type Message, type NodeStatus } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { alice, bob } from './crypto.ts'
import { openEngine } from './engines.ts'
import { commit, entryOf, life, openReplica } from './replicas.ts'

const horizon = versionAt(testWall + 60_000)
const laterWall = testWall + 60_000 + 2 * futureToleranceMs

/** What alice says once bob, who has settled the same horizon, has sent her this of her own. */
async function told(tick: number): Promise<{ status: NodeStatus; distrusts: boolean; value: unknown }> {
  const store = createMemoryStore({ incarnation: life(1) })
  const node = openReplica(alice, store)
  node.replica.propose(horizon, new Map([alice, bob].map(({ nodeId }, at) => [nodeId, life(at + 1)])))
  await commit(node)
  const engine = openEngine(store)
  const own = entryOf({ key: 'k', tick: tick * 65_536, value: encodeValue(1) })
  const beat = {
    incarnation: life(2),
    seq: 1,
    count: 1,
    root: new Uint8Array(32),
    wall: laterWall,
    heardMs: {},
  }
  const message: Message = { beat, horizon: { settled: horizon, floor: horizon }, entries: [own.bytes] }
  const at = { mono: 1, wall: laterWall }
  const event = { type: 'request', id: 1, path: 'http', peer: bob.nodeId, message, entries: [own] } as const
  const effects = engine.step(event, at)
  for (const effect of effects) if (effect.type === 'persist') await store.commit(effect.batch)
  engine.step({ type: 'committed' }, at)
  const distrusts = effects.some(({ type }) => type === 'distrust-store')
  return { status: engine.status(at), distrusts, value: engine.replica.read('k')?.value }
}

it.each([
  ['before its start', -1_000],
  ['after its start', 10_000],
])('from %s', async (_, tick) => {
  const { status, distrusts, value } = await told(tick)
  expect([distrusts, status.clonedWall, value]).toEqual([false, undefined, 1])
})

it('but what is above the horizon shows one', async () => {
  expect((await told(60_001)).status.clonedWall).toBe(laterWall)
})

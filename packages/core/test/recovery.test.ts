/** When a node that has lost something, or was away while deletes ended, knows that nothing is left of it. */
import { expect, it } from '@jest/globals'
import { futureToleranceMs, versionAt, type Engine, type Incarnation, type Message } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { storedEntry } from '../src/winners.ts'
import { alice, bob } from './crypto.ts'
import { openEngine } from './engines.ts'
import { commit, everybody, life, openReplica } from './replicas.ts'

const horizon = versionAt(testWall)
const laterWall = testWall + 2 * futureToleranceMs

/** Its store has taken a horizon in that does not name it among the holders. */
async function openAway(members = everybody): Promise<Engine> {
  const [settled, away] = [openReplica(bob), openReplica(alice)]
  settled.replica.propose(horizon, new Map([[bob.nodeId, life(1)]]))
  await commit(settled)
  away.replica.offer(settled.store.after(0, 9).map(storedEntry), 'http', laterWall)
  await commit(away)
  const engine = openEngine(createMemoryStore({ image: away.store.image }), members)
  expect([engine.replica.horizon, engine.replica.isRecovering]).toEqual([horizon, true])
  return engine
}

it.each([
  ['one that has lost nothing ends it', horizon, false],
  ['one that has lost something does not: the same may be missing on both', 0n, true],
])('equal roots with a settled peer: %s', async (_, floor, isRecovering) => {
  const engine = await openAway()
  const root = engine.replica.trie.root()
  const message: Message = {
    beat: {
      incarnation: '00000000000000bb' as Incarnation,
      seq: 1,
      count: 1,
      root,
      wall: laterWall,
      heardMs: {},
    },
    horizon: { settled: horizon, floor },
  }
  engine.step(
    { type: 'request', id: 1, path: 'http', peer: bob.nodeId, message, entries: [] },
    { mono: 1, wall: laterWall },
  )
  expect(engine.replica.isRecovering).toBe(isRecovering)
})

it('a node without others is not said to learn from them', async () => {
  const at = { mono: 1, wall: laterWall }
  const warned = async (members?: typeof everybody): Promise<boolean> => {
    const { warnings } = (await openAway(members)).status(at)
    return warnings.some(({ code }) => code === 'recovering')
  }
  expect([await warned(), await warned(new Set([alice.nodeId]))]).toEqual([true, false])
})

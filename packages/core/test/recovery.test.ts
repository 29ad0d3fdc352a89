/** When a node that has lost something, or was away while deletes ended, knows that nothing is left of it. */
import { beforeEach, describe, expect, it } from '@jest/globals'
import {
  encodeValue,
  futureToleranceMs,
  LatticeError,
  versionAt,
  type Beat,
  type Effect,
  type Engine,
  type Event,
  type Incarnation,
  type Message,
  type NodeId,
  type VerifiedEntry,
} from '@lattice/core'
import { createMemoryStore, testWall, type MemoryStore } from '@lattice/core/testing'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, carol } from './crypto.ts'
import { openEngine } from './engines.ts'
import { commit, entryOf, everybody, life, openReplica, write } from './replicas.ts'

const usualHorizon = versionAt(testWall)
const laterWall = testWall + 2 * futureToleranceMs

/** A store that has taken a horizon in which does not name its node among the holders. */
async function awayStore(horizon: bigint): Promise<MemoryStore> {
  const [settled, away] = [openReplica(bob), openReplica(alice)]
  settled.replica.propose(horizon, new Map([[bob.nodeId, life(1)]]))
  await commit(settled)
  away.replica.offer(settled.store.after(0, 9).map(storedEntry), 'http', laterWall)
  await commit(away)
  return away.store
}

async function openAway(members = everybody, horizon = usualHorizon): Promise<Engine> {
  const { image } = await awayStore(horizon)
  const engine = openEngine(createMemoryStore({ image }), members)
  expect([engine.replica.horizon, engine.replica.isRecovering]).toEqual([horizon, true])
  return engine
}

it('what is still being read off a damaged database holds every horizon back: it may know of no delete', async () => {
  const written = openReplica()
  const version = await write(written, [{ op: 'increment', key: 'n', by: 1 }])
  let isSalvaging = true
  const alone = new Set([alice.nodeId])
  const { replica } = openEngine(written.store, alone, {}, { isSalvaging: () => isSalvaging })
  expect(replica.floor).toBe(1n)
  isSalvaging = false
  expect(replica.floor).toBeGreaterThanOrEqual(version)
})

it.each([
  ['one that has lost nothing ends it', usualHorizon, false],
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
    horizon: { settled: usualHorizon, floor },
  }
  engine.step(
    { type: 'request', id: 1, path: 'http', peer: bob.nodeId, message, entries: [] },
    { mono: 1, wall: laterWall },
  )
  expect(engine.replica.isRecovering).toBe(isRecovering)
})

describe('what a peer vouches for is what it then holds', () => {
  const report = { settled: usualHorizon, floor: usualHorizon }
  let engine: Engine
  let beat: Beat

  beforeEach(async () => {
    engine = await openAway()
    const root = engine.replica.trie.root()
    beat = { incarnation: life(11), seq: 1, count: 1, root, wall: laterWall, heardMs: {} }
  })

  /** Whether the node still recovers once it has been told this. */
  function hears(mono: number, message: Message): boolean {
    const from = { peer: bob.nodeId, path: 'http', message, entries: [] } as const
    engine.step({ type: 'request', id: mono, ...from }, { mono, wall: laterWall })
    return engine.replica.isRecovering
  }

  it('and not what it held while it recovered itself', () => {
    expect(hears(1, { beat, horizon: { settled: 0n, floor: 0n } })).toBe(true)
    // It has dropped what has ended since, and leads a descent.
    expect(hears(2, { horizon: report })).toBe(true)
    expect(hears(3, { beat, horizon: report })).toBe(false)
  })

  it('and not what it holds by now, as it announces', () => {
    expect(hears(1, { beat: { ...beat, root: new Uint8Array(32) }, horizon: report })).toBe(true)
    engine.step(
      { type: 'announced', peer: bob.nodeId, message: { beat: { ...beat, seq: 2 }, acks: [] }, entries: [] },
      { mono: 2, wall: laterWall },
    )
    expect(engine.replica.isRecovering).toBe(true)
    expect(hears(3, { beat: { ...beat, seq: 2 }, horizon: report })).toBe(false)
  })
})

it('equal roots end nothing while what may have ended is on its way to the disk', async () => {
  const { image } = await awayStore(usualHorizon)
  const store = createMemoryStore({ image })
  const engine = openEngine(store)
  const root = engine.replica.trie.root()
  let mono = 0
  const hears = (peer: NodeId, message: Message, entries: readonly VerifiedEntry[] = []): Effect[] => {
    const event = { type: 'request', id: ++mono, path: 'http', peer, message, entries } as const
    return engine.step(event, { mono, wall: laterWall })
  }
  const dead = entryOf({ key: 'dead', tick: 0, value: encodeValue(1) }, carol)
  const effects = hears(carol.nodeId, { entries: [dead.bytes] }, [dead])
  const beat = { incarnation: life(11), seq: 1, count: 1, root, wall: laterWall, heardMs: {} }
  hears(bob.nodeId, { beat, horizon: { settled: usualHorizon, floor: usualHorizon } })
  for (const effect of effects) if (effect.type === 'persist') await store.commit(effect.batch)
  engine.step({ type: 'committed' }, { mono: ++mono, wall: laterWall })
  expect(engine.replica.read('dead')?.value).toBe(1)
  expect([engine.replica.isRecovering, engine.replica.settledHorizon]).toEqual([true, 0n])
})

it('a write before anybody was heard of does not end it', async () => {
  const engine = await openAway()
  const put = { op: 'put', key: 'k', value: 1 } as const
  engine.step({ type: 'write', id: 1, operations: [put], conditions: {} }, { mono: 1, wall: laterWall })
  expect(engine.replica.isRecovering).toBe(true)
})

it('a disk that refuses to keep its end is not asked again at once, and again', async () => {
  const engine = await openAway(new Set([alice, bob].map(({ nodeId }) => nodeId)))
  const root = engine.replica.trie.root()
  const beat = { incarnation: life(11), seq: 1, count: 1, root, wall: laterWall, heardMs: {} }
  let mono = 0
  const step = (event: Event): number => {
    const effects = engine.step(event, { mono: ++mono, wall: laterWall })
    return effects.filter(({ type }) => type === 'persist').length
  }
  const refused = { type: 'commit-failed', error: new LatticeError('STORE_FULL') } as const
  const from = { path: 'http', peer: bob.nodeId } as const
  let tries = step({ type: 'request', id: 1, ...from, message: { beat }, entries: [] })
  for (let tried = tries; tried > 0 && tries < 20; tries += tried) tried = step(refused)
  expect(tries).toBe(1)
  expect(engine.replica.isRecovering).toBe(true)
  mono = 20_000
  step({ type: 'tick' })
  expect(engine.replica.isRecovering).toBe(false)
})

it('a node without others is not said to learn from them', async () => {
  const at = { mono: 1, wall: laterWall }
  const warned = async (members?: typeof everybody): Promise<boolean> => {
    const { warnings } = (await openAway(members)).status(at)
    return warnings.some(({ code }) => code === 'recovering')
  }
  expect([await warned(), await warned(new Set([alice.nodeId]))]).toEqual([true, false])
})

it.each([
  ['above the horizon, was written by a double', usualHorizon, testWall + 10_000],
  ['below it, may be what has ended here and comes back', versionAt(testWall + 10_000), undefined],
])('an entry of its own from after its start: %s', async (_, horizon, clonedWall) => {
  const engine = await openAway(everybody, horizon)
  const own = entryOf({ tick: 6_000 * 65_536, value: encodeValue(1) })
  const message: Message = { entries: [own.bytes] }
  const at = { mono: 10_000, wall: testWall + 10_000 }
  engine.step({ type: 'request', id: 1, path: 'http', peer: bob.nodeId, message, entries: [own] }, at)
  expect(engine.status(at).clonedWall).toBe(clonedWall)
})

it('where nobody is left to agree, nobody has agreed', async () => {
  const engine = await openAway(new Set([alice.nodeId]))
  engine.step({ type: 'tick' }, { mono: 1, wall: laterWall })
  expect(engine.replica.isRecovering).toBe(true)
})

it('a horizon that is repeated does not begin a recovery that is over', async () => {
  const store = createMemoryStore({ image: (await awayStore(usualHorizon)).image })
  const away = openReplica(alice, store)
  away.replica.recovered(usualHorizon)
  await commit(away)
  away.replica.repeatHorizon()
  await commit(away)
  expect([away.replica.isRecovering, openReplica(alice, store).replica.isRecovering]).toEqual([false, false])
})

it('who has begun anew since a horizon named it was not there for it', async () => {
  const anew = openReplica(alice, createMemoryStore({ incarnation: life(2) }))
  anew.replica.propose(usualHorizon, new Map([[alice.nodeId, life(1)]]))
  expect(anew.replica.isRecovering).toBe(true)
  const there = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
  there.replica.propose(usualHorizon, new Map([[alice.nodeId, life(1)]]))
  expect(there.replica.isRecovering).toBe(false)
})

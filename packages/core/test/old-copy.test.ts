/** A disk was put back to an old copy whose node has written nothing since: no words of its own show it. */
import { expect, it } from '@jest/globals'
import {
  LatticeError,
  versionAt,
  vouchedHorizon,
  type Effect,
  type Engine,
  type Event,
  type Message,
  type Signer,
  type VerifiedEntry,
  type Version,
} from '@lattice/core'
import { createMemoryStore, testWall, type MemoryStore } from '@lattice/core/testing'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, carol } from './crypto.ts'
import { openEngine } from './engines.ts'
import { commit, life, openReplica, write, type TestReplica } from './replicas.ts'

const horizon = versionAt(testWall)
const wall = testWall + 3_600_000

/** What bob holds: a delete has ended there, by a horizon that alice was there for. */
async function settled(): Promise<TestReplica> {
  const node = openReplica(bob, createMemoryStore({ incarnation: life(2) }))
  node.replica.propose(horizon, new Map([alice, bob].map(({ nodeId }, at) => [nodeId, life(at + 1)])))
  await commit(node)
  return node
}

/** What alice holds of before the delete. */
async function oldCopy(): Promise<MemoryStore> {
  const [copy, writer] = [openReplica(alice, createMemoryStore({ incarnation: life(1) })), openReplica(bob)]
  await write(writer, [{ op: 'put', key: 'dead', value: 1 }], testWall - 1_000)
  copy.replica.offer(writer.store.after(0, 9).map(storedEntry), 'http', testWall)
  await commit(copy)
  return copy.store
}

interface Asked {
  readonly engine: Engine
  readonly store: MemoryStore
  readonly effects: Effect[]
  /** The same question, or with another word on what is acknowledged. */
  readonly again: (ack?: object) => Promise<void>
}

const refused: Event = { type: 'commit-failed', error: new LatticeError('STORE_FULL') }

interface Circumstances {
  readonly isFull?: boolean
  /** Before his horizon is set these say that they hold what she holds, and how much they have applied. */
  readonly agreed?: readonly Agreement[]
}

interface Agreement {
  readonly peer: Signer
  readonly floor?: Version
  readonly acked?: number
}

/** Alice is asked by bob, who has acknowledged so much of hers; his horizon comes along. */
async function asked(acked: number, { isFull = false, agreed = [] }: Circumstances = {}): Promise<Asked> {
  const [node, store] = [await settled(), await oldCopy()]
  const engine = openEngine(store)
  const rows = node.store.after(0, 9).map(storedEntry)
  const beat = { incarnation: life(2), seq: 1, count: 1, root: node.replica.trie.root(), wall, heardMs: {} }
  const message: Message = {
    beat,
    ack: { incarnation: life(1), seq: acked },
    horizon: { settled: horizon, floor: versionAt(wall) },
    entries: rows.map(({ bytes }) => bytes),
  }
  const effects: Effect[] = []
  let [now, hasRoom] = [0, !isFull]
  const step = async (event: Event): Promise<void> => {
    for (const effect of engine.step(event, { mono: ++now, wall })) {
      effects.push(effect)
      if (effect.type !== 'persist') continue
      if (hasRoom) await store.commit(effect.batch)
      await step(hasRoom ? { type: 'committed' } : refused)
    }
  }
  const ask = { type: 'request', id: 1, path: 'http', peer: bob.nodeId, message, entries: rows } as const
  for (const { peer, floor = versionAt(wall), acked: seq = 1 } of agreed) {
    const same = { beat: { ...beat, root: engine.replica.trie.root() }, ack: { incarnation: life(1), seq } }
    const agreement = { ...message, ...same, entries: [], horizon: { settled: 0n, floor } }
    await step({ ...ask, peer: peer.nodeId, message: agreement, entries: [] })
  }
  await step(ask)
  hasRoom = true
  const { ack: said, ...rest } = message
  const again = (ack: object = { ack: said }): Promise<void> => step({ ...ask, message: { ...rest, ...ack } })
  return { engine, store, effects, again }
}

it('learns that it is one from what was acknowledged, and vouches for nothing yet', async () => {
  const { engine, effects } = await asked(9)
  const { horizon: applied, isRecovering, settledHorizon, floor, rows } = engine.replica
  expect([applied, isRecovering, settledHorizon, floor]).toEqual([horizon, true, 0n, 0n])
  // Nothing rises from the dead.
  const [dead] = rows.slots('dead').map(storedEntry) as [VerifiedEntry]
  const { replica } = await settled()
  expect(replica.isNews(dead, vouchedHorizon({ settled: settledHorizon, floor }))).toBe(false)
  expect(effects.some(({ type }) => type === 'log')).toBe(true)
})

it('does so once: whoever says it again holds up nothing', async () => {
  const { engine, again } = await asked(9)
  engine.replica.recovered()
  await again()
  expect(engine.replica.isRecovering).toBe(false)
})

it('knows so also where the disk refuses to keep it, and nobody says it again', async () => {
  const { engine, again } = await asked(9, { isFull: true })
  expect([engine.replica.horizon, engine.replica.isRecovering]).toEqual([0n, true])
  // Bob has seen meanwhile that his cursor is beyond the end, and has forgotten it.
  await again({})
  expect([engine.replica.horizon, engine.replica.isRecovering]).toEqual([horizon, true])
  expect(engine.replica.settledHorizon).toBe(0n)
})

it('still knows it after a restart, once the disk has taken anything', async () => {
  const { store, again } = await asked(9, { isFull: true })
  await again({})
  expect(openReplica(alice, store).replica.isRecovering).toBe(true)
})

it('knows so as well where no more was acknowledged than it holds: it has written as much since, alone', async () => {
  const { engine } = await asked(1)
  expect([engine.replica.isRecovering, engine.replica.settledHorizon]).toEqual([true, 0n])
})

it('holds every horizon back until all have held the same since its start', async () => {
  expect(openEngine(await oldCopy()).replica.floor).toBe(1n)
  const { engine } = await asked(1, { agreed: [{ peer: carol }, { peer: bob }] })
  expect(engine.replica.floor).toBeGreaterThanOrEqual(horizon)
})

it('is none once all have held the same since its start', async () => {
  const { engine } = await asked(1, { agreed: [{ peer: carol }, { peer: bob }] })
  expect([engine.replica.isRecovering, engine.replica.settledHorizon]).toEqual([false, horizon])
})

it.each<[string, readonly Agreement[]]>([
  ['only some have', [{ peer: bob }]],
  ['one of them has lost something itself', [{ peer: carol }, { peer: bob, floor: 0n }]],
  ['one of them does not know that it was put back', [{ peer: carol, acked: 9 }, { peer: bob }]],
])('may still be one where %s', async (_, agreed) => {
  const { engine } = await asked(1, { agreed })
  expect([engine.replica.isRecovering, engine.replica.settledHorizon]).toEqual([true, 0n])
})

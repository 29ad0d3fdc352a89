/** What had to outlast a horizon, because something of its key was damaged, ends once that is back. */
import { expect, it } from '@jest/globals'
import { defaultParams, versionAt, type Operation } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { Compaction } from '../src/compaction.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, bob } from './crypto.ts'
import { commit, life, openReplica, rootOf, write, type TestReplica } from './replicas.ts'

const operation = (op: 'add' | 'remove', element: string): Operation => ({ op, key: 'set', element })

/** Two nodes with the same set, from which an element was removed; the other one is damaged on one node. */
async function openPair(): Promise<{ sound: TestReplica; damaged: TestReplica; heal: () => Promise<void> }> {
  const [sound, damaged] = [alice, bob].map((signer, at) =>
    openReplica(signer, createMemoryStore({ incarnation: life(at + 1) })),
  ) as [TestReplica, TestReplica]
  for (const [op, element] of [
    ['add', 'gone'],
    ['remove', 'gone'],
    ['add', 'kept'],
  ] as const)
    await write(sound, [operation(op, element)])
  const entries = sound.store.after(0, 9).map(storedEntry)
  damaged.replica.offer(entries, 'p2p', testWall)
  await commit(damaged)
  const [kept] = damaged.store.after(1, 1)
  Object.assign(kept ?? {}, { bytes: kept?.bytes.map((byte, at) => (at === 90 ? byte ^ 1 : byte)) })
  expect([damaged.replica.read('set'), damaged.replica.quarantine.take().length]).toEqual([undefined, 1])
  const heal = async (): Promise<void> => {
    damaged.replica.offer(entries.slice(1), 'p2p', testWall)
    await commit(damaged)
  }
  return { sound, damaged, heal }
}

it('and the roots are the same again', async () => {
  const { sound, damaged, heal } = await openPair()
  const holders = new Map([alice, bob].map(({ nodeId }, at) => [nodeId, life(at + 1)] as const))
  sound.replica.propose(versionAt(testWall + 5_000), holders)
  await commit(sound)
  damaged.replica.offer(sound.store.after(3, 9).map(storedEntry), 'p2p', testWall + 3_600_000)
  await commit(damaged)
  const compaction = new Compaction({ params: defaultParams, self: bob.nodeId, ...damaged }, 0)
  const step = (): void => compaction.step(new Map(), undefined, { mono: 1, wall: testWall })
  step()
  expect([damaged.replica.horizon > 0n, damaged.replica.hasForming]).toEqual([true, false])
  await heal()
  expect(rootOf(damaged)).not.toBe(rootOf(sound))
  step()
  await commit(damaged)
  expect([rootOf(damaged), damaged.replica.isRecovering]).toEqual([rootOf(sound), false])
  step()
  expect(damaged.replica.hasForming).toBe(false)
})

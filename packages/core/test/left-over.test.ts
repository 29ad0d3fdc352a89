/** What a horizon has left over ends where it keeps roots apart. */
import { expect, it } from '@jest/globals'
import { defaultParams, versionAt, type Operation } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { Compaction } from '../src/compaction.ts'
import { createPeer } from '../src/peers.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, bob } from './crypto.ts'
import { commit, life, openReplica, rootOf, write, type TestReplica } from './replicas.ts'

const laterWall = testWall + 3_600_000

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

it('once the key is whole again of which something was damaged when the horizon came', async () => {
  const { sound, damaged, heal } = await openPair()
  const holders = new Map([alice, bob].map(({ nodeId }, at) => [nodeId, life(at + 1)] as const))
  sound.replica.propose(versionAt(testWall + 5_000), holders)
  await commit(sound)
  damaged.replica.offer(sound.store.after(3, 9).map(storedEntry), 'p2p', laterWall)
  await commit(damaged)
  const compaction = new Compaction({ params: defaultParams, self: bob.nodeId, ...damaged }, 0)
  const peer = createPeer(alice.nodeId, undefined, 0)
  const step = (): void =>
    compaction.step(new Map([[alice.nodeId, peer]]), undefined, { mono: 1, wall: testWall })
  step()
  expect([damaged.replica.horizon > 0n, damaged.replica.hasForming]).toEqual([true, false])
  await heal()
  expect(rootOf(damaged)).not.toBe(rootOf(sound))
  step()
  expect(damaged.replica.hasForming).toBe(false)
  peer.descentFailures = 1
  step()
  await commit(damaged)
  expect([rootOf(damaged), damaged.replica.isRecovering]).toEqual([rootOf(sound), false])
  step()
  expect(damaged.replica.hasForming).toBe(false)
})

it('also what counts no more only since then, and has ended where the horizon came later', async () => {
  const nodes = [alice, bob].map((signer, at) =>
    openReplica(signer, createMemoryStore({ incarnation: life(at + 1) })),
  )
  const [first, second] = nodes as [TestReplica, TestReplica]
  const give = async (): Promise<void> => {
    second.replica.offer(first.store.after(0, 9).map(storedEntry), 'p2p', laterWall)
    await commit(second)
  }
  const holders = new Map([alice, bob].map(({ nodeId }, at) => [nodeId, life(at + 1)] as const))
  await write(first, [operation('remove', 'gone')])
  await give()
  first.replica.propose(versionAt(testWall + 5_000), holders)
  await commit(first)
  await write(first, [operation('add', 'later')], laterWall)
  await give()
  expect(rootOf(second)).not.toBe(rootOf(first))
  const peer = createPeer(bob.nodeId, undefined, 0)
  peer.descentFailures = 1
  const compaction = new Compaction({ params: defaultParams, self: alice.nodeId, ...first }, 0)
  compaction.step(new Map([[peer.id, peer]]), undefined, { mono: 1, wall: laterWall })
  await commit(first)
  expect(rootOf(first)).toBe(rootOf(second))
  expect([first, second].map(({ replica }) => replica.read('set')?.value)).toEqual([['later'], ['later']])
})

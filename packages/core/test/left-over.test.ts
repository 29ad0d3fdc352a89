/** What a horizon has left over ends where it keeps roots apart. */
import { expect, it } from '@jest/globals'
import { defaultParams, elementSlot, encodeValue, versionAt } from '@lattice/core'
import type { Operation, VerifiedEntry } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { Compaction } from '../src/compaction.ts'
import { createPeer } from '../src/peers.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, sha256 } from './crypto.ts'
import { commit, entryOf, life, openReplica, rootOf, write, type TestReplica } from './replicas.ts'

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

it('what ends with the commit that was to bring it leaves nothing behind', async () => {
  const node = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
  const element = (name: string, tick: number, isThere: boolean): VerifiedEntry => {
    const bytes = encodeValue(name)
    const slot = elementSlot(bytes, sha256)
    return entryOf({ key: 'set', tick, slot, value: isThere ? bytes : undefined }, bob)
  }
  node.replica.offer([element('gone', 2, false), element('kept', 9, true)], 'p2p', laterWall)
  const horizon = versionAt(testWall) + 5n
  node.replica.propose(horizon, new Map([[alice.nodeId, life(1)]]))
  await commit(node)
  expect(node.store.slots('set')).toHaveLength(1)
  // Nothing stands in its place, so that what a settled node has there is news.
  const older = element('gone', 1, true)
  expect(node.replica.offer([older], 'p2p', laterWall, horizon)).toEqual(['staged'])
  await commit(node)
  expect(node.replica.read('set')?.value).toEqual(['gone', 'kept'])
})

it('a horizon ends what is due at it, and nothing above', async () => {
  const node = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
  const deleted = await write(node, [{ op: 'delete', key: 'k' }])
  const left = async (horizon: bigint): Promise<number> => {
    node.replica.propose(horizon, new Map([[alice.nodeId, life(1)]]))
    await commit(node)
    return node.store.slots('k').length
  }
  expect([await left(deleted - 1n), await left(deleted)]).toEqual([1, 0])
})

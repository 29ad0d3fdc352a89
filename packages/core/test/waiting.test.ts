/** An entry from the future waits in memory alone: no delete that silences it may end before it is here. */
import { beforeEach, expect, it, jest } from '@jest/globals'
import {
  counterSlot,
  defaultParams,
  encodeValue,
  futureToleranceMs,
  type KeyReading,
  type NodeId,
  type Row,
  type VerifiedEntry,
} from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { Compaction } from '../src/compaction.ts'
import { deferredPerAuthorMax } from '../src/limits.ts'
import { createPeer, type Peer } from '../src/peers.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, createTestSigner } from './crypto.ts'
import { commit, entryOf, life, openReplica, rootOf, write, type TestReplica } from './replicas.ts'

/** As short as it may be. */
const tombstoneRetentionMs = 660_000
/** By when a horizon is due that the delete lies below. */
const horizonWall = testWall + 2 * tombstoneRetentionMs
/** The clock of bob, which is ahead of that. */
const aheadWall = horizonWall + 3 * futureToleranceMs

let [one, ahead] = [openReplica(alice), openReplica(bob)]
let peer: Peer
let compaction: Compaction
let mono = 0

/** The other says how it stands. */
function hears({ replica, store }: TestReplica): void {
  const position = { incarnation: life(2), seq: store.lastSeq }
  const { settledHorizon: settled, floor } = replica
  peer.known = { ...position, at: 0, count: 1, wall: aheadWall, root: rootOf(ahead) }
  peer.cursor = position
  peer.acked = peer.statedAcked = { incarnation: life(1), seq: one.store.lastSeq }
  peer.stated = { settled, floor }
}

/** Whether a horizon is set within some rounds. */
async function proposes(): Promise<boolean> {
  const peers = new Map<NodeId, Peer>([[peer.id, peer]])
  for (let looks = 0; looks < 5 && !one.replica.hasForming; looks++)
    compaction.step(peers, rootOf(one), { mono: (mono += 60_000), wall: horizonWall })
  const isSet = one.replica.hasForming
  if (isSet) await commit(one)
  return isSet
}

async function give(from: TestReplica, to: TestReplica, wall: number): Promise<string[]> {
  const rows = from.store.after(0, 99).map(storedEntry)
  const verdicts = to.replica.offer(rows, 'p2p', wall, from.replica.settledHorizon)
  await commit(to)
  return verdicts
}

const reading = (): KeyReading | undefined => one.replica.read('n')

/** The same key is deleted here and counted by a clock that is ahead, neither knowing of the other. */
beforeEach(async () => {
  one = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
  ahead = openReplica(bob, createMemoryStore({ incarnation: life(2) }))
  peer = createPeer(bob.nodeId, undefined, 0)
  const params = { ...defaultParams, tombstoneRetentionMs }
  const { replica, store } = one
  compaction = new Compaction({ params, self: alice.nodeId, store, replica }, 0)
  for (const key of ['n', 'other']) await write(one, [{ op: 'delete', key }], testWall)
  await write(one, [{ op: 'put', key: 'clock', value: 1 }], horizonWall)
  await write(ahead, [{ op: 'increment', key: 'n', by: 1 }], aheadWall)
  await give(one, ahead, aheadWall)
})

it('a delete that silences what waits here does not end before that is here', async () => {
  expect(await give(ahead, one, horizonWall)).toContain('deferred')
  hears(ahead)
  expect(await proposes()).toBe(false)
  // The other loses its disk. Nothing has risen once the time of what waits has come.
  expect(one.replica.retryDeferred(aheadWall)).toBe(1)
  await commit(one)
  expect(reading()).toBeUndefined()
  expect(one.replica.floor).toBe(one.replica.highWater)
})

it('nor where it waits at another member', async () => {
  await give(ahead, one, aheadWall)
  const slow = openReplica(bob)
  await write(slow, [{ op: 'put', key: 'clock', value: 1 }], horizonWall)
  await give(one, slow, horizonWall)
  expect(slow.replica.deferred.count).toBe(1)
  hears(slow)
  expect(await proposes()).toBe(false)
})

it('what an acknowledgement that came without a word on that has reached may still wait there', async () => {
  const [last] = one.store.after(one.store.lastSeq - 1, 1)
  hears(ahead)
  peer.statedAcked = { incarnation: life(1), seq: (last?.seq ?? 0) - 1 }
  expect(await proposes()).toBe(false)
  hears(ahead)
  expect(await proposes()).toBe(true)
})

it('what waits of a key that nobody has deleted holds back no delete of others', async () => {
  const fresh = openReplica(bob, createMemoryStore({ incarnation: life(2) }))
  await give(one, fresh, aheadWall)
  await write(fresh, [{ op: 'increment', key: 'never', by: 1 }], aheadWall)
  expect(await give(fresh, one, horizonWall)).toContain('deferred')
  hears(fresh)
  expect(await proposes()).toBe(true)
  expect(one.replica.retryDeferred(aheadWall)).toBe(1)
  await commit(one)
  expect(one.replica.read('never')?.value).toBe(1)
})

/** Counted by the clock that is ahead, so many times, each time under the key of its number. */
function counted(times: number, keyOf: (at: number) => string): VerifiedEntry[] {
  const slot = counterSlot(bob.nodeId, life(2))
  const first = (aheadWall - testWall) * 65_536
  return Array.from({ length: times }, (_, at) =>
    entryOf({ tick: first + at, key: keyOf(at), slot, value: encodeValue(at) }, bob),
  )
}

it('what waits under a register is held against it once, and again when it is deleted', async () => {
  await write(one, [{ op: 'put', key: 'large', value: 'x'.repeat(100_000) }], horizonWall)
  one.replica.offer(
    counted(1, () => 'large'),
    'p2p',
    horizonWall,
  )
  await commit(one)
  const reads = jest.spyOn(one.store, 'at')
  const floors = [one.replica.floor, one.replica.floor, one.replica.floor]
  expect([reads.mock.calls.length, new Set(floors)]).toEqual([1, new Set([one.replica.highWater])])
  await write(one, [{ op: 'delete', key: 'large' }], horizonWall)
  expect(one.replica.floor).toBe(1n)
})

it.each([
  [100, false],
  [101, true],
])('what waits of %d keys that nobody has deleted holds back all: %s', async (keys, isHeld) => {
  one.replica.offer(
    counted(keys, at => `never ${at}`),
    'p2p',
    horizonWall,
  )
  await commit(one)
  expect(one.replica.floor).toBe(isHeld ? 1n : one.replica.highWater)
})

it('a damaged delete vouches for nothing, also where the look for it is what finds the damage', async () => {
  await give(ahead, one, horizonWall)
  const row = one.store.slots('n')[0] as Row
  Object.assign(row, { bytes: row.bytes.map(byte => byte ^ 1) })
  expect(one.replica.floor).toBe(0n)
})

it('what found no room to wait holds back all until nothing of it can be missed', async () => {
  one.replica.offer(
    counted(deferredPerAuthorMax + 1, at => (at === 0 ? 'let go' : 'never')),
    'p2p',
    horizonWall,
  )
  await commit(one)
  expect(one.replica.floor).toBe(1n)
  one.replica.retryDeferred(aheadWall)
  await commit(one)
  expect(one.replica.floor).toBe(1n)
  one.replica.deferred.agreedWith(bob.nodeId, [bob.nodeId])
  one.replica.retryDeferred(aheadWall)
  await commit(one)
  expect(one.replica.floor).toBe(one.replica.highWater)
})

it('what cannot be taken in holds back deletes from its version on until nothing of it is missed', async () => {
  const stranger = createTestSigner(99)
  const strange = entryOf({ tick: 65_536 }, stranger)
  expect(one.replica.offer([strange], 'p2p', horizonWall)).toEqual(['refused'])
  expect(one.replica.floor).toBe(strange.version - 1n)
  await commit(one)
  expect(openReplica(alice, createMemoryStore({ image: one.store.image })).replica.takeLostWaiting()).toBe(
    true,
  )
  // Another one cannot even be read: 0 would say that something is lost.
  one.replica.deferred.refuse(0n)
  one.replica.retryDeferred(horizonWall)
  expect(one.replica.floor).toBe(1n)
  one.replica.deferred.agreedWith(bob.nodeId, [bob.nodeId])
  one.replica.retryDeferred(horizonWall)
  await commit(one)
  expect(one.replica.floor).toBe(one.replica.highWater)
})

it('what is taken in now holds back deletes of its key until it is on the disk', async () => {
  await give(ahead, one, horizonWall)
  one.replica.retryDeferred(aheadWall)
  expect(one.replica.floor).toBe(1n)
  const batch = one.replica.seal()
  expect(one.replica.floor).toBe(1n)
  await one.store.commit(batch)
  one.replica.committed()
  expect(one.replica.floor).toBe(one.replica.highWater)
})

it('what was written under a delete holds back none that is not later', async () => {
  const fresh = openReplica(bob)
  await give(one, fresh, aheadWall)
  await write(fresh, [{ op: 'increment', key: 'n', by: 1 }], aheadWall)
  await give(fresh, one, horizonWall)
  expect(one.replica.floor).toBe(one.replica.highWater)
})

/** What must be so of every member before a horizon is set: with any one of these missing, none is. */
import { beforeEach, expect, it } from '@jest/globals'
import {
  admit,
  defaultParams,
  futureToleranceMs,
  horizonKey,
  signEntry,
  versionAt,
  type NodeId,
} from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { Compaction } from '../src/compaction.ts'
import { holdersOf, horizonContent } from '../src/horizon.ts'
import { createPeer, type Known, type Peer } from '../src/peers.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, carol, sha256 } from './crypto.ts'
import { commit, life, openReplica, write } from './replicas.ts'

const tombstoneRetentionMs = 3_600_000
const dayMs = 86_400_000
/** The last horizon lies a day back, so that the next one is due in any case. */
const last = versionAt(testWall - dayMs)
const wall = testWall + dayMs
const holders = new Map([alice, bob, carol].map(({ nodeId }, at) => [nodeId, life(at + 1)]))

let one = openReplica(alice)
let peers: Map<NodeId, Peer>
let compaction: Compaction
let mono = 0

function ready(id: NodeId, number: number): Peer {
  const position = { incarnation: life(number), seq: 5 }
  const peer = createPeer(id, position, 0)
  peer.known = { ...position, at: 0, count: 9, wall, root: 'another' }
  peer.stated = { settled: last, floor: versionAt(wall) }
  peer.statedAcked = { incarnation: life(1), seq: one.store.lastSeq }
  return peer
}

/** Looks so many times; whether a horizon is set then. */
function proposes(looks = 5): boolean {
  for (let look = 0; look < looks && !one.replica.hasForming; look++)
    compaction.step(peers, undefined, { mono: (mono += 60_000), wall })
  return one.replica.hasForming
}

function change(peer: Peer, known: Partial<Known>): void {
  peer.known = { ...(peer.known as Known), ...known }
}

beforeEach(async () => {
  one = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
  one.replica.propose(last, new Map([[alice.nodeId, life(1)]]))
  await commit(one)
  await write(one, [{ op: 'delete', key: 'gone' }])
  await write(one, [{ op: 'put', key: 'clock', value: 1 }], wall)
  peers = new Map([bob, carol].map(({ nodeId }, at) => [nodeId, ready(nodeId, at + 2)]))
  const { replica, store } = one
  const params = { ...defaultParams, tombstoneRetentionMs }
  compaction = new Compaction({ params, self: alice.nodeId, store, replica }, mono)
})

it('with all of it a horizon is set, and names all members in their lives', async () => {
  expect(proposes()).toBe(true)
  await commit(one)
  expect(one.replica.horizon).toBe(versionAt(wall - tombstoneRetentionMs))
  const [row] = one.store.slots('\u0000horizon')
  const named = row && holdersOf(storedEntry(row))
  expect(named).toEqual(holders)
})

it.each<[string, (peer: Peer) => void]>([
  ['has not been heard of', peer => (peer.known = undefined)],
  ['says nothing of horizons', peer => (peer.stated = undefined)],
  ['has not applied the last one', peer => (peer.stated = { settled: last - 1n, floor: versionAt(wall) })],
  ['has applied a later one', peer => (peer.stated = { settled: last + 1n, floor: versionAt(wall) })],
  ['has lost something', peer => (peer.stated = { settled: last, floor: 0n })],
  ['has begun anew', peer => change(peer, { incarnation: life(9) })],
  ['has told of more than is applied here', peer => change(peer, { seq: 6 })],
  [
    'has not applied all that is here',
    peer => (peer.statedAcked = { incarnation: life(1), seq: one.store.lastSeq - 1 }),
  ],
  ['has applied a former life', peer => (peer.statedAcked = { incarnation: life(8), seq: 99 })],
  ['has a clock that is far behind', peer => change(peer, { wall: testWall - 1 })],
])('not while a member %s', (_, spoil) => {
  spoil(peers.get(carol.nodeId) as Peer)
  expect(proposes()).toBe(false)
})

it('a horizon is older than clocks may differ by, however short the retention', async () => {
  const { replica, store } = one
  const params = { ...defaultParams, tombstoneRetentionMs: 0 }
  compaction = new Compaction({ params, self: alice.nodeId, store, replica }, mono)
  expect(proposes()).toBe(true)
  await commit(one)
  expect(replica.horizon).toBe(versionAt(wall - futureToleranceMs))
})

it('not while this node lacks something itself, also where that shows between the rounds', async () => {
  for (const peer of peers.values()) peer.statedAcked = { incarnation: life(1), seq: one.store.lastSeq - 1 }
  expect(proposes(1)).toBe(false)
  for (const peer of peers.values()) peer.statedAcked = { incarnation: life(1), seq: one.store.lastSeq }
  const row = one.store.slots('clock')[0]
  Object.assign(row ?? {}, { bytes: row?.bytes.map(byte => byte ^ 1) })
  expect(one.replica.read('clock')).toBeUndefined()
  expect(proposes()).toBe(false)
})

it.each<[string, boolean, (peer: Peer) => void]>([
  ['all goes on as it was', true, () => {}],
  ['a member has lost something', false, peer => (peer.stated = { settled: last, floor: 0n })],
  ['a member begins anew, and has all that is here', false, peer => change(peer, { incarnation: life(9) })],
])('in the midst of the second round %s: %s', async (_, isSet, spoil) => {
  const all = [...peers.values()]
  const acknowledge = (seq: number): void => {
    for (const peer of all) peer.statedAcked = { incarnation: life(1), seq }
  }
  const { store } = one
  acknowledge(store.lastSeq - 1)
  expect(proposes(1)).toBe(false)
  acknowledge(store.lastSeq)
  await write(one, [{ op: 'put', key: 'clock', value: 2 }], wall)
  expect(proposes(1)).toBe(false)
  acknowledge(store.lastSeq)
  spoil(peers.get(bob.nodeId) as Peer)
  expect(proposes()).toBe(isSet)
})

it('what was told in the first round must have been applied everywhere by the second', () => {
  const peer = peers.get(bob.nodeId) as Peer
  peer.statedAcked = { incarnation: life(1), seq: one.store.lastSeq - 1 }
  expect(proposes(2)).toBe(false)
  peer.statedAcked = { incarnation: life(1), seq: one.store.lastSeq }
  change(peer, { seq: 6 })
  expect(proposes()).toBe(false)
  peer.cursor = { incarnation: life(2), seq: 6 }
  expect(proposes()).toBe(true)
})

it('a round begins anew where a member has begun anew, and nobody gets to where its journal had been', () => {
  const peer = peers.get(bob.nodeId) as Peer
  change(peer, { seq: 6 })
  expect(proposes()).toBe(false)
  change(peer, { incarnation: life(9), seq: 3 })
  peer.cursor = { incarnation: life(9), seq: 3 }
  expect(proposes()).toBe(true)
})

it.each([
  ['is durable', 0n, true],
  ['is on its way to the disk', 0n, false],
  ['is later, and durable', 1n, true],
  ['is later, and on its way to the disk', 1n, false],
])(
  'a horizon of another member, set in the midst of a round, stays where it %s',
  async (_, more, isDurable) => {
    const { replica, store } = one
    const own = versionAt(wall - tombstoneRetentionMs)
    const acknowledge = (seq: number): void => {
      for (const peer of peers.values()) peer.statedAcked = { incarnation: life(1), seq }
    }
    acknowledge(store.lastSeq - 1)
    expect(proposes(1)).toBe(false)
    const other = admit(signEntry(horizonContent(own + more, holders), carol, sha256))
    expect(replica.offer([other], 'p2p', wall)).toEqual(['staged'])
    if (isDurable) await commit(one)
    for (const peer of peers.values()) peer.stated = { settled: replica.horizon, floor: versionAt(wall) }
    acknowledge(store.lastSeq)
    for (let look = 0; look < 5; look++) compaction.step(peers, undefined, { mono: (mono += 60_000), wall })
    if (replica.hasForming) await commit(one)
    expect(store.slots(horizonKey).map(row => storedEntry(row).digest)).toEqual([other.digest])
  },
)

it('while more is due than one horizon ends, the next follows soon, but does not wait closely for long', async () => {
  const keys = Array.from({ length: 5_000 }, (_, at) => `gone ${at}`)
  for (let at = 0; at < keys.length; at += 1_000)
    await write(
      one,
      keys.slice(at, at + 1_000).map(key => ({ op: 'delete', key })),
    )
  const later = wall + dayMs
  await write(one, [{ op: 'put', key: 'clock', value: 2 }], later)
  const ready = (): void => {
    for (const peer of peers.values()) {
      change(peer, { wall: later })
      peer.stated = { settled: one.replica.horizon, floor: versionAt(later) }
      peer.statedAcked = { incarnation: life(1), seq: one.store.lastSeq }
    }
  }
  /** Looks when it is time to, so many times; how long until it is the next time. */
  const pauseAfter = (looks: number): number => {
    for (let look = 0; look < looks; look++) {
      mono = compaction.wakeAt
      compaction.step(peers, undefined, { mono, wall: later })
    }
    return compaction.wakeAt - mono
  }
  const soon = 2_000
  const seldom = 60_000
  ready()
  expect([pauseAfter(2), one.replica.hasForming]).toEqual([soon, true])
  await commit(one)
  // The others have not applied it yet.
  expect(pauseAfter(1)).toBe(soon)
  expect(pauseAfter(seldom / soon + 1)).toBe(seldom)
  // As if another member had set it.
  one.replica.propose(one.replica.horizon + 1n, holders)
  await commit(one)
  expect(pauseAfter(1)).toBe(soon)
  ready()
  expect([pauseAfter(2), one.replica.hasForming]).toEqual([soon, true])
  await commit(one)
  ready()
  for (let look = 0; look < 20 && one.replica.keys.endingCount > 0; look++) {
    pauseAfter(1)
    if (one.replica.hasForming) await commit(one)
    ready()
  }
  expect([one.replica.keys.endingCount, pauseAfter(2)]).toEqual([0, seldom])
})

it('a horizon is no sooner for what is kept for its time yet, however much that is', async () => {
  await write(one, [{ op: 'delete', key: 'soon' }], wall - tombstoneRetentionMs)
  for (let at = 0; at < 3; at++)
    await write(
      one,
      Array.from({ length: 1_000 }, (_, key) => ({ op: 'delete', key: `${at}/${key}` })),
      wall,
    )
  for (const peer of peers.values()) peer.statedAcked = { incarnation: life(1), seq: one.store.lastSeq }
  expect(proposes()).toBe(true)
  await commit(one)
  const first = one.replica.horizon
  expect(first).toBe(versionAt(wall - tombstoneRetentionMs))
})

/** Entries from the future that find no room to wait in, and how long they hold compaction back. */
import { beforeEach, expect, it } from '@jest/globals'
import { defaultParams, encodeValue, futureToleranceMs, type NodeId, type VerifiedEntry } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { Compaction } from '../src/compaction.ts'
import { deferredPerAuthorMax } from '../src/limits.ts'
import { createPeer, type Peer } from '../src/peers.ts'
import { alice, bob, carol } from './crypto.ts'
import { commit, entryOf, life, openReplica, rootOf, write } from './replicas.ts'

const ahead = futureToleranceMs + 1
const dueWall = testWall + ahead
let { replica, store } = openReplica(alice)
let compaction: Compaction
let peers: Map<NodeId, Peer>

/** More than wait. */
const early = Array.from({ length: deferredPerAuthorMax + 3 }, (_, at): VerifiedEntry =>
  entryOf({ tick: ahead * 65_536 + at, key: `k${at}`, value: encodeValue(at) }, bob),
)

/** Another says how it stands; the cursor for it has come so far. */
function says(peer: Peer, root: string, seq: number, cursor = seq): void {
  const incarnation = life(7)
  peer.known = { at: 0, incarnation, seq, count: 1, wall: testWall, root }
  peer.cursor = { incarnation, seq: cursor }
}

/** What the engine does after every event; whether the floor is where the clock is. */
async function settle(): Promise<boolean> {
  compaction.step(peers, rootOf({ replica, store }), { mono: 1, wall: dueWall })
  replica.retryDeferred(dueWall)
  if (replica.hasForming) await commit({ replica, store })
  return replica.floor === replica.highWater
}

beforeEach(async () => {
  ;({ replica, store } = openReplica(alice))
  compaction = new Compaction({ params: defaultParams, self: alice.nodeId, store, replica }, 1e9)
  peers = new Map([bob, carol].map(({ nodeId }) => [nodeId, createPeer(nodeId, undefined, 0)]))
  replica.offer(early, 'p2p', testWall)
  await commit({ replica, store })
  // Those that waited, and of those that were let go all but one.
  await settle()
  replica.offer(early.slice(1), 'p2p', dueWall)
  await commit({ replica, store })
})

it('nothing is missed any more once all others have been found to agree, one after the other', async () => {
  const [one, other] = [...peers.values()] as [Peer, Peer]
  expect(await settle()).toBe(false)
  replica.offer(early, 'p2p', dueWall)
  await commit({ replica, store })
  says(one, rootOf({ replica, store }), 9)
  expect(await settle()).toBe(false)
  await write({ replica, store }, [{ op: 'put', key: 'k', value: 1 }], dueWall)
  says(other, rootOf({ replica, store }), 5)
  expect(await settle()).toBe(true)
  expect(store.fact('waiting')).toBeUndefined()
})

it('something may be missed of a peer whose cursor has passed what it last said', async () => {
  const [one, other] = [...peers.values()] as [Peer, Peer]
  says(one, rootOf({ replica, store }), 9)
  says(other, rootOf({ replica, store }), 5, 6)
  expect(await settle()).toBe(false)
})

it('who agreed before more was let go must be found to agree again', async () => {
  const [one, other] = [...peers.values()] as [Peer, Peer]
  says(one, rootOf({ replica, store }), 9)
  expect(await settle()).toBe(false)
  const later = early.map((_, at) => entryOf({ tick: 3 * ahead * 65_536 + at, key: `l${at}` }, bob))
  replica.offer(later, 'p2p', dueWall)
  await commit({ replica, store })
  replica.retryDeferred(testWall + 3 * ahead)
  await commit({ replica, store })
  says(one, 'another', 10)
  says(other, rootOf({ replica, store }), 5)
  expect(await settle()).toBe(false)
})

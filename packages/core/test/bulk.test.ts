/** From whom a state is taken over, when others stand in between. */
import { expect, it } from '@jest/globals'
import { defaultParams, type Incarnation, type NodeId } from '@lattice/core'
import { settleBulk } from '../src/bulk.ts'
import { wantsOnly } from '../src/descent.ts'
import { createPeer, type Peer } from '../src/peers.ts'
import type { Standing } from '../src/sync-plan.ts'

const own: Standing = {
  nodeId: 'a'.repeat(64) as NodeId,
  incarnation: '00000000000000aa' as Incarnation,
  seq: 10,
  count: 10,
  root: 'ours',
  horizon: 0n,
  settled: true,
  uncoveredSince: () => undefined,
}

/** A peer that holds far more than we do. */
function openPeer(letter: string, isUp: boolean): Peer {
  const incarnation = letter.repeat(16) as Incarnation
  const peer = createPeer(letter.repeat(64) as NodeId, undefined, 0)
  peer.known = { at: 0, incarnation, seq: 5_000, root: letter, count: 5_000, wall: 0 }
  peer.links.http.up = isUp
  return peer
}

it.each([
  [true, undefined],
  [false, 'c'.repeat(64)],
])('waits for a descent with a peer that can be reached (%s)', (isUp, bulkFrom) => {
  const [descending, able] = [openPeer('b', isUp), openPeer('c', true)]
  descending.descent = { ...wantsOnly, fromRoot: true }
  const members = new Map([descending, able].map(peer => [peer.id, peer]))
  const standing = settleBulk(members, own, 0, { phase: 'HTTP', since: 0, holdUntil: 0 }, defaultParams)
  expect(standing.bulkFrom).toBe(bulkFrom)
})

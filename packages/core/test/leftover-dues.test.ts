/** What one horizon has left over, because a member named one with more keys than are ended at a time. */
import { expect, it } from '@jest/globals'
import { defaultParams, formatVersion, versionAt } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { Compaction } from '../src/compaction.ts'
import { createPeer } from '../src/peers.ts'
import { alice, bob } from './crypto.ts'
import { commit, life, openReplica, write } from './replicas.ts'

it('holds up no later horizon', async () => {
  const node = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
  const { replica, store } = node
  const last = versionAt(testWall)
  const cursor = { incarnation: life(2), seq: 0 }
  replica.propose(
    last,
    new Map([
      [alice.nodeId, life(1)],
      [bob.nodeId, life(2)],
    ]),
  )
  for (let at = 0; at < 3_000; at++)
    replica.stageFact(`due/${formatVersion(last - 1n)}/${at.toString(16)}`, Buffer.from(`left ${at}`))
  await commit(node)
  const wall = testWall + 2 * defaultParams.tombstoneRetentionMs
  await write(node, [{ op: 'put', key: 'clock', value: 1 }], wall)

  const peer = createPeer(bob.nodeId, cursor, 0)
  peer.known = { ...cursor, at: 0, count: 0, wall, root: '' }
  peer.stated = { settled: last, floor: versionAt(wall) }
  peer.statedAcked = { incarnation: life(1), seq: store.lastSeq }
  const compaction = new Compaction({ params: defaultParams, self: alice.nodeId, store, replica }, 0)
  compaction.step(new Map([[bob.nodeId, peer]]), undefined, { mono: 1, wall })
  expect(replica.hasForming).toBe(true)
  await commit(node)
  expect(replica.horizon).toBe(versionAt(wall - defaultParams.tombstoneRetentionMs))
})

it('lets none be set that lies below it, however much waits to end', async () => {
  const node = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
  const { replica, store } = node
  const last = versionAt(testWall)
  const cursor = { incarnation: life(2), seq: 0 }
  const { tombstoneRetentionMs } = defaultParams
  replica.propose(last, new Map([[alice.nodeId, life(1)]]))
  const dues = [
    versionAt(testWall - 5_000),
    ...Array.from({ length: 2_500 }, (_, at) => last + BigInt(at + 1)),
  ]
  for (const [at, due] of dues.entries())
    replica.stageFact(`due/${formatVersion(due)}/${at.toString(16)}`, Buffer.from(`due ${at}`))
  await commit(node)
  const wall = testWall + 2 * tombstoneRetentionMs
  await write(node, [{ op: 'put', key: 'clock', value: 1 }], wall)

  const peer = createPeer(bob.nodeId, cursor, 0)
  const compaction = new Compaction({ params: defaultParams, self: alice.nodeId, store, replica }, 0)
  const proposes = (peerWall: number, mono: number): boolean => {
    peer.known = { ...cursor, at: 0, count: 0, wall: peerWall, root: '' }
    peer.stated = { settled: last, floor: versionAt(wall) }
    peer.statedAcked = { incarnation: life(1), seq: store.lastSeq }
    compaction.step(new Map([[bob.nodeId, peer]]), undefined, { mono, wall })
    return replica.hasForming
  }
  expect(proposes(testWall + tombstoneRetentionMs - 1_000, 1)).toBe(false)
  expect(proposes(wall, 100_000)).toBe(true)
})

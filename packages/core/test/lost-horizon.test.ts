/** A horizon whose row is damaged has been set all the same: what it has ended must not rise meanwhile. */
import { expect, it } from '@jest/globals'
import {
  encodeValue,
  futureToleranceMs,
  signEntry,
  versionAt,
  type Row,
  type VerifiedEntry,
} from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { horizonContent, horizonKey } from '../src/horizon.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, sha256 } from './crypto.ts'
import { commit, life, openReplica, write, type TestReplica } from './replicas.ts'

const holders = new Map([[alice.nodeId, life(1)]])
const [early, late] = [versionAt(testWall + 1), versionAt(testWall + 10)]
const laterWall = testWall + 2 * futureToleranceMs
/** What a member still has that was away while it ended. */
const ended = signEntry(
  { key: 'ended', slot: '', value: encodeValue(1), base: 0n, version: versionAt(testWall + 5) },
  bob,
  sha256,
)
const earlier = signEntry(horizonContent(early, holders), bob, sha256)

/** A node that has set a horizon, whose row is damaged now; the horizon as the others have it. */
async function withLostHorizon(): Promise<TestReplica & { readonly horizon: VerifiedEntry }> {
  const node = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
  await write(node, [{ op: 'put', key: 'a', value: 1 }])
  node.replica.propose(late, holders)
  await commit(node)
  await write(node, [{ op: 'put', key: 'b', value: 1 }], laterWall)
  const row = node.store.slots(horizonKey)[0] as Row
  const horizon = storedEntry({ ...row })
  Object.assign(row, { bytes: row.bytes.map(byte => byte ^ 1) })
  return { ...node, horizon }
}

it('an earlier one, of a member that was away, does not take its place', async () => {
  const node = await withLostHorizon()
  const { replica } = node
  expect([replica.isNews(earlier, early), replica.isNews(ended, early)]).toEqual([false, false])
  expect(replica.rows.after(0, 9)).toHaveLength(2)
  replica.quarantine.take()
  expect(replica.quarantine.places).toHaveLength(1)
  expect(replica.offer([earlier, ended], 'p2p', laterWall, early)).toEqual(['ended', 'ended'])
  await commit(node)
  expect(replica.horizon).toBe(late)
  expect(replica.offer([node.horizon], 'p2p', laterWall, late)).toEqual(['staged'])
  await commit(node)
  expect([replica.horizon, replica.settledHorizon, replica.quarantine.places]).toEqual([late, late, []])
})

it('after a restart one that has only an earlier one ends no recovery', async () => {
  const { store, horizon } = await withLostHorizon()
  const node = openReplica(alice, createMemoryStore({ image: store.image }))
  const { replica } = node
  replica.quarantine.take()
  replica.offer([earlier, ended], 'p2p', laterWall, early)
  await commit(node)
  replica.recovered(early)
  expect([replica.isRecovering, replica.horizon]).toEqual([true, early])
  replica.offer([horizon], 'p2p', laterWall, late)
  await commit(node)
  expect([replica.isRecovering, replica.horizon, replica.floor]).toEqual([true, late, 0n])
  const leaves = [...replica.trie.leaves(new Uint8Array(0), 0)]
  replica.disown(
    leaves.filter(leaf => replica.rows.at(leaf)?.key === 'ended'),
    late,
  )
  await commit(node)
  replica.recovered(late)
  expect([replica.isRecovering, replica.read('ended')]).toEqual([false, undefined])
})

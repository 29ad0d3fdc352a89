/** A member that was away while deletes ended drops what has ended, wherever its journal stands; no more. */
import { expect, it } from '@jest/globals'
import { versionAt, type HorizonReport, type Message, type VerifiedEntry, type Version } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { Composer } from '../src/exchange.ts'
import { createPeer } from '../src/peers.ts'
import { openDescent } from '../src/reconcile.ts'
import { tidings } from '../src/tidings.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, carol, sha256 } from './crypto.ts'
import { commit, life, openReplica, rootOf, write, type TestReplica } from './replicas.ts'

const laterWall = testWall + 3_600_000

it('also where that is the newest row, and nobody writes any more', async () => {
  const [settled, unsettled, away] = [alice, bob, carol].map((signer, at) =>
    openReplica(signer, createMemoryStore({ incarnation: life(at + 1) })),
  ) as [TestReplica, TestReplica, TestReplica]
  const give = async (from: TestReplica, to: TestReplica): Promise<void> => {
    const entries = from.store.after(0, 99).map(storedEntry)
    to.replica.offer(entries, 'p2p', laterWall, from.replica.settledHorizon)
    await commit(to)
  }
  await write(settled, [{ op: 'put', key: 'alive', value: 1 }])
  await write(settled, [{ op: 'delete', key: 'dead' }], testWall + 1)
  await give(settled, unsettled)
  const holders = new Map([alice, bob].map(({ nodeId }, at) => [nodeId, life(at + 1)] as const))
  settled.replica.propose(versionAt(testWall + 5_000), holders)
  await commit(settled)

  // The horizon first, then from one that does not know of it what has ended.
  await give(settled, away)
  await give(unsettled, away)
  expect(away.store.after(0, 99).at(-1)?.key).toBe('dead')

  const lacking = [...away.replica.trie.leaves(new Uint8Array(0), 0)].filter(
    ({ path }) => settled.replica.trie.get(path) === undefined,
  )
  const vouched = settled.replica.settledHorizon
  expect([lacking.length, away.replica.disown(lacking, vouched)]).toEqual([1, []])
  const before = away.store.lastSeq
  await commit(away)
  expect(rootOf(away)).toBe(rootOf(settled))
  expect(away.store.lastSeq).toBeGreaterThan(before)
  away.replica.recovered(settled.replica.settledHorizon)
  expect(away.replica.isRecovering).toBe(false)
})

it('but not for one that knows of no more than the horizon before that', async () => {
  const [settled, away] = [alice, carol].map((signer, at) =>
    openReplica(signer, createMemoryStore({ incarnation: life(at + 1) })),
  ) as [TestReplica, TestReplica]
  const [first, second] = [versionAt(testWall), versionAt(testWall + 5_000)]
  away.replica.propose(first, new Map([[carol.nodeId, life(2)]]))
  await commit(away)
  await write(away, [{ op: 'put', key: 'alive', value: 1 }], testWall + 1_000)
  settled.replica.propose(second, new Map([[alice.nodeId, life(1)]]))
  await commit(settled)
  away.replica.offer(settled.store.after(0, 9).map(storedEntry), 'p2p', laterWall)
  expect([away.replica.isRecovering, away.replica.horizon]).toEqual([true, first])

  const info = { name: 'away', role: 'node', software: 'test' }
  const composer = new Composer({ self: carol.nodeId, info, hash: sha256, ...away })
  const compare = openDescent(openReplica().replica.trie, 4)
  const reportOf = (settled: Version): HorizonReport => ({ settled, floor: versionAt(laterWall) })
  const given = (vouched: Version, request: Message = {}): number => {
    const peer = createPeer(bob.nodeId, undefined, 0)
    peer.stated = reportOf(vouched)
    return composer.answer({ compare, ...request }, peer).entries?.length ?? 0
  }
  // The old horizon and what was written after it.
  expect(given(first)).toBe(2)
  // What it has said before counts for nothing beside what it says now.
  expect(given(second, { horizon: reportOf(first) })).toBe(2)
  expect(given(second)).toBe(1)
  expect([...away.replica.batches.forming.disowned.values()].map(({ key }) => key)).toEqual(['alive'])
})

it('and what it had written itself gives way to what they have there, is told as dropped, and is no news again', async () => {
  const [settled, away] = [alice, carol].map((signer, at) =>
    openReplica(signer, createMemoryStore({ incarnation: life(at + 1) })),
  ) as [TestReplica, TestReplica]
  const horizon = versionAt(testWall + 5_000)
  const entriesOf = ({ store }: TestReplica): VerifiedEntry[] => store.after(0, 99).map(storedEntry)
  for (const key of ['old', 'new']) await write(settled, [{ op: 'put', key, value: 'shared' }])
  away.replica.offer(entriesOf(settled), 'p2p', laterWall)
  await commit(away)
  await write(away, [{ op: 'put', key: 'old', value: 'alone' }], testWall + 1)
  await write(away, [{ op: 'put', key: 'new', value: 'alone' }], testWall + 9_000)
  settled.replica.propose(horizon, new Map([[alice.nodeId, life(1)]]))
  await commit(settled)
  const offer = (vouched: Version): unknown =>
    away.replica.offer(entriesOf(settled), 'p2p', laterWall, vouched).slice(0, 2)
  expect(offer(0n)).toEqual(['held', 'held'])
  const [old] = entriesOf(settled) as [VerifiedEntry]
  await commit(away)
  expect([away.replica.isNews(old), away.replica.isNews(old, horizon)]).toEqual([false, true])
  expect(offer(horizon)).toEqual(['staged', 'held'])
  await away.store.commit(away.replica.seal())
  const told = tidings(away.replica.committed(), away.replica)
  expect(told.at(-1)).toMatchObject({ level: 'warn', fields: { ended: 0, endedWhileAway: 1 } })
  expect(['old', 'new'].map(key => away.replica.read(key)?.value)).toEqual(['shared', 'alone'])
  expect(offer(horizon)).toEqual(['held', 'held'])
  expect(away.replica.isNews(old, horizon)).toBe(false)
  const reopened = openReplica(carol, createMemoryStore({ image: away.store.image }))
  expect(rootOf(reopened)).toBe(rootOf(away))
})

it('but never the horizon itself, which gives way to a later one only', async () => {
  const away = openReplica(carol, createMemoryStore({ incarnation: life(3) }))
  await write(away, [{ op: 'put', key: 'old', value: 1 }])
  away.replica.propose(versionAt(testWall + 5_000), new Map([[alice.nodeId, life(1)]]))
  await commit(away)
  const left = away.replica.disown(
    [...away.replica.trie.leaves(new Uint8Array(0), 0)],
    versionAt(testWall + 5_000),
  )
  expect(left.map(leaf => away.replica.rows.at(leaf)?.key)).toEqual(['\u0000horizon'])
})

it('nor what is sound, where a node has merely lost something else', async () => {
  const node = openReplica(carol, createMemoryStore({ incarnation: life(3) }))
  for (const key of ['lost', 'sound']) await write(node, [{ op: 'put', key, value: 1 }])
  node.replica.propose(versionAt(testWall + 5_000), new Map([[carol.nodeId, life(3)]]))
  await commit(node)
  const row = node.store.slots('lost')[0]
  Object.assign(row ?? {}, { bytes: row?.bytes.map(byte => byte ^ 1) })
  expect(node.replica.read('lost')).toBeUndefined()
  node.replica.quarantine.take()
  const leaves = [...node.replica.trie.leaves(new Uint8Array(0), 0)]
  expect(node.replica.disown(leaves, versionAt(testWall + 5_000))).toEqual(leaves)
})

/** Which keys a node says that it lacks, so that no answer over many keys passes for whole. */
import { expect, it } from '@jest/globals'
import { pathOf, versionAt, type Leaf, type Row } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { alice, bob, sha256 } from './crypto.ts'
import { commit, entryOf, life, openReplica, write, type TestReplica } from './replicas.ts'

const flip = ({ store }: TestReplica, key: string, slot = 0): void => {
  const row = store.slots(key)[slot] as Row
  const { bytes } = row
  Object.assign(row, { bytes: bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 0x10 : byte)) })
}

const filled = async (): Promise<TestReplica> => {
  const node = openReplica()
  await write(node, [
    { op: 'put', key: 'a', value: 1 },
    { op: 'put', key: 'b', value: 2 },
    { op: 'add', key: 's', element: 1 },
    { op: 'add', key: 's', element: 2 },
  ])
  return node
}

const told = ({ quarantine }: TestReplica['replica']): unknown =>
  quarantine.damagedKeys.toSorted((a = '', b = '') => (a < b ? -1 : 1))

it('each key with something damaged is told once, from the read that finds it, also after a restart', async () => {
  const node = await filled()
  const { replica } = node
  expect(replica.quarantine.damagedKeys).toEqual([])
  for (const slot of [0, 1]) flip(node, 's', slot)
  flip(node, 'b')
  for (const key of ['a', 'b', 's']) replica.read(key)
  expect(told(replica)).toEqual(['b', 's'])
  replica.quarantine.take()
  replica.read('b')
  expect(told(replica)).toEqual(['b', 's'])
  await commit(node)
  const restarted = openReplica(alice, node.store)
  expect(told(restarted.replica)).toEqual(['b', 's'])
})

it('also after a restart where the disk refused the commit that was to remember it', async () => {
  const node = await filled()
  const { replica, store } = node
  const leaf = replica.trie.get(pathOf('b', '', sha256)) as Leaf
  flip(node, 'b')
  replica.read('b')
  replica.quarantine.take()
  replica.seal()
  replica.aborted()
  expect(replica.hasForming).toBe(false)
  await write(node, [{ op: 'put', key: 'a', value: 3 }])
  // The disk loses the rest of it as well.
  store.image.rows.delete(leaf.seq)
  const restarted = openReplica(alice, createMemoryStore({ image: store.image }))
  expect([told(restarted.replica), restarted.replica.quarantine.isDamaged('b')]).toEqual([['b'], true])
})

it('a name that the damage took is told as undefined', async () => {
  const { replica, store } = await filled()
  const leaf = replica.trie.get(pathOf('b', '', sha256)) as Leaf
  store.image.rows.delete(leaf.seq)
  replica.rows.at(leaf)
  expect(replica.quarantine.damagedKeys).toStrictEqual([undefined])
})

it('and so is one that the damage has changed', async () => {
  const { replica, store } = await filled()
  const leaf = replica.trie.get(pathOf('b', '', sha256)) as Leaf
  Object.assign(store.image.rows.get(leaf.seq) ?? {}, { key: 'a' })
  replica.rows.at(leaf)
  expect(replica.quarantine.damagedKeys).toStrictEqual([undefined])
})

it('a stray leaf takes no key away', async () => {
  const { replica } = await filled()
  const row = replica.trie.get(pathOf('a', '', sha256)) as Leaf
  const nowhere = pathOf('nowhere', '', sha256)
  replica.trie.setLeaf(nowhere, row.digest, row.seq)
  replica.rows.at(replica.trie.get(nowhere) as Leaf)
  expect([replica.rows.hasFound, replica.quarantine.damagedKeys]).toStrictEqual([true, []])
})

it('the horizon is no key of the state', async () => {
  const node = await filled()
  node.replica.propose(versionAt(testWall + 5), new Map([[alice.nodeId, life(1)]]))
  await commit(node)
  flip(node, '\u0000horizon')
  const leaf = node.replica.trie.get(pathOf('\u0000horizon', '', sha256)) as Leaf
  expect(node.replica.rows.at(leaf)).toBeUndefined()
  expect([node.replica.rows.hasFound, node.replica.quarantine.damagedKeys]).toStrictEqual([true, []])
})

it('a delete by another node gives back nothing that was lost beside it', async () => {
  const node = await filled()
  for (const slot of [0, 1]) flip(node, 's', slot)
  const { replica } = node
  replica.read('s')
  replica.quarantine.take()
  replica.offer([entryOf({ key: 's', tick: 9 }, bob)], 'p2p', testWall)
  await commit(node)
  expect([replica.quarantine.places.length, replica.read('s')]).toEqual([2, undefined])
  await write(node, [{ op: 'delete', key: 's' }], testWall + 1)
  expect(replica.quarantine.places).toEqual([])
})

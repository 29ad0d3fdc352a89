/** What was damaged counts no more once its successor is here, also where that is how it was found. */
import { expect, it } from '@jest/globals'
import { encodeValue, type Row } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { bob } from './crypto.ts'
import { commit, entryOf, join, openReplica, type TestReplica } from './replicas.ts'

const damaged = async (): Promise<TestReplica> => {
  const node = openReplica()
  await join(node, [entryOf({ tick: 5, value: encodeValue('old') }, bob)])
  const row = node.store.slots('k')[0] as Row
  Object.assign(row, { bytes: row.bytes.map(byte => byte ^ 1) })
  return node
}

it('a later entry, which is compared with the row, takes its place at once and can be read', async () => {
  const node = await damaged()
  node.replica.offer([entryOf({ tick: 6, value: encodeValue('new') }, bob)], 'p2p', testWall)
  expect(node.replica.quarantine.take()).toHaveLength(1)
  await commit(node)
  expect([node.replica.read('k')?.value, node.replica.quarantine.places]).toEqual(['new', []])
})

it('one that is no later than what had been seen by then may be older than the row', async () => {
  const node = await damaged()
  await join(node, [entryOf({ tick: 7, key: 'other', value: encodeValue(1) }, bob)])
  node.replica.offer([entryOf({ tick: 6, value: encodeValue('new') }, bob)], 'p2p', testWall)
  expect(node.replica.quarantine.take()).toHaveLength(1)
  await commit(node)
  expect([node.replica.read('k'), node.replica.quarantine.isDamaged('k')]).toEqual([undefined, true])
})

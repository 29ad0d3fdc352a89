/**
 * What is left on the disk of a damaged entry goes once nobody waits for it any more: else the next start
 * built its trie on it again, with a root of its own and a key that cannot be read.
 */
import { describe, expect, it } from '@jest/globals'
import type { Operation, Row } from '@lattice/core'
import { createMemoryStore } from '@lattice/core/testing'
import { alice, bob } from './crypto.ts'
import { commit, openReplica, rootOf, write, type TestReplica } from './replicas.ts'

const add = (element: number): Operation => ({ op: 'add', key: 's', element })

/** A set of which one element is damaged and found. */
async function damagedSet(): Promise<TestReplica & { readonly lost: Row }> {
  const node = openReplica()
  await write(node, [add(1), add(2)])
  const lost = node.store.slots('s')[0] as Row
  Object.assign(lost, { bytes: lost.bytes.map(byte => byte ^ 1) })
  expect(node.replica.read('s')).toBeUndefined()
  return { ...node, lost }
}

const restarted = ({ store }: TestReplica): TestReplica =>
  openReplica(alice, createMemoryStore({ image: store.image }))

const stateOf = (node: TestReplica): unknown => {
  const value = node.replica.read('s')?.value
  return [value, node.replica.quarantine.damagedKeys, rootOf(node), node.store.facts('quarantine/', 9)]
}

it('of a key that was deleted here: it stays deleted, and can be written', async () => {
  const node = await damagedSet()
  node.replica.quarantine.take()
  await write(node, [{ op: 'delete', key: 's' }])
  const again = restarted(node)
  expect(again.store.at(node.lost.seq)).toBeUndefined()
  expect(stateOf(again)).toEqual([undefined, [], rootOf(node), []])
  await write(again, [add(3)])
  expect(again.replica.read('s')?.value).toEqual([3])
})

describe('of an entry that all who had it do without', () => {
  const givenUp = async (later: readonly Operation[]): ReturnType<typeof damagedSet> => {
    const node = await damagedSet()
    if (later.length > 0) await write(node, later)
    node.replica.quarantine.take(() => [bob.nodeId])
    await write(node, [{ op: 'put', key: 'remembers', value: 1 }])
    expect(node.replica.quarantine.agreed([bob.nodeId])).toBe(true)
    return node
  }

  it('with the very commit that forgets it', async () => {
    const node = await givenUp([])
    expect(node.replica.hasForming).toBe(true)
    await commit(node)
    const again = restarted(node)
    expect(again.store.at(node.lost.seq)).toBeUndefined()
    expect(stateOf(again)).toEqual([[2], [], rootOf(node), []])
  })

  it('with the next one, where the disk refuses that', async () => {
    const node = await givenUp([])
    node.replica.seal()
    node.replica.aborted()
    expect(stateOf(restarted(node))).toEqual([undefined, ['s'], rootOf(node), [expect.anything()]])
    await write(node, [{ op: 'put', key: 'next', value: 1 }])
    expect(stateOf(restarted(node))).toEqual([[2], [], rootOf(node), []])
    // Once: nothing of it is told again.
    await write(node, [{ op: 'put', key: 'last', value: 1 }])
    expect([...node.replica.seal().facts.keys()].filter(name => name.startsWith('quarantine/'))).toEqual([])
  })

  it('unless it is damaged anew meanwhile', async () => {
    const node = await givenUp([])
    node.replica.seal()
    node.replica.aborted()
    const other = node.store.slots('s').find(({ seq }) => seq !== node.lost.seq) as Row
    Object.assign(other, { bytes: other.bytes.map(byte => byte ^ 1) })
    node.replica.read('s')
    node.replica.quarantine.take()
    await write(node, [{ op: 'put', key: 'next', value: 1 }])
    expect([node.store.at(node.lost.seq), node.store.at(other.seq)]).toEqual([undefined, other])
    expect(restarted(node).replica.quarantine.places.map(({ seq }) => seq)).toEqual([other.seq])
  })
})

it('also of the newest row, as soon as there is a newer one; until then it stays in quarantine', async () => {
  const node = openReplica()
  await write(node, [add(1)])
  await write(node, [add(2)])
  const newest = node.store.at(node.store.lastSeq) as Row
  Object.assign(newest, { bytes: newest.bytes.map(byte => byte ^ 1) })
  node.replica.read('s')
  node.replica.quarantine.take(() => [bob.nodeId])
  await commit(node)
  expect(node.replica.quarantine.agreed([bob.nodeId])).toBe(true)
  expect([node.replica.hasForming, node.replica.read('s')?.value]).toEqual([false, [1]])
  node.replica.stageFact('cursor', new Uint8Array(1))
  await commit(node)
  expect(stateOf(restarted(node))).toEqual([undefined, ['s'], rootOf(node), [expect.anything()]])
  await write(node, [{ op: 'put', key: 'next', value: 1 }])
  const again = restarted(node)
  expect(again.store.at(newest.seq)).toBeUndefined()
  expect(stateOf(again)).toEqual([[1], [], rootOf(node), []])
})

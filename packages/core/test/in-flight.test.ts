/** What is lost never passes for absent during a commit: only what that takes away may have gone. */
import { describe, expect, it } from '@jest/globals'
import { encodeValue, type Operation, type Row } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { counterSlot } from '../src/slot.ts'
import { bob } from './crypto.ts'
import { commit, entryOf, life, openReplica, write, type TestReplica } from './replicas.ts'

const increment: Operation = { op: 'increment', key: 'n', by: 1 }

/** What another author has counted there. */
const other = entryOf(
  { key: 'n', tick: 1, slot: counterSlot(bob.nodeId, life(2)), value: encodeValue(3) },
  bob,
)

/** The index of places has lost a row. */
function unlist({ store }: TestReplica, seq: number): void {
  const slots = store.slots.bind(store)
  Object.assign(store, { slots: (key: string) => slots(key).filter(row => row.seq !== seq) })
}

/** The row itself has gone, too. */
function lose(node: TestReplica, seq: number): void {
  unlist(node, seq)
  const at = node.store.at.bind(node.store)
  Object.assign(node.store, {
    at: (asked: number): Row | undefined => (asked === seq ? undefined : at(asked)),
  })
}

describe.each([
  ['on its way to the disk', false],
  ['durable, and not in the trie yet', true],
])('while a commit is %s', (_, isDurable) => {
  /** A counter of 7 that has lost its row in some way; other slots or keys are being committed. */
  const openCounter = async (damage: (node: TestReplica, seq: number) => void, isSameKey = false) => {
    const node = openReplica()
    await write(node, [{ ...increment, by: 7 }])
    damage(node, node.store.lastSeq)
    if (isSameKey) node.replica.offer([other], 'p2p', testWall)
    else node.replica.write([{ op: 'put', key: 'other', value: 1 }], testWall)
    const batch = node.replica.seal()
    if (isDurable) await node.store.commit(batch)
    return node
  }

  it('a counter that the index of places has lost counts on', async () => {
    const { replica } = await openCounter(unlist)
    expect(replica.read('n')?.value).toBe(7)
    replica.write([increment], testWall)
    expect(replica.readStaged('n')?.value).toBe(8)
  })

  it.each([
    ['another key', false],
    ['another slot of it', true],
  ])('a counter whose row has gone is damaged, and does not begin anew, beside %s', async (__, isSameKey) => {
    const { replica } = await openCounter(lose, isSameKey)
    expect([replica.read('n'), replica.quarantine.isDamaged('n')]).toEqual([undefined, true])
    expect(() => replica.write([increment], testWall)).toThrow('damaged')
  })

  it('what the commit brings is not served where the disk has changed it', async () => {
    const node = openReplica()
    node.replica.write([{ op: 'put', key: 'a', value: 'new' }], testWall)
    await node.store.commit(node.replica.seal())
    const [row] = node.store.slots('a')
    Object.assign(row ?? {}, { bytes: row?.bytes.map((byte, at) => (at === 47 ? byte ^ 1 : byte)) })
    expect(node.replica.read('a')).toBeUndefined()
  })

  it('what the commit supersedes is not damaged', async () => {
    const node = openReplica()
    await write(node, [increment, { op: 'put', key: 'a', value: 1 }])
    node.replica.write([increment, { op: 'put', key: 'a', value: 2 }], testWall)
    const batch = node.replica.seal()
    if (isDurable) await node.store.commit(batch)
    const value = isDurable ? 2 : 1
    expect(['n', 'a'].map(key => node.replica.read(key)?.value)).toEqual([value, value])
    expect(node.replica.rows.scan(0, 9).damaged).toEqual([])
    expect(node.replica.rows.hasFound).toBe(false)
    if (!isDurable) await node.store.commit(batch)
    node.replica.committed()
    await commit(node)
    expect([node.replica.rows.hasFound, node.replica.read('n')?.value]).toEqual([false, 2])
  })
})

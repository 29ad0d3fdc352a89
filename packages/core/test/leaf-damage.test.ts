/** Leaves of the trie that are damaged on the disk, while their rows are sound (reliability S7). */
import { describe, expect, it } from '@jest/globals'
import { admit, parseEntry, pathOf, type Entry, type Leaf, type NewRow, type Operation } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import type { Intake } from '../src/intake.ts'
import { StoreCare } from '../src/store-care.ts'
import { bob, sha256 } from './crypto.ts'
import { commit, openReplica, rootOf, write, type TestReplica } from './replicas.ts'

const put = (key: string, value: string): Operation => ({ op: 'put', key, value })
const increment = (key: string, by = 1): Operation => ({ op: 'increment', key, by })

const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? byte ^ 0x10 : byte))
const damage = ({ store }: TestReplica, seq: number, change: (row: NewRow) => Partial<NewRow>): NewRow => {
  const row = store.image.rows.get(seq) as NewRow
  return Object.assign(row, change(row))
}
const damageLeaf = (node: TestReplica, seq: number): NewRow =>
  damage(node, seq, ({ leaf }) => ({ leaf: flipped(leaf, 16) }))
const misplaceLeaf = (node: TestReplica, seq: number): NewRow =>
  damage(node, seq, ({ path }) => ({ path: flipped(path, 7) }))

const filled = async (): Promise<TestReplica> => {
  const node = openReplica()
  await write(node, [put('a', 'one')])
  await write(node, [put('b', 'two'), put('c', 'three')])
  await write(node, [increment('n', 5)])
  return node
}

/** As the scrub does: what nothing vouches for is verified and offered again. */
async function scrub(node: TestReplica): Promise<void> {
  const { unvouched } = node.replica.rows.scan(0, 10)
  node.replica.quarantine.take()
  const entries = unvouched.map(bytes => admit(parseEntry(bytes, sha256) as Entry))
  node.replica.offer(entries, 'disk', testWall)
  await commit(node)
}

it('a leaf that goes with its row, while the scrub reads one after the other, is no damage', async () => {
  const node = await filled()
  const { replica, store } = node
  replica.write([put('b', 'newer')], testWall)
  store.hold()
  const done = store.commit(replica.seal())
  const read = store.after.bind(store)
  const readAndLand: typeof read = (...range) => {
    const rows = read(...range)
    store.release()
    return rows
  }
  Object.assign(store, { after: readAndLand })
  expect(replica.rows.scan(0, 10)).toMatchObject({ rowCount: 4, damaged: [] })
  await done
  replica.committed()
  expect([replica.quarantine.take(), replica.read('b')?.value]).toEqual([[], 'newer'])
})

describe('a leaf on the disk that is damaged', () => {
  it('is found, although trie and row are sound: the entry is written anew', async () => {
    const node = await filled()
    const root = rootOf(node)
    damageLeaf(node, 2)
    expect(node.replica.rows.scan(0, 10).damaged.map(({ key }) => key)).toEqual(['b'])
    await scrub(node)
    const { quarantine } = node.replica
    expect([rootOf(node), node.replica.read('b')?.value, quarantine.places]).toEqual([root, 'two', []])
    expect(node.replica.rows.scan(0, 10)).toMatchObject({ rowCount: 4, damaged: [] })
  })

  it('and that a trie was built from at a start, is mended', async () => {
    const before = await filled()
    const root = rootOf(before)
    damageLeaf(before, 2)
    const node = openReplica(undefined, before.store)
    expect(rootOf(node)).not.toBe(root)
    await scrub(node)
    expect([rootOf(node), node.replica.quarantine.places]).toEqual([root, []])
  })

  it('in its place: the key is refused, never absent, until the scrub has mended it', async () => {
    const before = await filled()
    const root = rootOf(before)
    for (const seq of [2, 4]) misplaceLeaf(before, seq)
    const node = openReplica(undefined, before.store)
    const { quarantine } = node.replica
    for (const key of ['b', 'n'])
      expect([node.replica.read(key), quarantine.isDamaged(key)]).toEqual([undefined, true])
    expect(quarantine.take().map(({ key }) => key)).toEqual(['b', 'n'])
    await scrub(node)
    expect([rootOf(node), quarantine.places, node.replica.read('n')?.value]).toEqual([root, [], 5])
  })

  it('in its place, is found by the scrub though nobody reads the key', async () => {
    const before = await filled()
    const root = rootOf(before)
    misplaceLeaf(before, 2)
    const node = openReplica(undefined, before.store)
    await scrub(node)
    expect([rootOf(node), node.replica.quarantine.places]).toEqual([root, []])
  })

  it('in its place, is noted once, with who is known to have had it, however often it is read', async () => {
    const before = await filled()
    misplaceLeaf(before, 2)
    const { replica } = openReplica(undefined, before.store)
    replica.read('b')
    expect(replica.quarantine.take(() => [bob.nodeId])).toHaveLength(1)
    replica.read('b')
    expect(replica.quarantine.take()).toEqual([])
    expect(replica.quarantine.places.map(({ holders }) => holders.length)).toEqual([1])
  })

  it('does not let a counter begin anew that is missing from the trie alone', async () => {
    const before = await filled()
    misplaceLeaf(before, 4)
    const { replica } = openReplica(undefined, before.store)
    const care = new StoreCare({ replica, intake: { own: {} } as Intake })
    const write = { type: 'write', id: 1, operations: [increment('n')], conditions: {} } as const
    expect(care.refusal(write.operations, { mono: 0, wall: testWall })).toBeUndefined()
    expect(() => replica.write(write.operations, testWall)).toThrow(
      expect.objectContaining({ code: 'ENTRY_DAMAGED' }),
    )
  })

  it('and names the row of another, has neither served in the place of the other', async () => {
    const node = await filled()
    const other = node.replica.trie.get(pathOf('c', '', sha256)) as Leaf
    node.replica.trie.setLeaf(pathOf('b', '', sha256), other.digest, other.seq)
    expect([node.replica.read('b'), node.replica.quarantine.isDamaged('b')]).toEqual([undefined, true])
    expect(node.replica.read('c')?.value).toBe('three')
  })
})

it('a row of which only the slot is damaged is mended from its bytes', async () => {
  const node = await filled()
  const root = rootOf(node)
  damage(node, 2, () => ({ slot: '02ff' }))
  expect(node.replica.read('b')).toBeUndefined()
  await scrub(node)
  expect([rootOf(node), node.replica.quarantine.places, node.replica.read('b')?.value]).toEqual([
    root,
    [],
    'two',
  ])
})

it('a sound row of another key is not served for a key that the index of places has mixed up with it', async () => {
  const { replica, store } = await filled()
  const slots = store.slots.bind(store)
  Object.assign(store, { slots: (key: string) => slots(key === 'b' ? 'c' : key) })
  expect(['b', 'c'].map(key => replica.read(key)?.value)).toEqual(['two', 'three'])
})

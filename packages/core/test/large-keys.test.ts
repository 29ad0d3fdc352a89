/** Keys with many slots: what is remembered of them is what their rows say, whatever happens to them. */
import { describe, expect, it, jest } from '@jest/globals'
import { encodeValue, versionAt, type Operation, type Row, type VerifiedEntry } from '@lattice/core'
import { createMemoryStore, createSeededRandom, testWall } from '@lattice/core/testing'
import { KeptSummaries } from '../src/kept-summaries.ts'
import { summaryOf } from '../src/key-summary.ts'
import { elementSlot } from '../src/slot.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, sha256 } from './crypto.ts'
import { saidByFacts, saidByRows } from './key-facts.ts'
import { commit, entryOf, openReplica, write, type TestReplica } from './replicas.ts'

const add = (name: string, key = 'set'): Operation => ({ op: 'add', key, element: name })
const adds = (count: number, key = 'set'): Operation[] =>
  Array.from({ length: count }, (_, at) => add(`element ${at}`, key))

/** Of another author, written before or after deletes that he may not have heard of. */
function foreign(name: string, isThere: boolean, tick: number, base: bigint): VerifiedEntry {
  const value = encodeValue(name)
  return entryOf(
    { key: 'set', tick, base, slot: elementSlot(value, sha256), value: isThere ? value : undefined },
    bob,
  )
}

function elementsOf({ replica }: TestReplica): string[] {
  return (replica.read('set')?.value ?? []) as string[]
}

/** How many rows a replica has read from its store since the last call. */
function countReads({ store }: TestReplica): () => number {
  const [slots, at] = [jest.spyOn(store, 'slots'), jest.spyOn(store, 'at')]
  return () => {
    const rows = slots.mock.results.reduce((sum, { value }) => sum + (value as unknown[]).length, 0)
    const read = rows + at.mock.calls.length
    slots.mockClear()
    at.mockClear()
    return read
  }
}

describe('a key with many slots', () => {
  it('is not read anew for one more element, one less, one of a peer, or one just staged', async () => {
    const node = openReplica()
    await write(node, adds(500))
    const reads = countReads(node)
    await write(node, [add('new')])
    expect(reads()).toBe(0)
    await write(node, [{ op: 'remove', key: 'set', element: 'element 3' }])
    expect(reads()).toBeLessThan(5)
    node.replica.offer([foreign('his', true, 5, 0n)], 'p2p', testWall)
    node.replica.write([add('one'), add('two')], testWall + 1)
    node.replica.write([add('three')], testWall + 2)
    await commit(node)
    expect(reads()).toBeLessThan(5)
    expect(elementsOf(node)).toHaveLength(504)
  })

  it('is not read for each write of a batch that deletes it and fills it again', async () => {
    const node = openReplica()
    await write(node, adds(500))
    const reads = countReads(node)
    node.replica.write([{ op: 'delete', key: 'set' }], testWall + 1)
    for (const operation of adds(50)) node.replica.write([operation], testWall + 2)
    await commit(node)
    expect(reads()).toBeLessThan(2_000)
    for (const operation of adds(50)) await write(node, [operation], testWall + 3)
    expect(reads()).toBeLessThan(200)
    expect(elementsOf(node)).toHaveLength(50)
    expect(saidByFacts(node)).toEqual(saidByRows(node))
  })

  it('is not followed from a row that has gone from the store and not yet from the trie', async () => {
    const node = openReplica()
    node.replica.propose(20n, new Map([[alice.nodeId, node.store.incarnation]]))
    const others = Array.from({ length: 99 }, (_, at) => foreign(`element ${at}`, true, at, 9n))
    node.replica.offer([...others, foreign('x', true, 200, 3n)], 'p2p', testWall)
    await commit(node)
    // The only entry that remembers as little as 3 gives way, and is durable before the replica knows.
    node.replica.offer([foreign('x', true, 300, 9n)], 'p2p', testWall)
    await node.store.commit(node.replica.seal())
    node.replica.write([add('new')], testWall + 1)
    node.replica.committed()
    await commit(node)
    const slot = elementSlot(encodeValue('new'), sha256)
    const row = node.store.slots('set').find(each => each.slot === slot)
    expect(row && storedEntry(row).base).toBe(9n)
  })

  it('is not followed from a row that was damaged and gave way before that batch was on the disk', async () => {
    const node = openReplica()
    const { replica, store } = node
    replica.propose(20n, new Map([[alice.nodeId, store.incarnation]]))
    const others = Array.from({ length: 99 }, (_, at) => foreign(`element ${at}`, true, at, 9n))
    const later = ['z', 'y', 'x'].map((name, at) => foreign(name, true, (20 + at) * 65_536, 9n))
    const [z, y, x] = later as [VerifiedEntry, VerifiedEntry, VerifiedEntry]
    replica.offer([...others, foreign('x', true, 200, 3n)], 'p2p', testWall)
    await commit(node)
    replica.offer([z], 'p2p', testWall + 10)
    expect(() => replica.write([{ op: 'put', key: 'set', value: 1 }], testWall + 10)).toThrow('is a set')
    // The only entry that remembers as little as 3 is lost, and a later one takes its place.
    const lost = store.slots('set').find(({ slot }) => slot === x.slot) as Row
    Object.assign(lost, { bytes: lost.bytes.map(byte => byte ^ 1) })
    expect([replica.rows.slots('set').length, replica.quarantine.take().length]).toEqual([99, 1])
    replica.offer([x], 'p2p', testWall + 10)
    await store.commit(replica.seal())
    replica.offer([y], 'p2p', testWall + 10)
    replica.committed()
    expect(replica.quarantine.places).toEqual([])
    replica.write([add('new')], testWall + 30)
    await commit(node)
    const slot = elementSlot(encodeValue('new'), sha256)
    const row = store.slots('set').find(each => each.slot === slot)
    expect(row && storedEntry(row).base).toBe(9n)
  })

  it('counts as its rows say whichever entry of a transaction its signature makes the greatest', async () => {
    const node = openReplica()
    await write(node, adds(100))
    for (let round = 0; round < 20; round++) {
      await write(node, [{ op: 'remove', key: 'set', element: 'element 3' }])
      await write(node, [add('x')])
      // The only removal there was goes, and another one comes.
      const removal: Operation = { op: 'remove', key: 'set', element: `element ${round + 10}` }
      await write(node, [removal, add('y'), add('element 3')])
      expect(saidByFacts(node)).toEqual(saidByRows(node))
      await write(node, [add(`element ${round + 10}`)])
    }
  })

  it('counts and ends as its rows say, through all that can happen to it', async () => {
    const random = createSeededRandom(5)
    const upTo = (count: number): number => Math.floor(random.unit() * count)
    let node = openReplica()
    let model = new Set<string>()
    let largest = 0
    let wall = testWall
    let tick = 0
    for (let round = 0; round < 400; round++) {
      wall += 1_000
      const next = new Set(model)
      for (let writes = 1 + upTo(3); writes > 0; writes--) {
        const operations = Array.from({ length: 1 + upTo(10) }, (): Operation => {
          const name = `element ${upTo(200)}`
          return { op: random.unit() < 0.7 ? 'add' : 'remove', key: 'set', element: name }
        })
        if (random.unit() < 0.02) operations.unshift({ op: 'delete', key: 'set' })
        node.replica.write(operations, wall)
        for (const operation of operations)
          if (operation.op === 'delete') next.clear()
          else if (operation.op === 'add') next.add(operation.element as string)
          else if (operation.op === 'remove') next.delete(operation.element as string)
      }
      // Older than all that is written here: it fills slots that are free, and no others.
      const name = `his ${upTo(80)}`
      const his = foreign(name, random.unit() < 0.7, ++tick, 0n)
      if (random.unit() < 0.5) node.replica.offer([his], 'p2p', wall)
      const isHorizon = random.unit() < 0.05
      const holders = new Map([[alice.nodeId, node.store.incarnation]])
      if (isHorizon) node.replica.propose(versionAt(wall - 1_500), holders)
      if (random.unit() < 0.1) {
        node.replica.seal()
        node.replica.aborted()
        continue
      }
      await commit(node)
      model = next
      largest = Math.max(largest, node.store.slots('set').length)
      expect(saidByFacts(node)).toEqual(saidByRows(node))
      expect(
        elementsOf(node)
          .filter(each => each.startsWith('element'))
          .sort(),
      ).toEqual([...model].sort())
      if (random.unit() < 0.05) node = openReplica(alice, createMemoryStore({ image: node.store.image }))
    }
    expect(largest).toBeGreaterThan(150)
  })
})

describe('kept summaries', () => {
  const large = summaryOf(Array.from({ length: 64 }, (_, at) => foreign(`element ${at}`, true, at, 0n)))

  it('are forgotten where the trie counts others', () => {
    const kept = new KeptSummaries()
    kept.keep('set', large)
    expect(kept.get('set', () => 64)).toBe(large)
    expect(kept.get('set', () => 63)).toBeUndefined()
    expect(kept.get('set', () => 64)).toBeUndefined()
  })

  it('are bounded: those used longest ago go first', () => {
    const kept = new KeptSummaries()
    for (let at = 0; at < 4_097; at++) {
      kept.keep(`set ${at}`, large)
      kept.get('set 0', () => 64)
    }
    const present = [0, 1, 2, 4_096].filter(at => kept.get(`set ${at}`, () => 64) !== undefined)
    expect(present).toEqual([0, 2, 4_096])
  })

  it('are those of keys with many slots', () => {
    const kept = new KeptSummaries()
    kept.keep('set', { ...large, count: 63 })
    expect(kept.get('set', () => 63)).toBeUndefined()
  })
})

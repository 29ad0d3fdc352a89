/** What the store remembers of keys beside their rows is what the rows say, whatever was written together. */
import { expect, it, jest } from '@jest/globals'
import fc from 'fast-check'
import {
  equalBytes,
  versionAt,
  type Batch,
  type Operation,
  type Row,
  type VerifiedEntry,
} from '@lattice/core'
import { anyOperation, createMemoryStore, runsFromEnvironment, testWall } from '@lattice/core/testing'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, sha256 } from './crypto.ts'
import { saidByFacts, saidByRows } from './key-facts.ts'
import { commit, openReplica, write } from './replicas.ts'

const operation = fc
  .tuple(anyOperation, fc.constantFrom('a', 'b', 'c'))
  .map(([each, key]): Operation => ({ ...each, key }))

const step = fc.record({
  operations: fc.array(operation, { minLength: 1, maxLength: 4 }),
  next: fc.constantFrom('nothing', 'nothing', 'refusal', 'restart', 'horizon'),
})

it('through transactions of several elements, refused commits, restarts and horizons', async () => {
  const { seed = 1, numRuns } = runsFromEnvironment(150)
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async steps => {
    let node = openReplica(alice, createMemoryStore())
    const settle = async (isRefused: boolean): Promise<void> => {
      if (isRefused) node.store.failNext()
      const commit = node.store.commit(node.replica.seal())
      await commit.then(
        () => node.replica.committed(),
        () => node.replica.aborted(),
      )
      expect(saidByFacts(node)).toEqual(saidByRows(node))
    }
    let wall = testWall
    for (const { operations, next } of steps) {
      wall += 1_000
      try {
        node.replica.write(operations, wall)
      } catch {
        continue // a key of another type
      }
      await settle(next === 'refusal')
      if (next === 'restart') node = openReplica(alice, createMemoryStore({ image: node.store.image }))
      if (next !== 'horizon') continue
      node.replica.propose(versionAt(wall - 500), new Map([[alice.nodeId, node.store.incarnation]]))
      await settle(false)
    }
  })
  await fc.assert(property, { numRuns, seed })
})

it('is told anew after a start where damage was found once a batch was closed, and not yet handed out', async () => {
  const node = openReplica()
  const { replica, store } = node
  await write(node, [{ op: 'add', key: 'k', element: 1 }])
  await write(node, [{ op: 'delete', key: 'k' }])
  replica.write([{ op: 'put', key: 'k', value: 1 }], testWall)
  replica.close()
  const row = store.slots('k').find(({ slot }) => slot !== '') as Row
  const lost = storedEntry(row)
  Object.assign(row, { bytes: row.bytes.map(byte => byte ^ 1) })
  expect(replica.rows.slots('k')).toHaveLength(1)
  await store.commit(replica.batches.take() as Batch)
  replica.committed()
  replica.quarantine.take()
  replica.offer([lost], 'p2p', testWall)
  await commit(node)
  expect(replica.read('k')?.value).toBe(1)
  const again = openReplica(alice, createMemoryStore({ image: store.image }))
  expect(saidByFacts(again)).toEqual(saidByRows(again))
})

const damagedStep = fc.record({
  operations: fc.array(operation, { minLength: 1, maxLength: 3 }),
  /** The row that is damaged before these are written, by another node if so. */
  damages: fc.option(fc.nat(20), { freq: 2 }),
  byOther: fc.boolean(),
  next: fc.constantFrom('nothing', 'return', 'return', 'restart', 'count anew', 'horizon'),
})

it('is right after a start, whatever was damaged, found, deleted and fetched again before it', async () => {
  const { seed = 1, numRuns } = runsFromEnvironment(150)
  const property = fc.asyncProperty(fc.array(damagedStep, { minLength: 1, maxLength: 12 }), async steps => {
    let node = openReplica(alice, createMemoryStore())
    const other = openReplica(bob, createMemoryStore())
    const lost: VerifiedEntry[] = []
    let wall = testWall
    const takeIn = async (entries: readonly VerifiedEntry[]): Promise<void> => {
      node.replica.offer(entries, 'p2p', wall, node.replica.horizon)
      await commit(node)
      node.replica.quarantine.take()
    }
    const giveBack = (): Promise<void> => takeIn(lost.splice(0))
    for (const { operations, damages, byOther, next } of steps) {
      wall += 1_000
      const row = damages === null ? undefined : node.store.after(0, 99)[damages]
      if (row !== undefined && equalBytes(sha256(row.bytes), row.digest)) {
        lost.push(storedEntry({ ...row }))
        Object.assign(row, { bytes: row.bytes.map(byte => byte ^ 1) })
      }
      const writer = byOther ? other : node
      try {
        await write(writer, operations, wall)
      } catch {
        writer.replica.quarantine.take()
      }
      if (byOther) await takeIn(other.store.after(0, 999).map(storedEntry))
      node.replica.quarantine.take()
      if (next === 'horizon') {
        node.replica.propose(versionAt(wall - 500), new Map([[alice.nodeId, node.store.incarnation]]))
        await commit(node)
      }
      if (next === 'return') await giveBack()
      if (next === 'count anew') node.store.image.facts.delete('keys')
      if (next === 'restart' || next === 'count anew')
        node = openReplica(alice, createMemoryStore({ image: node.store.image }))
    }
    node.replica.rows.scan(0, 999)
    node.replica.quarantine.take()
    await giveBack()
    if (node.replica.quarantine.places.length > 0) return
    node = openReplica(alice, createMemoryStore({ image: node.store.image }))
    expect(saidByFacts(node)).toEqual(saidByRows(node))
  })
  await fc.assert(property, { numRuns, seed })
})

it('is told anew where nothing counts them, however much was said before', async () => {
  const store = createMemoryStore()
  const name = (at: number): string => `due/${(at % 9) + 1}${String(at).padStart(15, '0')}/${'0'.repeat(32)}`
  const stale = Array.from({ length: 50_010 }, (_, at) => [name(at), Uint8Array.of(97)] as const)
  await store.commit({ rows: [], facts: new Map(stale) })
  const node = openReplica(alice, store)
  node.replica.write([{ op: 'delete', key: 'a' }], testWall)
  await store.commit(node.replica.seal())
  node.replica.committed()
  expect(saidByFacts(node)).toEqual(saidByRows(node))
})

it('is told anew row by row: keys of several rows are looked at once, and dues that are right are not written', async () => {
  const { store, replica } = openReplica()
  const node = { store, replica }
  const single = Array.from({ length: 600 }, (_, at): Operation => ({ op: 'put', key: `k${at}`, value: at }))
  const several = ['a', 'b', 'c'].map((element): Operation => ({ op: 'add', key: 'set', element }))
  await write(node, [...single, ...several])
  await write(node, [
    { op: 'delete', key: 'k1' },
    { op: 'remove', key: 'set', element: 'a' },
  ])
  // The removal ends only once it is not the latest of its key.
  await write(node, [{ op: 'add', key: 'set', element: 'd' }])
  const damaged = store.slots('k2')[0] as Row
  Object.assign(damaged, { bytes: damaged.bytes.map((byte, at) => (at === 40 ? byte ^ 1 : byte)) })
  const before = store.facts('due/', 9)
  store.image.facts.delete('keys')
  store.image.facts.set('due/0000000000000001/00', Uint8Array.of(97))
  const image = createMemoryStore({ image: store.image })
  const slots = jest.spyOn(image, 'slots')
  const again = openReplica(alice, image)
  expect(slots.mock.calls).toEqual([['k2'], ['set']])
  expect([again.replica.keys.keyCount, again.replica.keys.endingCount]).toEqual([599, 2])
  again.replica.write([{ op: 'put', key: 'other', value: 1 }], testWall)
  const { facts } = again.replica.seal()
  expect([...facts.keys()].filter(name => name.startsWith('due/'))).toEqual(['due/0000000000000001/00'])
  expect(before).toHaveLength(2)
})

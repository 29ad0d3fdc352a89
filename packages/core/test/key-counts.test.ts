/** What the store remembers of keys beside their rows is what the rows say, whatever was written together. */
import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import { versionAt, type Batch, type Operation, type Row } from '@lattice/core'
import { anyOperation, createMemoryStore, runsFromEnvironment, testWall } from '@lattice/core/testing'
import { storedEntry } from '../src/winners.ts'
import { alice } from './crypto.ts'
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

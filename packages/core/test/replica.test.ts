/** The replica: stages, commits in groups, forgets what the disk refused, and counts what can be read. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  deferredPerAuthorMax,
  encodeValue,
  futureToleranceMs,
  isLatticeError,
  toHex,
  toUtf8,
  versionAt,
  type Operation,
  type Replica,
  type VerifiedEntry,
} from '@lattice/core'
import {
  anyEntry,
  anyOperation,
  createMemoryStore,
  runsFromEnvironment,
  testWall,
} from '@lattice/core/testing'
import { counterSlot } from '../src/slot.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, carol, createTestSigner, sha256 } from './crypto.ts'
import { commit, entryOf, everybody, join, openReplica, readingsOf, rootOf, write } from './replicas.ts'

const put = (key: string, value: string): Operation => ({ op: 'put', key, value })
const later = (ms: number, value = 'x', key = 'k'): VerifiedEntry =>
  entryOf({ tick: ms * 65_536, key, value: encodeValue(value) }, bob)

describe('staging and commits', () => {
  it('what is staged is built upon at once, and read by others after the commit', async () => {
    const node = openReplica()
    node.replica.write([{ op: 'increment', key: 'n', by: 1 }], testWall)
    node.replica.write([{ op: 'increment', key: 'n', by: 2 }], testWall)
    expect(node.replica.readStaged('n')?.value).toBe(3)
    expect(node.replica.read('n')).toBeUndefined()
    expect([node.replica.trie.count, node.replica.keys.keyCount]).toEqual([0, 0])
    await commit(node)
    expect(node.replica.read('n')?.value).toBe(3)
    expect([node.replica.trie.count, node.replica.keys.keyCount]).toEqual([1, 1])
  })

  it('writers that arrive while the disk works share the next commit', async () => {
    const node = openReplica()
    node.replica.write([put('a', '1')], testWall)
    const first = node.replica.seal()
    node.replica.write([put('b', '2')], testWall)
    node.replica.write([put('c', '3')], testWall)
    expect(() => node.replica.seal()).toThrow('one batch')
    await node.store.commit(first)
    expect(node.replica.committed().rows.map(row => row.key)).toEqual(['a'])
    const second = node.replica.seal()
    expect(second.rows.map(row => [row.key, row.seq])).toEqual([
      ['b', 2],
      ['c', 3],
    ])
    await node.store.commit(second)
    node.replica.committed()
    expect(node.replica.keys.keyCount).toBe(3)
  })

  it('a slot that is written again within a batch costs one row', () => {
    const { replica } = openReplica()
    replica.write([put('a', 'old')], testWall)
    replica.write([put('a', 'new')], testWall)
    expect(replica.seal().rows).toHaveLength(1)
  })

  it('a slot written again while its row is on the way stays staged for its own commit', async () => {
    const node = openReplica()
    node.replica.write([put('a', 'old')], testWall)
    const first = node.replica.seal()
    node.replica.write([put('a', 'new')], testWall)
    await node.store.commit(first)
    node.replica.committed()
    expect([node.replica.read('a')?.value, node.replica.readStaged('a')?.value]).toEqual(['old', 'new'])
    await commit(node)
    expect(node.replica.read('a')?.value).toBe('new')
    expect(node.replica.trie.count).toBe(1)
  })

  it('a refused commit takes everything with it that was built upon it', async () => {
    const node = openReplica()
    await write(node, [{ op: 'increment', key: 'n', by: 1 }])
    const before = [rootOf(node), node.replica.keys.keyCount]
    node.replica.write([{ op: 'increment', key: 'n', by: 10 }], testWall)
    node.replica.stageFact('f', toUtf8('x'))
    node.replica.seal()
    node.replica.write([{ op: 'increment', key: 'n', by: 100 }, put('p', 'x')], testWall)
    node.replica.aborted()
    expect([node.replica.hasForming, node.replica.isCommitting]).toEqual([false, false])
    expect(node.replica.readStaged('n')?.value).toBe(1)
    expect([rootOf(node), node.replica.keys.keyCount]).toEqual(before)
    await write(node, [{ op: 'increment', key: 'n', by: 1000 }])
    expect(node.replica.read('n')?.value).toBe(1001)
    expect(node.store.fact('f')).toBeUndefined()
    expect(rootOf(openReplica(alice, node.store))).toBe(rootOf(node))
  })

  it('a horizon that the disk has refused ends nothing', async () => {
    const node = openReplica()
    node.replica.propose(later(5).version, new Map([[alice.nodeId, node.store.incarnation]]))
    expect(node.replica.offer([later(5)], 'p2p', testWall)).toEqual(['ended'])
    expect(node.replica.isNews(later(5))).toBe(true)
    node.replica.seal()
    node.replica.aborted()
    expect(node.replica.offer([later(5)], 'p2p', testWall)).toEqual(['staged'])
  })

  it('the floor does not pass what is not durable: another one may still be written below it', async () => {
    const node = openReplica()
    const first = await write(node, [put('a', '1')])
    const second = node.replica.write([put('a', '2')], testWall + 1)
    expect(node.replica.floor).toBe(first)
    await commit(node)
    expect(node.replica.floor).toBe(second)
  })

  it('nor what waits for its time, but 0 says that something is lost', async () => {
    const node = openReplica()
    const late = { tick: 2 * futureToleranceMs * 65_536, value: encodeValue(1) }
    await write(node, [{ op: 'delete', key: 'k' }])
    const proposer = openReplica(bob)
    const young = versionAt(testWall - 1)
    proposer.replica.propose(young, new Map([[bob.nodeId, proposer.store.incarnation]]))
    await commit(proposer)
    node.replica.offer(proposer.store.after(0, 9).map(storedEntry), 'p2p', testWall)
    expect(node.replica.floor).toBe(young - 1n)
    const slot = counterSlot(bob.nodeId, node.store.incarnation)
    node.replica.offer([entryOf({ ...late, slot }, bob)], 'p2p', testWall)
    expect(node.replica.floor).toBe(1n)
  })

  it('entries of strangers are refused, known and beaten ones held', async () => {
    const node = openReplica()
    const { replica } = node
    const stranger = entryOf({ tick: 1, value: encodeValue(1) }, createTestSigner(99))
    const [old, young] = [later(1), later(2)]
    expect(replica.offer([stranger, young, young, old], 'p2p', testWall)).toEqual([
      'refused',
      'staged',
      'held',
      'held',
    ])
    const news = (): boolean[] => [old, young, later(3)].map(entry => replica.isNews(entry))
    // The disk may refuse it, and what is no news is not offered any more.
    expect(news()).toEqual([true, true, true])
    await commit(node)
    expect(news()).toEqual([false, false, true])
  })

  it('a batch of facts alone is a batch too', async () => {
    const node = openReplica()
    node.replica.stageFact('f', toUtf8('x'))
    expect(node.replica.hasForming).toBe(true)
    await commit(node)
    expect(node.store.fact('f')).toEqual(toUtf8('x'))
    node.replica.stageFact('f', undefined)
    await commit(node)
    expect(node.store.fact('f')).toBeUndefined()
  })
})

describe('after a restart', () => {
  it('everything is there again: root, keys, count and clock', async () => {
    const node = openReplica()
    await write(node, [put('a', '1'), put('b', '2'), { op: 'add', key: 's', element: 1 }])
    await write(node, [{ op: 'delete', key: 'b' }])
    const again = openReplica(alice, createMemoryStore({ image: node.store.image }))
    expect(rootOf(again)).toBe(rootOf(node))
    expect(readingsOf(again)).toEqual(readingsOf(node))
    expect([again.replica.keys.keyCount, again.replica.highWater]).toEqual([2, node.replica.highWater])
  })

  it('versions go on above all before, even where the wall clock went back', async () => {
    const node = openReplica()
    const last = await write(node, [put('a', '1')], testWall)
    await join(node, [later(300_000)])
    const again = openReplica(alice, createMemoryStore({ image: node.store.image }))
    const next = await write(again, [put('k', 'mine')], testWall - 86_400_000)
    expect(next > last).toBe(true)
    expect(next > later(300_000).version).toBe(true)
    expect(again.replica.read('k')?.value).toBe('mine')
  })

  it('and where the clock was damaged and forgotten, above all that is held', async () => {
    const node = openReplica()
    await write(node, [put('a', '1')], testWall)
    await join(node, [later(300_000)])
    node.store.image.facts.delete('clock')
    // Any version may stand in a row that is damaged.
    const [row] = node.store.slots('a')
    Object.assign(row ?? {}, { bytes: row?.bytes.map((byte, at) => (at > 32 && at < 37 ? 255 : byte)) })
    const again = openReplica(alice, createMemoryStore({ image: node.store.image }))
    const next = await write(again, [put('k', 'mine')], testWall - 86_400_000)
    expect(next).toBe(later(300_000).version + 1n)
    await join(again, [later(300_000)])
    expect(again.replica.read('k')?.value).toBe('mine')
  })

  it('a clock that was only witnessed is persisted with the next commit', async () => {
    const node = openReplica()
    node.replica.offer([later(5)], 'http', testWall)
    await commit(node)
    expect(toHex(node.store.fact('clock') ?? new Uint8Array(0))).toBe(
      later(5).version.toString(16).padStart(16, '0'),
    )
  })

  it('a store without a count of keys is counted', async () => {
    const node = openReplica()
    await write(node, [put('a', '1'), put('b', '2')])
    await write(node, [{ op: 'delete', key: 'a' }])
    await node.store.commit({ rows: [], facts: new Map([['keys', undefined]]) })
    expect(openReplica(alice, node.store).replica.keys.keyCount).toBe(1)
  })
})

describe('the count of keys', () => {
  it('is that of the keys that can be read, after any operations, entries and failures', async () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: anyOperation.map(operation => ({ operation })) },
      { weight: 3, arbitrary: anyEntry([bob, carol], sha256).map(entry => ({ entry })) },
      { weight: 2, arbitrary: fc.constant({ disk: 'commits' as const }) },
      { weight: 1, arbitrary: fc.constant({ disk: 'fails' as const }) },
    )
    const { seed, numRuns } = runsFromEnvironment(150)
    const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const node = openReplica()
      for (const each of steps) {
        if ('entry' in each) node.replica.offer([each.entry], 'p2p', testWall)
        else if ('operation' in each) attempt(node.replica, each.operation)
        else if (each.disk === 'commits') await commit(node)
        else {
          node.replica.seal()
          node.replica.aborted()
        }
        expect(node.replica.keys.keyCount).toBe(readingsOf(node).size)
      }
      await commit(node)
      expect(node.replica.keys.keyCount).toBe(readingsOf(node).size)
      expect(rootOf(openReplica(alice, node.store))).toBe(rootOf(node))
    })
    await fc.assert(property, { numRuns, ...(seed === undefined ? {} : { seed }) })
  })
})

function attempt(replica: Replica, operation: Operation): void {
  try {
    replica.write([operation], testWall)
  } catch (error) {
    if (!isLatticeError(error)) throw error
  }
}

describe('entries from the future', () => {
  const ahead = futureToleranceMs + 1

  it('wait, move neither clock nor root, and are taken when their time has come', async () => {
    const node = openReplica()
    await write(node, [put('a', '1')])
    const before = [rootOf(node), node.replica.highWater]
    expect(node.replica.offer([later(ahead)], 'p2p', testWall)).toEqual(['deferred'])
    expect([rootOf(node), node.replica.highWater, node.replica.deferred.count]).toEqual([...before, 1])
    expect(node.replica.seal().rows).toEqual([])
    node.replica.committed()
    expect(node.replica.retryDeferred(testWall)).toBe(0)
    expect(node.replica.retryDeferred(testWall + 1)).toBe(1)
    expect(node.replica.deferred.count).toBe(0)
    await commit(node)
    expect(node.replica.read('k')?.value).toBe('x')
    expect(node.replica.highWater).toBe(later(ahead).version)
  })

  it('wait on when the commit that was to bring them is refused, and are taken a while later', async () => {
    const node = openReplica()
    node.replica.offer([later(ahead), entryOf({ tick: (ahead + 1) * 65_536, key: 'l' })], 'p2p', testWall)
    await commit(node)
    expect(node.replica.retryDeferred(testWall + 1)).toBe(1)
    node.replica.seal()
    expect(node.replica.retryDeferred(testWall + 2)).toBe(1)
    node.replica.aborted()
    expect(node.replica.deferred.count).toBe(2)
    expect(node.replica.floor).toBeLessThan(later(ahead).version)
    expect(node.replica.retryDeferred(testWall + 3)).toBe(0)
    expect(node.replica.retryDeferred(testWall + 20_000)).toBe(2)
    await commit(node)
    expect([node.replica.read('k')?.value, node.replica.deferred.least]).toEqual(['x', undefined])
  })

  it('are a fact before anything passes them, and stay one while any waits', async () => {
    const node = openReplica()
    node.replica.offer([later(ahead)], 'p2p', testWall)
    expect(node.replica.hasForming).toBe(true)
    await commit(node)
    expect(node.store.fact('waiting')).toBeDefined()
    // The first has its row with the commit that has to say it of the second.
    node.replica.retryDeferred(testWall + 1)
    node.replica.offer([later(2 * ahead, 'x', 'l')], 'p2p', testWall + 1)
    await commit(node)
    expect(node.store.fact('waiting')).toBeDefined()
    node.replica.retryDeferred(testWall + 2 * ahead)
    await commit(node)
    expect(node.store.fact('waiting')).toBeUndefined()
  })

  it('hold the floor down until their rows are durable, though what was sealed before them says nothing', async () => {
    const node = openReplica()
    await write(node, [{ op: 'delete', key: 'k' }])
    node.replica.write([put('a', '2')], testWall)
    const batch = node.replica.seal()
    const slot = counterSlot(bob.nodeId, node.store.incarnation)
    const late = entryOf({ tick: ahead * 65_536, slot, value: encodeValue(1) }, bob)
    node.replica.offer([late], 'p2p', testWall)
    expect(node.replica.retryDeferred(testWall + 1)).toBe(1)
    await node.store.commit(batch)
    node.replica.committed()
    expect(node.replica.floor).toBe(1n)
    await commit(node)
    expect(node.replica.floor).toBe(late.version)
  })

  it('the very last moment of the tolerance is not the future', () => {
    const { replica } = openReplica()
    expect(replica.offer([later(futureToleranceMs)], 'p2p', testWall)).toEqual(['staged'])
  })

  it('are bounded per author; the oldest goes first, and other authors are not touched', () => {
    const { replica } = openReplica()
    const stamp = (at: number, by: typeof bob): VerifiedEntry =>
      entryOf({ tick: (ahead + at) * 65_536, key: `k${at}`, value: encodeValue(at) }, by)
    replica.offer([stamp(1, carol)], 'p2p', testWall)
    for (let at = 0; at < deferredPerAuthorMax + 5; at++) replica.offer([stamp(at, bob)], 'p2p', testWall)
    expect(replica.deferred.count).toBe(deferredPerAuthorMax + 1)
    expect(replica.retryDeferred(testWall + ahead * 2)).toBe(deferredPerAuthorMax + 1)
    expect(replica.readStaged('k0')).toBeUndefined()
    expect(replica.readStaged('k5')?.value).toBe(5)
  }, 60_000)

  it('the same entry waits once', () => {
    const { replica } = openReplica()
    replica.offer([later(ahead), later(ahead)], 'p2p', testWall)
    expect(replica.deferred.count).toBe(1)
  })

  it('one that is beaten by the time it is due is dropped', async () => {
    const node = openReplica()
    node.replica.offer([later(ahead)], 'p2p', testWall)
    await join(node, [])
    node.replica.offer([later(ahead + 1, 'newer')], 'p2p', testWall + 10)
    expect(node.replica.retryDeferred(testWall + 10)).toBe(0)
    expect(node.replica.readStaged('k')?.value).toBe('newer')
  })
})

it('a replica accepts its own entries back, for example after it has lost its disk', async () => {
  const node = openReplica(carol)
  const lost = openReplica(carol)
  const version = await write(node, [put('mine', 'x')])
  const rows = node.store.after(0, 9)
  expect(rows).toHaveLength(1)
  await join(lost, [entryOf({ tick: 0, key: 'mine', value: encodeValue('x') }, carol)])
  expect(version).toBe(versionAt(testWall))
  expect(rootOf(lost)).toBe(rootOf(node))
  expect(everybody.has(carol.nodeId)).toBe(true)
})

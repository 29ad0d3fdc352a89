/**
 * A node learns from its own signed entries that its store is old, or that it has a double (S10, S11, G15).
 */
import { describe, expect, it } from '@jest/globals'
import {
  admit,
  encodeValue,
  futureToleranceMs,
  parseEntry,
  versionAt,
  type Effect,
  type Entry,
  type Incarnation,
  type NodeId,
  type Operation,
  type VerifiedEntry,
} from '@lattice/core'
import { createMemoryStore, createSeededRandom, testWall, type MemoryStore } from '@lattice/core/testing'
import { quarantineMax } from '../src/limits.ts'
import { OwnHistory, provisionalLife } from '../src/own-history.ts'
import type { Intake } from '../src/intake.ts'
import { Replica } from '../src/replica.ts'
import { counterSlot } from '../src/slot.ts'
import { StoreCare } from '../src/store-care.ts'
import { alice, bob, carol, sha256 } from './crypto.ts'
import { openEngine } from './engines.ts'
import { commit, entryOf, everybody, life, openReplica, write, type TestReplica } from './replicas.ts'

const at = { mono: 0, wall: testWall + 60_000 }
const self = alice.nodeId
const incarnation = life(1)

const historyOf = (isWhole = true): OwnHistory =>
  new OwnHistory({
    self,
    incarnation,
    startWall: testWall,
    isWhole,
    others: new Set([bob.nodeId, carol.nodeId]),
  })
const writtenAt = (wall: number, slot = '') => ({
  ...entryOf({ tick: 0, slot, value: encodeValue(1) }),
  version: versionAt(wall),
})
const kinds = (effects: readonly Effect[]): string[] =>
  effects.map(effect => (effect.type === 'distrust-store' ? effect.remedy : effect.type))

describe('an entry of our own that is news to us', () => {
  it('from before our start says that the store is an old copy', () => {
    expect(kinds(historyOf().learn([writtenAt(testWall - 1)], bob.nodeId, at))).toEqual(['new-life'])
  })

  it('says nothing to a store that was empty or is recovering: its life is new already', () => {
    const history = historyOf(false)
    expect(history.learn([writtenAt(testWall - 1)], bob.nodeId, at)).toEqual([])
    expect(history.clonedWall).toBeUndefined()
  })

  it('says so too to one that recovers because nobody has agreed with it yet', () => {
    const history = historyOf()
    const told = (): string[] => kinds(history.learn([writtenAt(testWall - 1)], bob.nodeId, at, true))
    expect(told()).toEqual(['new-life'])
    history.agreedWith(bob.nodeId)
    expect(told()).toEqual([])
  })

  it('from after our start was written by a double: an alarm, told once, and no new life', () => {
    const history = historyOf()
    expect(kinds(history.learn([writtenAt(testWall + 6_000)], bob.nodeId, at))).toEqual(['log'])
    expect(history.clonedWall).toBe(at.wall)
    expect(history.learn([writtenAt(testWall + 7_000)], bob.nodeId, at)).toEqual([])
  })

  it('in the counter slot of this very life ends that life, whenever it was written', () => {
    const taken = writtenAt(testWall + 6_000, counterSlot(self, incarnation))
    expect(kinds(historyOf(false).learn([taken], bob.nodeId, at))).toEqual(['log', 'new-life'])
    const before = writtenAt(testWall + 6_000, counterSlot(self, life(2)))
    expect(kinds(historyOf(false).learn([before], bob.nodeId, at))).toEqual(['log'])
  })
})

describe('an entry of our own that was damaged here, and whose key was deleted since', () => {
  /** A set of so many elements, all of them damaged and found, that is deleted then. */
  const deletedSet = async (count: number): Promise<TestReplica & { lost: VerifiedEntry[] }> => {
    const node = openReplica(alice, createMemoryStore({ incarnation }))
    for (let element = 0; element < count; element++)
      node.replica.write([{ op: 'add', key: 's', element }], testWall)
    await commit(node)
    const rows = node.store.slots('s')
    const lost = rows.flatMap(({ bytes }) => admit(parseEntry(bytes, sha256) as Entry))
    for (const row of rows) Object.assign(row, { bytes: row.bytes.map(byte => byte ^ 1) })
    node.replica.read('s')
    node.replica.quarantine.take()
    await write(node, [{ op: 'delete', key: 's' }])
    return { ...node, lost }
  }
  const remedies = (store: MemoryStore, entries: readonly VerifiedEntry[]): readonly string[] => {
    const message = { entries: entries.map(({ bytes }) => bytes) }
    const event = { type: 'announced', peer: bob.nodeId, message, entries } as const
    const told = openEngine(store).step(event, { mono: 1, wall: testWall + 1 })
    return kinds(told).filter(kind => kind === 'new-life')
  }

  it('is no news when a peer brings it, not even after a restart', async () => {
    const { store, lost } = await deletedSet(1)
    expect(remedies(createMemoryStore({ image: store.image }), lost)).toEqual([])
    const unknown = entryOf({ tick: 1, key: 'other', value: encodeValue(1) })
    expect(remedies(createMemoryStore({ image: store.image }), [unknown])).toEqual(['new-life'])
  })

  it('is told by one fact each, up to a bound', async () => {
    const node = await deletedSet(quarantineMax + 2)
    await write(node, [{ op: 'put', key: 'next', value: 1 }])
    expect(node.store.facts('deleted-damage/', 2 * quarantineMax)).toHaveLength(quarantineMax)
  })
})

describe('a node that has a double', () => {
  it('takes no writes, deletes neither, until it has not heard of it for an hour', () => {
    const own = historyOf()
    const intake = { own } as Intake
    const care = new StoreCare({ replica: openReplica(alice).replica, intake })
    const operations = [{ op: 'delete', key: 'k' }] as const
    const write = { type: 'write', id: 1, operations, conditions: {} } as const
    expect(care.refusal(write.operations, at)).toBeUndefined()
    own.learn([writtenAt(testWall + 6_000)], bob.nodeId, at)
    expect(care.refusal(write.operations, at)).toMatchObject({ code: 'NODE_CLONED' })
    const hour = 3_600_000
    expect(care.refusal(write.operations, { mono: 0, wall: at.wall + hour - 1 })).toBeDefined()
    expect(care.refusal(write.operations, { mono: 0, wall: at.wall + hour })).toBeUndefined()
  })
})

describe('counting after a start', () => {
  const increment: Operation = { op: 'increment', key: 'n', by: 1 }
  const slotsOf = (store: ReturnType<typeof createMemoryStore>): string[] =>
    store.slots('n').map(({ slot }) => slot)

  it('goes into a slot of its own until the node is told to count on, then on where it was', async () => {
    const first = openReplica(alice, createMemoryStore({ incarnation }))
    await write(first, [increment])
    const { store } = first
    const provisional = provisionalLife(store, self, everybody, createSeededRandom(1))
    const parts = { store, hash: sha256, signer: alice, trusted: everybody, provisionalLife: provisional }
    const node = { store, replica: new Replica(parts) }
    await write(node, [increment])
    expect(slotsOf(store).sort()).toEqual(
      [counterSlot(self, incarnation), counterSlot(self, provisional)].sort(),
    )
    node.replica.recovered()
    await write(node, [increment])
    expect(slotsOf(store).length).toBe(2)
    node.replica.countOn()
    await write(node, [increment])
    await commit(node)
    expect([slotsOf(store).length, node.replica.read('n')?.value]).toEqual([2, 4])
  })

  it('stays provisional while a total of its own waits here for its time', async () => {
    const { store } = openReplica(alice, createMemoryStore({ incarnation }))
    const parts = { store, hash: sha256, signer: alice, trusted: everybody, provisionalLife: life(9) }
    const node = { store, replica: new Replica(parts) }
    const ahead = { tick: 2 * futureToleranceMs * 65_536, key: 'n', value: encodeValue(7) }
    node.replica.offer([entryOf({ ...ahead, slot: counterSlot(self, incarnation) })], 'http', testWall)
    node.replica.countOn()
    await write(node, [increment])
    expect(slotsOf(store)).toEqual([counterSlot(self, life(9))])
  })

  it('is provisional until every other member has agreed: one of them alone may hold a later total', () => {
    const history = historyOf()
    expect([bob, bob, carol].map(({ nodeId }) => history.agreedWith(nodeId))).toEqual([false, false, true])
  })

  it('is another one each time, and none where nobody could hold more', () => {
    const store = createMemoryStore({ incarnation })
    const random = createSeededRandom(1)
    const draw = (members: ReadonlySet<NodeId>): Incarnation => provisionalLife(store, self, members, random)
    expect(draw(everybody)).not.toBe(draw(everybody))
    expect(draw(new Set([self]))).toBe(incarnation)
  })
})

/** What peers are answered while the disk is slow. */
import { expect, it } from '@jest/globals'
import { versionAt, type Effect, type Event } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { openDescent } from '../src/reconcile.ts'
import { alice, bob } from './crypto.ts'
import { openEngine } from './engines.ts'
import { commit, entryOf, life, openReplica, write } from './replicas.ts'

/** An engine whose first commit is under way and will not end by itself. */
function openWithSlowCommit(): (event: Event) => Effect['type'][] {
  const engine = openEngine()
  const step = (event: Event): Effect['type'][] =>
    engine.step(event, { mono: 1, wall: testWall + 1 }).map(({ type }) => type)
  const put = { op: 'put', key: 'k', value: 1 } as const
  expect(step({ type: 'write', id: 1, operations: [put], conditions: {} })).toContain('persist')
  return step
}

const asked = { type: 'request', path: 'http', peer: bob.nodeId } as const

it('who brings nothing is answered during a commit, who brings entries after it', () => {
  const step = openWithSlowCommit()
  expect(step({ ...asked, id: 1, message: {}, entries: [] })).toContain('reply')
  const entry = entryOf({ key: 'other', tick: 1 }, bob)
  const bringing = { ...asked, id: 2, message: { entries: [entry.bytes] }, entries: [entry] }
  expect(step(bringing)).not.toContain('reply')
  expect(step({ type: 'committed' })).not.toContain('reply')
  expect(step({ type: 'committed' })).toContain('reply')
})

it('entries that are on their way to the disk already are not acknowledged before they are there', () => {
  const step = openWithSlowCommit()
  const entry = entryOf({ key: 'other', tick: 1 }, bob)
  step({ type: 'announced', peer: bob.nodeId, message: { entries: [entry.bytes] }, entries: [entry] })
  const again = { ...asked, id: 3, message: { entries: [entry.bytes] }, entries: [] }
  expect(step(again)).not.toContain('reply')
  expect(step({ type: 'committed' })).not.toContain('reply')
  expect(step({ type: 'committed' })).toContain('reply')
})

it('nor those that are in the very commit under way', () => {
  const engine = openEngine()
  const step = (event: Event): Effect['type'][] =>
    engine.step(event, { mono: 1, wall: testWall + 1 }).map(({ type }) => type)
  const entry = entryOf({ key: 'other', tick: 1 }, bob)
  const message = { entries: [entry.bytes] }
  expect(step({ type: 'announced', peer: bob.nodeId, message, entries: [entry] })).toContain('persist')
  expect(step({ ...asked, id: 4, message, entries: [] })).not.toContain('reply')
  expect(step({ type: 'committed' })).toContain('reply')
})

it('who finds damage amid an answer vouches for nothing in it: what is left out may be the damaged', async () => {
  const store = createMemoryStore({ incarnation: life(1) })
  const node = openReplica(alice, store)
  await write(node, [{ op: 'put', key: 'k', value: 'x'.repeat(99) }])
  node.replica.propose(versionAt(testWall - 1_000), new Map([[alice.nodeId, life(1)]]))
  await commit(node)
  const [row] = store.slots('k')
  const engine = openEngine(store)
  const reportIn = (id: number): unknown => {
    const message = { compare: openDescent(openReplica().replica.trie, 4) }
    const effects = engine.step({ ...asked, id, message, entries: [] }, { mono: id, wall: testWall })
    return effects.find(effect => effect.type === 'reply')?.message.horizon
  }
  expect(reportIn(1)).toMatchObject({ floor: engine.replica.floor })
  Object.assign(row ?? {}, { bytes: row?.bytes.map((byte, at) => (at === 99 ? byte ^ 1 : byte)) })
  expect(reportIn(2)).toMatchObject({ floor: 0n })
})

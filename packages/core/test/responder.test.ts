/** What peers are answered while the disk is slow. */
import { expect, it } from '@jest/globals'
import { defaultParams, Engine, type Effect, type Event } from '@lattice/core'
import { createMemoryStore, createSeededRandom, testWall } from '@lattice/core/testing'
import { alice, bob, sha256 } from './crypto.ts'
import { entryOf, everybody } from './replicas.ts'

/** An engine whose first commit is under way and will not end by itself. */
function openWithSlowCommit(): (event: Event) => Effect['type'][] {
  const engine = new Engine({
    info: { name: 'alice', role: 'node', software: 'test' },
    store: createMemoryStore(),
    hash: sha256,
    signer: alice,
    random: createSeededRandom(1),
    params: { ...defaultParams, p2pEnabled: false },
    members: everybody,
    at: { mono: 0, wall: testWall },
  })
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

/** What peers are answered while the disk is slow. */
import { expect, it } from '@jest/globals'
import type { Effect, Event } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { bob } from './crypto.ts'
import { openEngine } from './engines.ts'
import { entryOf } from './replicas.ts'

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

/** The root that an engine tells is that of its trie also once damage has taken leaves out of that. */
import { expect, it } from '@jest/globals'
import { LatticeError, pathOf, toHex, type NewRow } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { alice, sha256 } from './crypto.ts'
import { openEngine } from './engines.ts'
import { openReplica, write } from './replicas.ts'

const at = (mono: number): { mono: number; wall: number } => ({ mono, wall: testWall + mono })
const pathTo = (key: string): Uint8Array => pathOf(key, '', sha256)

/** A write that is remembered: the second time it is answered at once. */
const operations = [{ op: 'put', key: 'remembered', value: 1 }] as const
const conditions = { idempotencyKey: 'once' }

it.each(['a damaged entry', 'a stray leaf'])('of %s', async kind => {
  const node = openReplica(alice, createMemoryStore())
  await write(node, [
    { op: 'put', key: 'a', value: 1 },
    { op: 'put', key: 'b', value: 2 },
  ])
  const { store } = node
  const [a, b] = store.after(0, 2) as readonly [NewRow, NewRow]
  // The leaf of the second stands in the place of the first, whose own is where no entry belongs.
  if (kind === 'a stray leaf') {
    Object.assign(a, { path: pathTo('nowhere') })
    Object.assign(b, { path: pathTo('a') })
  }
  const disk = createMemoryStore({ image: store.image })
  const engine = openEngine(disk, new Set())
  const written = engine.step({ type: 'write', id: 1, operations, conditions }, at(1))
  for (const effect of written) if (effect.type === 'persist') await disk.commit(effect.batch)
  engine.step({ type: 'committed' }, at(2))
  const before = toHex(engine.replica.trie.root())
  if (kind === 'a damaged entry') Object.assign(a, { bytes: a.bytes.map(byte => byte ^ 1) })
  expect(engine.replica.rows.under(kind === 'a stray leaf' ? pathTo('nowhere') : pathTo('a'))).toBeUndefined()
  engine.step({ type: 'tick' }, at(3))
  const error = new LatticeError('STORE_FULL')
  if (engine.replica.isCommitting) engine.step({ type: 'commit-failed', error }, at(4))
  const root = toHex(engine.replica.trie.root())
  expect(root).not.toBe(before)
  const effects = engine.step({ type: 'write', id: 2, operations, conditions }, at(5))
  expect(effects).toContainEqual(expect.objectContaining({ type: 'written', id: 2, root }))
})

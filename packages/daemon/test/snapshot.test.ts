/** Snapshots outside the state: whole or not used, verified on the way in, kept few (experience §2). */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import { createMemoryStore, createVirtualClock } from '@lattice/core/testing'

import { silentLog } from '../src/host/log.ts'
import { freezeState, keepSnapshots } from '../src/snapshot/index.ts'
import { openSqliteStore } from '../src/sqlite-store.ts'
import {
  allThere,
  frozenRows,
  frozenState,
  large,
  one,
  put,
  rootOf,
  SnapshotPlace,
  stranger,
  two,
  keptParts,
} from './fixtures/snapshot-place.ts'
import { openLoneRuntime } from './lone-runtime.ts'

let place: SnapshotPlace
beforeEach(() => void (place = new SnapshotPlace()))
afterEach(() => place.clear())

it('an empty store comes back equal, entries of two authors and large ones included', async () => {
  const store = createMemoryStore()
  await put(store, one, large)
  const root = await put(store, two, { other: 'author', k0: 'changed' })
  await place.keeper(store).snapshots.take()
  const [name = ''] = place.kept()
  expect(name).toMatch(/^snap-\d+-[0-9a-f]{64}\.cbor$/)
  expect(readFileSync(join(place.directory, 'LATEST'), 'utf8')).toBe(`${name}\n`)
  const fresh = createMemoryStore()
  const { restored, said } = await place.restoreInto(fresh)
  expect(restored).toMatchObject({ name, entries: 101, refused: 0, header: { root, node: one.nodeId } })
  expect([rootOf(fresh), said]).toEqual([root, []])
})

it('a store that holds something is left alone', async () => {
  const store = createMemoryStore()
  await put(store, one, { a: '1' })
  await place.keeper(store).snapshots.take()
  const lived = createMemoryStore()
  const root = await put(lived, one, { b: '2' })
  expect((await place.restoreInto(lived)).restored).toBeUndefined()
  expect(rootOf(lived)).toBe(root)
})

it('a torn or changed file is told and passed over for the one before', async () => {
  const store = createMemoryStore()
  const root = await put(store, one, { a: '1' })
  await place.keeper(store).snapshots.take()
  const [first = ''] = place.kept()
  await put(store, one, { b: '2' })
  await place.keeper(store).snapshots.take()
  const second = place.kept().find(name => name !== first) ?? ''
  const whole = readFileSync(join(place.directory, second))
  const flipped = Buffer.from(whole)
  flipped[whole.length - 1] = (whole.at(-1) ?? 0) ^ 1
  for (const damaged of [whole.subarray(0, -5), whole.subarray(0, 40), Buffer.alloc(0), flipped]) {
    writeFileSync(join(place.directory, second), damaged)
    const fresh = createMemoryStore()
    const { restored, said } = await place.restoreInto(fresh)
    expect([restored?.name, rootOf(fresh)]).toEqual([first, root])
    expect(said).toEqual([expect.stringMatching(/^warn the snapshot .* content does not match its name/)])
  }
  rmSync(join(place.directory, second))
  expect((await place.restoreInto(createMemoryStore())).restored?.name).toBe(first)
})

it('what was written by a clock that was far ahead comes back too', async () => {
  const store = createMemoryStore()
  const root = await put(store, one, { a: '1' }, Date.now() + 365 * 24 * 3_600_000)
  await place.keeper(store).snapshots.take()
  const fresh = createMemoryStore()
  expect((await place.restoreInto(fresh)).restored).toMatchObject({ entries: 1, refused: 0 })
  expect(rootOf(fresh)).toBe(root)
})

it('none is taken of a state that lacks what is to come back', async () => {
  const store = createMemoryStore()
  await put(store, one, { a: '1' })
  let isThere = false
  const { snapshots } = place.keeper(store, allThere, () => isThere)
  await snapshots.take()
  expect(place.kept()).toEqual([])
  isThere = true
  await snapshots.take()
  expect(place.kept()).toHaveLength(1)
})

it('a directory that cannot be made is told at once, also where mkdir never answers what it should', async () => {
  const store = createMemoryStore()
  await put(store, one, { a: '1' })
  const errors: string[] = []
  const log = { ...silentLog, error: (text: string) => void errors.push(text) }
  const parts = { ...keptParts(store), log }
  await keepSnapshots({ ...parts, directory: '/proc/lattice/snapshots' }, allThere).take()
  expect(errors).toEqual([expect.stringMatching(/^no snapshot could be written to \/proc\/lattice.*ENOENT/)])
  const { directory } = place
  await keepSnapshots({ ...parts, directory: join(directory, 'not', 'yet') }, allThere).take()
  expect(readFileSync(join(directory, 'not', 'yet', 'LATEST'), 'utf8')).toMatch(/^snap-/)
})

it('entries of strangers are left out; a directory that is not there is only told', async () => {
  const store = createMemoryStore()
  await put(store, one, { a: '1' })
  await put(store, stranger, { b: '2' })
  await place.keeper(store).snapshots.take()
  expect((await place.restoreInto(createMemoryStore())).restored).toMatchObject({ entries: 1, refused: 1 })
  rmSync(place.directory, { recursive: true })
  const { restored, said } = await place.restoreInto(createMemoryStore())
  expect([restored, said]).toEqual([undefined, [expect.stringContaining('no snapshot is read')]])
  mkdirSync(place.directory)
})

it('one is written per interval while the state changes, one at a stop, and three are kept', async () => {
  const store = createMemoryStore()
  const { clock, snapshots } = place.keeper(store)
  for (const round of [1, 2, 3, 4, 5]) {
    await put(store, one, { [`k${round}`]: 'v' })
    clock.ringNext(Number.POSITIVE_INFINITY)
    // Joins the one that the alarm has begun.
    await snapshots.take()
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(place.kept()).toHaveLength(3)
  const latest = (): string => readFileSync(join(place.directory, 'LATEST'), 'utf8').trim()
  const before = latest()
  clock.ringNext(Number.POSITIVE_INFINITY)
  await snapshots.take()
  expect(latest()).toBe(before)
  await put(store, one, { last: 'v' })
  await snapshots.stop()
  expect(place.kept()).toContain(latest())
  expect(latest()).not.toBe(before)
  const unchanged = place.keeper(store, { ...allThere, root: rootOf(store) })
  await unchanged.snapshots.stop()
  expect(place.kept()).toHaveLength(3)
})

it('one is of one moment, and comes to an end, among writes that never do', async () => {
  const store = await openSqliteStore(place.stores.newDirectory())
  const { runtime } = openLoneRuntime(one.signer, { store })
  const rewrite = (first: number, value: string): Promise<unknown> =>
    runtime.write(
      Array.from({ length: 50 }, (_, index) => ({
        op: 'put' as const,
        key: `k${first + index}`,
        value: value.repeat(2_000),
      })),
    )
  const firsts = [0, 50, 100, 150, 200, 250]
  await Promise.all(firsts.map(first => rewrite(first, 'v')))
  const done = new AbortController()
  const writers = firsts.map(async first => {
    for (let round = 0; !done.signal.aborted; round++) await rewrite(first, String(round % 10))
  })
  const { directory } = place
  const root = (): string => runtime.status().root
  const freeze = () => freezeState(runtime, store)
  const snapshots = keepSnapshots({ ...keptParts(store), directory, root, freeze }, allThere)
  const before = store.lastSeq
  await snapshots.take()
  expect(store.lastSeq).toBeGreaterThan(before + 300)
  done.abort()
  await Promise.all(writers)
  const fresh = createMemoryStore()
  const { restored } = await place.restoreInto(fresh)
  expect(restored).toMatchObject({ entries: 300, refused: 0, header: { root: rootOf(fresh) } })
  await runtime.stop()
  await store.close()
})

it('one is not of a moment when the store is ahead of the node', async () => {
  const store = createMemoryStore()
  const { runtime } = openLoneRuntime(one.signer, { store })
  const commit = store.commit.bind(store)
  const heard = Promise.withResolvers<void>()
  const durable = new Promise<void>(resolve => {
    store.commit = batch => {
      const done = commit(batch)
      void done.then(resolve)
      return done.then(() => heard.promise)
    }
  })
  const written = runtime.write([{ op: 'put', key: 'a', value: 1 }])
  await durable
  const freezing = freezeState(runtime, { freeze: () => frozenRows(store) })
  heard.resolve()
  const { root, lastSeq } = await freezing
  await written
  expect([root, lastSeq]).toEqual([rootOf(store), 1])
  expect(root).toBe(runtime.status().root)
  await runtime.stop()
})

it('one that takes too long lets go of the state, and is told', async () => {
  const store = createMemoryStore()
  await put(store, one, large)
  const clock = createVirtualClock()
  const errors: string[] = []
  let isHeld = true
  const heldAtOnce: boolean[] = []
  const after: typeof store.after = (seq, limit) => {
    if (seq > 0 && clock.ringNext(3_600_000)) heldAtOnce.push(isHeld)
    return store.after(seq, limit)
  }
  const slow = { ...frozenState(store), after, [Symbol.dispose]: () => void (isHeld = false) }
  const log = { ...silentLog, error: (text: string) => void errors.push(text) }
  const own = { directory: place.directory, intervalMs: 7_200_000, clock, log }
  const freeze = () => Promise.resolve(slow)
  await keepSnapshots({ ...keptParts(store), ...own, freeze }, allThere).take()
  expect([heldAtOnce, place.kept()]).toEqual([[false], []])
  expect(errors).toEqual([expect.stringMatching(/more than an hour$/)])
})

it('a stop waits for no directory that hangs, and lets go of the state', async () => {
  const store = createMemoryStore()
  await put(store, one, large)
  // Who opens a pipe for writing waits until somebody reads.
  const pipe = join(place.directory, `snap-${store.lastSeq}.part`)
  execFileSync('mkfifo', [pipe])
  const held = { ...frozenState(store), [Symbol.dispose]: jest.fn() }
  const clock = createVirtualClock()
  const freeze = () => Promise.resolve(held)
  const given = Promise.withResolvers<void>()
  const log = { ...silentLog, error: () => given.resolve() }
  const snapshots = keepSnapshots(
    { ...keptParts(store), directory: place.directory, clock, log, freeze },
    allThere,
  )
  clock.ringNext(Number.POSITIVE_INFINITY)
  await snapshots.stop()
  expect(held[Symbol.dispose]).toHaveBeenCalled()
  await Promise.all([readFile(pipe), given.promise])
  await new Promise(resolve => setImmediate(resolve))
  expect(clock.ringNext(Number.POSITIVE_INFINITY)).toBe(false)
})

/** Snapshots outside the state: whole or not used, verified on the way in, kept few (experience §2). */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { LatticeError, Replica } from '@lattice/core'
import type { Store } from '@lattice/core'
import { createMemoryStore, createVirtualClock } from '@lattice/core/testing'

import { createVerifier, sha256 } from '../src/host/crypto.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import { silentLog } from '../src/host/log.ts'
import { keepSnapshots, restoreAtStart, restoreSnapshot, type AtStart } from '../src/snapshot/index.ts'
import { openSqliteStore } from '../src/sqlite-store.ts'
import { StorePlaces } from './fixtures/store-places.ts'

const identity = (of: number) => identityFromSeed(new Uint8Array(32).fill(of), 'configured')
const [one, two, stranger] = [identity(1), identity(2), identity(3)] as const
const wall = Date.UTC(2026, 0, 1)
const intervalMs = 60_000

let directory = ''
let places: StorePlaces
beforeEach(() => {
  places = new StorePlaces()
  directory = mkdtempSync(join(tmpdir(), 'lattice-snapshot-'))
})
afterEach(async () => {
  await places.clear()
  rmSync(directory, { recursive: true, force: true })
})

function replicaOn(store: Store, author = one) {
  const trusted = new Set([one.nodeId, two.nodeId, stranger.nodeId])
  return new Replica({ store, hash: sha256, signer: author.signer, trusted })
}

async function put(
  store: Store,
  author: typeof one,
  entries: Readonly<Record<string, string>>,
  at = wall,
): Promise<string> {
  const replica = replicaOn(store, author)
  for (const [key, value] of Object.entries(entries)) replica.write([{ op: 'put', key, value }], at)
  await store.commit(replica.seal())
  replica.committed()
  return rootOf(store)
}

function rootOf(store: Store): string {
  return Buffer.from(replicaOn(store).trie.root()).toString('hex')
}

const allThere: AtStart = { mayLack: () => false }

function keeper(store: Store, start = allThere) {
  const clock = createVirtualClock()
  const parts = {
    directory,
    intervalMs,
    node: one.nodeId,
    store,
    root: () => rootOf(store),
    clock,
    log: silentLog,
  }
  return { clock, snapshots: keepSnapshots(parts, start) }
}

const restoreParts = (store: Store) => ({
  store,
  hash: sha256,
  signer: one.signer,
  verifier: createVerifier(),
  members: new Set([one.nodeId, two.nodeId]),
})

async function restoreInto(store: Store) {
  const said: string[] = []
  const log = (level: string, text: string): number => said.push(`${level} ${text}`)
  const { restored } = await restoreSnapshot(directory, { ...restoreParts(store), log })
  return { restored, said }
}

/** Commit number `count` of `store` from now on, and no other, fails. */
function failAt(store: Store, count: number, error: LatticeError): void {
  const commit = store.commit.bind(store)
  let done = 0
  store.commit = batch => ((done += 1) === count ? Promise.reject(error) : commit(batch))
}

/** Enough for several frames. */
const large = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`k${index}`, 'v'.repeat(2_000)]))

const kept = (): string[] => readdirSync(directory).filter(name => name.endsWith('.cbor'))

it('an empty store comes back equal, entries of two authors and large ones included', async () => {
  const store = createMemoryStore()
  await put(store, one, large)
  const root = await put(store, two, { other: 'author', k0: 'changed' })
  await keeper(store).snapshots.take()
  const [name = ''] = kept()
  expect(name).toMatch(/^snap-\d+-[0-9a-f]{64}\.cbor$/)
  expect(readFileSync(join(directory, 'LATEST'), 'utf8')).toBe(`${name}\n`)
  const fresh = createMemoryStore()
  const { restored, said } = await restoreInto(fresh)
  expect(restored).toMatchObject({ name, entries: 301, refused: 0, header: { root, node: one.nodeId } })
  expect([rootOf(fresh), said]).toEqual([root, []])
})

it('a store that holds something is left alone', async () => {
  const store = createMemoryStore()
  await put(store, one, { a: '1' })
  await keeper(store).snapshots.take()
  const lived = createMemoryStore()
  const root = await put(lived, one, { b: '2' })
  expect((await restoreInto(lived)).restored).toBeUndefined()
  expect(rootOf(lived)).toBe(root)
})

it('a torn or changed file is told and passed over for the one before', async () => {
  const store = createMemoryStore()
  const root = await put(store, one, { a: '1' })
  await keeper(store).snapshots.take()
  const [first = ''] = kept()
  await put(store, one, { b: '2' })
  await keeper(store).snapshots.take()
  const second = kept().find(name => name !== first) ?? ''
  const whole = readFileSync(join(directory, second))
  const flipped = Buffer.from(whole)
  flipped[whole.length - 1] = (whole.at(-1) ?? 0) ^ 1
  for (const damaged of [whole.subarray(0, -5), whole.subarray(0, 40), Buffer.alloc(0), flipped]) {
    writeFileSync(join(directory, second), damaged)
    const fresh = createMemoryStore()
    const { restored, said } = await restoreInto(fresh)
    expect([restored?.name, rootOf(fresh)]).toEqual([first, root])
    expect(said).toEqual([expect.stringMatching(/^warn the snapshot .* content does not match its name/)])
  }
  rmSync(join(directory, second))
  expect((await restoreInto(createMemoryStore())).restored?.name).toBe(first)
})

it('what was written by a clock that was far ahead comes back too', async () => {
  const store = createMemoryStore()
  const root = await put(store, one, { a: '1' }, Date.now() + 365 * 24 * 3_600_000)
  await keeper(store).snapshots.take()
  const fresh = createMemoryStore()
  expect((await restoreInto(fresh)).restored).toMatchObject({ entries: 1, refused: 0 })
  expect(rootOf(fresh)).toBe(root)
})

it('entries of strangers are left out; a directory that is not there is only told', async () => {
  const store = createMemoryStore()
  await put(store, one, { a: '1' })
  await put(store, stranger, { b: '2' })
  await keeper(store).snapshots.take()
  expect((await restoreInto(createMemoryStore())).restored).toMatchObject({ entries: 1, refused: 1 })
  rmSync(directory, { recursive: true })
  const { restored, said } = await restoreInto(createMemoryStore())
  expect([restored, said]).toEqual([undefined, [expect.stringContaining('no snapshot is read')]])
  mkdirSync(directory)
})

it('one is written per interval while the state changes, one at a stop, and three are kept', async () => {
  const store = createMemoryStore()
  const { clock, snapshots } = keeper(store)
  for (const round of [1, 2, 3, 4, 5]) {
    await put(store, one, { [`k${round}`]: 'v' })
    clock.ringNext(Number.POSITIVE_INFINITY)
    // Joins the one that the alarm has begun.
    await snapshots.take()
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(kept()).toHaveLength(3)
  const latest = (): string => readFileSync(join(directory, 'LATEST'), 'utf8').trim()
  const before = latest()
  clock.ringNext(Number.POSITIVE_INFINITY)
  await snapshots.take()
  expect(latest()).toBe(before)
  await put(store, one, { last: 'v' })
  await snapshots.stop()
  expect(kept()).toContain(latest())
  expect(latest()).not.toBe(before)
  const unchanged = keeper(store, { ...allThere, root: rootOf(store) })
  await unchanged.snapshots.stop()
  expect(kept()).toHaveLength(3)
})

describe('a restore that does not come to its end', () => {
  it('makes the start fail with what to do, and is begun anew at the next one, on the disk too', async () => {
    const store = createMemoryStore()
    const root = await put(store, one, large)
    await keeper(store).snapshots.take()
    const stateDir = places.newDirectory()
    const full = await openSqliteStore(stateDir)
    failAt(full, 3, new LatticeError('STORE_FULL', 'the disk is nearly full'))
    await expect(restoreInto(full)).rejects.toMatchObject({
      code: 'STORE_FULL',
      message: expect.stringMatching(
        /restored from .*: the disk is nearly full; mend that and start .* again/,
      ),
    })
    expect([full.lastSeq > 0, full.lastSeq < store.lastSeq]).toEqual([true, true])
    await full.close()
    const next = await openSqliteStore(stateDir)
    const { restored, said } = await restoreInto(next)
    expect([restored?.name, rootOf(next), said]).toEqual([kept()[0], root, [expect.stringMatching(/anew$/)]])
    await next.close()
    const third = await openSqliteStore(stateDir)
    expect(await restoreInto(third)).toMatchObject({ restored: undefined, said: [] })
    await third.close()
  })

  it('is begun anew after a power cut, wherever that comes', async () => {
    const store = createMemoryStore()
    const root = await put(store, one, large)
    await keeper(store).snapshots.take()
    for (let commits = 0; commits < 6; commits++) {
      const cut = createMemoryStore()
      cut.hold()
      void restoreInto(cut).catch(() => undefined)
      for (let done = 0; done < commits; done++) {
        while (cut.waiting === 0) await new Promise(resolve => setImmediate(resolve))
        cut.release(1)
      }
      cut.crash()
      const next = createMemoryStore({ image: cut.image })
      await restoreInto(next)
      expect(rootOf(next)).toBe(root)
    }
  })
})

describe('what may be the only whole copy is never deleted:', () => {
  const unused = (): string[] => readdirSync(directory).filter(name => name.startsWith('unused-'))
  const startOn = (store: Store): Promise<AtStart> =>
    restoreAtStart(directory, { ...restoreParts(store), log: silentLog })

  /** As many changed snapshots as rotation needs to delete all others. */
  async function writeMany(store: Store, start: AtStart): Promise<void> {
    const { snapshots } = keeper(store, start)
    for (const round of ['a', 'b', 'c', 'd']) {
      await put(store, one, { [`${store.lastSeq} ${round}`]: 'v' })
      await snapshots.take()
    }
  }

  /** Two snapshots, the older first. */
  async function writeTwo(): Promise<readonly [older: string, newer: string]> {
    const store = createMemoryStore()
    await put(store, one, { a: '1' })
    await keeper(store).snapshots.take()
    const [older = ''] = kept()
    await put(store, one, { b: '2' })
    await keeper(store).snapshots.take()
    return [older, kept().find(name => name !== older) ?? '']
  }

  it('snapshots of which a start could use none', async () => {
    const names = await writeTwo()
    for (const name of names) appendFileSync(join(directory, name), 'x')
    const store = createMemoryStore()
    await startOn(store)
    // The process ends before it has written a snapshot, and the store holds something by then.
    await put(store, one, { c: '3' })
    await writeMany(store, await startOn(store))
    expect(unused().sort()).toEqual(names.map(name => `unused-${name}`).sort())
    expect(kept()).toHaveLength(3 + names.length)
    const root = rootOf(store)
    await writeMany(store, await startOn(store))
    expect([unused().length, kept().length, store.slots('c').length]).toEqual([2, 5, 1])
    expect(rootOf(store)).not.toBe(root)
    expect((await startOn(store)).root).toBeUndefined()
  })

  it('one that could not be read, where an older one could', async () => {
    const [older, newer] = await writeTwo()
    const bytes = readFileSync(join(directory, newer))
    rmSync(join(directory, newer))
    mkdirSync(join(directory, newer))
    writeFileSync(join(directory, newer, 'held'), bytes)
    const store = createMemoryStore()
    const { restored, said } = await restoreInto(store)
    expect([restored?.name, said]).toEqual([older, [expect.stringMatching(/cannot be read: EISDIR/)]])
    const again = createMemoryStore()
    await writeMany(again, await startOn(again))
    expect([unused(), existsSync(join(directory, older))]).toEqual([[`unused-${newer}`], false])
    rmSync(join(directory, `unused-${newer}`), { recursive: true })
    writeFileSync(join(directory, newer), bytes)
    writeFileSync(join(directory, 'LATEST'), newer)
    expect([(await restoreInto(store)).restored?.name, store.slots('b').length]).toEqual([newer, 1])
    expect((await restoreInto(store)).restored).toBeUndefined()
  })

  it('those in a directory that could not be read, and could at the next start', async () => {
    await writeTwo()
    const aside = `${directory}-aside`
    renameSync(directory, aside)
    writeFileSync(directory, 'not a directory')
    const store = createMemoryStore()
    await startOn(store)
    await put(store, one, { c: '3' })
    rmSync(directory)
    renameSync(aside, directory)
    await startOn(store)
    expect(store.keys('', '', 9)).toEqual(['a', 'b', 'c'])
  })

  it('those that were mounted too late', async () => {
    const aside = `${directory}-aside`
    const names = await writeTwo()
    renameSync(directory, aside)
    const store = createMemoryStore()
    const start = await startOn(store)
    renameSync(aside, directory)
    await writeMany(store, start)
    expect(unused().sort()).toEqual(names.map(name => `unused-${name}`).sort())
  })
})

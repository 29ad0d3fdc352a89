/** Snapshots outside the state: whole or not used, verified on the way in, kept few (experience §2). */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Replica } from '@lattice/core'
import type { Store } from '@lattice/core'
import { createMemoryStore, createVirtualClock } from '@lattice/core/testing'

import { createVerifier, sha256 } from '../src/host/crypto.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import { silentLog } from '../src/host/log.ts'
import { keepSnapshots, restoreSnapshot } from '../src/snapshot/index.ts'

const identity = (of: number) => identityFromSeed(new Uint8Array(32).fill(of), 'configured')
const [one, two, stranger] = [identity(1), identity(2), identity(3)] as const
const wall = Date.UTC(2026, 0, 1)
const intervalMs = 60_000

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lattice-snapshot-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

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

function keeper(store: Store, last?: string) {
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
  return { clock, snapshots: keepSnapshots(parts, last) }
}

function restoreInto(store: Store, members = new Set([one.nodeId, two.nodeId])) {
  const said: string[] = []
  const log = (level: string, text: string): number => said.push(`${level} ${text}`)
  const parts = {
    store,
    hash: sha256,
    signer: one.signer,
    verifier: createVerifier(),
    members,
    log,
  }
  return restoreSnapshot(directory, parts).then(restored => ({ restored, said }))
}

const kept = (): string[] => readdirSync(directory).filter(name => name.endsWith('.cbor'))

it('an empty store comes back equal, entries of two authors and large ones included', async () => {
  const store = createMemoryStore()
  await put(
    store,
    one,
    Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`k${index}`, 'v'.repeat(2_000)])),
  )
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
  const unchanged = keeper(store, rootOf(store))
  await unchanged.snapshots.stop()
  expect(kept()).toHaveLength(3)
})

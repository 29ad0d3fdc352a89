/** How a runtime ends: by a stop, a store that fails, a bug; and what those are told who wait for it. */
import { expect, it } from '@jest/globals'
import {
  encodeMessage,
  encodeValue,
  LatticeError,
  signEntry,
  versionAt,
  type Batch,
  type Inbox,
  type Transport,
} from '@lattice/core'
import { createMemoryStore } from '@lattice/core/testing'
import { sha256 } from '../src/host/crypto.ts'
import { identityFromSeed, type Identity } from '../src/host/identity.ts'
import { startChild } from './fixtures/child.ts'
import { openLoneRuntime } from './lone-runtime.ts'

const put = (key: string, value: number) => [{ op: 'put', key, value }] as const
const gone = (): never => {
  throw new LatticeError('STORE_CORRUPT', 'a page is gone')
}
const increment = (key: string, by: number) => [{ op: 'increment', key, by }] as const

it('who looks at rest is shown nothing once a store has failed: it may hold what has no root', async () => {
  const [store, told] = [createMemoryStore(), Promise.withResolvers<void>()]
  const commit = store.commit.bind(store)
  // Durable already, and the node is not told of it yet.
  Object.assign(store, { commit: (batch: Batch) => commit(batch).then(() => told.promise) })
  const { signer } = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
  const { runtime } = openLoneRuntime(signer, { store, onDistrust: () => undefined })
  await runtime.start()
  const written = expect(runtime.write(put('a', 1))).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
  const look = (): unknown => [runtime.status().root, runtime.read('a')?.value]
  const refused = async (): Promise<void> =>
    expect(runtime.atRest(look)).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
  const before = refused()
  const { slots } = store
  Object.assign(store, { slots: gone })
  expect(() => runtime.read('b')).toThrow('a page is gone')
  Object.assign(store, { slots })
  await Promise.all([written, before, refused()])
  told.resolve()
  await refused()
})

it('who looks at rest is shown nothing of a commit that failed with the store itself', async () => {
  const store = createMemoryStore()
  const commit = store.commit.bind(store)
  const torn = async (batch: Batch): Promise<void> => {
    await commit(batch)
    throw new LatticeError('STORE_SUSPECT', 'nobody knows what is kept')
  }
  Object.assign(store, { commit: torn })
  const { signer } = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
  const { runtime } = openLoneRuntime(signer, { store, onDistrust: () => undefined })
  await runtime.start()
  const written = expect(runtime.write(put('a', 1))).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
  const looked: unknown[] = []
  const looking = runtime.atRest(() => looked.push([runtime.status().root, runtime.read('a')?.value]))
  await expect(looking).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
  await written
  expect(looked).toEqual([])
})

it('who writes while it stops is told what became of the write: kept, or not even tried', async () => {
  const [store, held] = [createMemoryStore(), Promise.withResolvers<void>()]
  const commit = store.commit.bind(store)
  Object.assign(store, { commit: (batch: Batch) => held.promise.then(() => commit(batch)) })
  const { signer } = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
  const { runtime } = openLoneRuntime(signer, { store })
  await runtime.start()
  const kept = [1, 2, 3].map(async by => {
    // Each begins when the ones before are on their way.
    for (let turn = 0; turn < by; turn++) await Promise.resolve()
    await runtime.write(increment('till', by))
  })
  await new Promise(resolve => setImmediate(resolve))
  const stopped = runtime.stop()
  await expect(runtime.write(increment('till', 100))).rejects.toMatchObject({ code: 'NOT_READY' })
  held.resolve()
  await Promise.all(kept)
  await stopped
  expect(openLoneRuntime(signer, { store }).runtime.read('till')?.value).toBe(6)
})

it('a store that fails leaves the status that was told last, and calls for a new one', async () => {
  const store = createMemoryStore()
  const { signer } = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
  const remedies: string[] = []
  const onDistrust = (_: string, remedy: string): void => void remedies.push(remedy)
  const { runtime } = openLoneRuntime(signer, { store, onDistrust })
  await runtime.start()
  await runtime.write(put('a', 1))
  const before = runtime.status()
  Object.assign(store, { facts: gone })
  expect(runtime.status()).toEqual(before)
  expect(runtime.status()).toEqual(before)
  expect(remedies).toEqual(['check'])
})

it('an announce that meets a store that fails calls for a new one, and is no bug', async () => {
  const store = createMemoryStore()
  const [{ signer }, peer] = [1, 2].map(byte =>
    identityFromSeed(new Uint8Array(32).fill(byte), 'configured'),
  ) as [Identity, Identity]
  const [remedies, inboxes] = [[] as string[], [] as Inbox[]]
  const onDistrust = (_: string, remedy: string): void => void remedies.push(remedy)
  const http = { kind: 'http', start: async (inbox: Inbox) => void inboxes.push(inbox) }
  const { runtime, complaints } = openLoneRuntime(signer, {
    store,
    onDistrust,
    members: new Set([peer.nodeId]),
    transports: [http as unknown as Transport],
  })
  await runtime.start()
  await runtime.write(put('a', 1))
  Object.assign(store, { at: gone })
  const content = { key: 'a', slot: '', value: encodeValue(2), base: 0n, version: versionAt(Date.now()) }
  const { bytes } = signEntry(content, peer.signer, sha256)
  inboxes[0]?.announced(peer.nodeId, encodeMessage({ entries: [bytes] }, peer.nodeId))
  await new Promise(resolve => setImmediate(resolve))
  expect([remedies, complaints]).toEqual([['check'], []])
})

it('what shows that the store is an old copy is not kept by it: whoever starts next is told of it anew', async () => {
  const store = createMemoryStore()
  const [{ signer }, peer] = [1, 2].map(byte =>
    identityFromSeed(new Uint8Array(32).fill(byte), 'configured'),
  ) as [Identity, Identity]
  const content = {
    key: 'a',
    slot: '',
    value: encodeValue(2),
    base: 0n,
    version: versionAt(Date.now() - 1e6),
  }
  const { bytes } = signEntry(content, signer, sha256)
  const remedies: string[] = []
  const before = openLoneRuntime(signer, { store }).runtime
  await before.start()
  await before.write(put('b', 1))
  await before.stop()
  for (let start = 0; start < 2; start++) {
    const inboxes: Inbox[] = []
    const http = { kind: 'http', start: async (inbox: Inbox) => void inboxes.push(inbox) }
    const { runtime } = openLoneRuntime(signer, {
      store,
      onDistrust: (_, remedy) => void remedies.push(remedy),
      members: new Set([peer.nodeId]),
      transports: [http as unknown as Transport],
    })
    await runtime.start()
    inboxes[0]?.announced(peer.nodeId, encodeMessage({ entries: [bytes] }, peer.nodeId))
    await new Promise(resolve => setImmediate(resolve))
    // The process ends before a successor has given the store a new life.
  }
  expect(remedies).toEqual(['new-life', 'new-life'])
})

it('a listener that meets a store that fails calls for a new one, and is no bug', async () => {
  const store = createMemoryStore()
  const { signer } = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
  const remedies: string[] = []
  const onDistrust = (_: string, remedy: string): void => void remedies.push(remedy)
  const { runtime, complaints } = openLoneRuntime(signer, { store, onDistrust })
  await runtime.start()
  runtime.subscribe(event => {
    if (event.kind !== 'change') return
    Object.assign(store, { slots: gone })
    runtime.read('b')
  })
  await runtime.write(put('a', 1))
  await new Promise(resolve => setImmediate(resolve))
  expect([remedies, complaints]).toEqual([['check'], []])
})

it.each(['change', 'mode'])(
  'a bug that shows in telling of a %s is told to the process, and ends the node',
  async kind => {
    const child = startChild('fail-node.ts', [kind])
    try {
      const next = await child.line(line => line.startsWith('second: '))
      expect(next).toBe('second: LatticeError: the node is stopping')
      await child.line(line => line === `process: Error: nobody expected a ${kind}`)
    } finally {
      await child.kill()
    }
  },
)

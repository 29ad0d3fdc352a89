/** What a commit makes of the trie is worked out while the disk works: nothing of it is left for later. */
import { expect, it } from '@jest/globals'
import type { Batch, Hash } from '@lattice/core'
import { createMemoryStore } from '@lattice/core/testing'
import { sha256 } from '../src/host/crypto.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import { openLoneRuntime } from './lone-runtime.ts'

/** First byte of what is hashed for a branch. */
const branchDomain = 1

it.each([1, 100])('of %d new keys, which nobody sees before they are durable', async count => {
  const [store, reached, released] = [
    createMemoryStore(),
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
  ]
  const commit = store.commit.bind(store)
  const slowly = async (batch: Batch): Promise<void> => {
    reached.resolve()
    await released.promise
    return commit(batch)
  }
  let branches = 0
  const hash: Hash = bytes => {
    if (bytes.length > 1 + 64 + 32 && bytes[0] === branchDomain) branches++
    return sha256(bytes)
  }
  const { signer } = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
  const { runtime } = openLoneRuntime(signer, { store, hash })
  await runtime.start()
  await runtime.write([
    { op: 'put', key: 'before', value: 1 },
    { op: 'put', key: 'beside', value: 1 },
  ])
  Object.assign(store, { commit: slowly })
  const { root } = runtime.status()
  branches = 0
  const puts = Array.from({ length: count }, (_, at) => ({ op: 'put', key: `key ${at}`, value: at }) as const)
  const written = runtime.write(puts)
  await reached.promise
  const whileWriting = branches
  expect(whileWriting).toBeGreaterThan(0)
  expect([runtime.status().root, runtime.read('key 0')]).toEqual([root, undefined])
  released.resolve()
  const receipt = await written
  expect([runtime.status().root, branches]).toEqual([receipt.root, whileWriting])
  expect(receipt.root).not.toBe(root)
  await runtime.stop()
  const reopened = openLoneRuntime(signer, { store }).runtime
  expect(reopened.status().root).toBe(receipt.root)
})

/** What a list of leaves may cost that names everything, however little of it it is. */
import { expect, it, jest } from '@jest/globals'
import { MerkleTrie, packDigests, pathOf, type Summary } from '@lattice/core'
import { compareStep, narrowRoom } from '../src/reconcile.ts'
import { sha256 } from './crypto.ts'

it('lists that match every leaf, again and again, cost a bounded amount of work', () => {
  const trie = new MerkleTrie(sha256)
  for (let at = 0; at < 2000; at++) {
    const path = pathOf(`key${at}`, '', sha256)
    trie.set(path, sha256(path), at + 1)
  }
  const looked = jest.spyOn(trie, 'digestAt')
  const everyByte = packDigests(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)))
  const everything: Summary = { prefix: new Uint8Array(0), length: 0, digests: everyByte }
  const summaries = Array.from({ length: 950 }, () => everything)
  const step = compareStep(trie, { digestBytes: 1, summaries }, narrowRoom(), () => true)
  expect(looked.mock.calls.length).toBeLessThanOrEqual(128 * 1024)
  expect(step.read).toBeGreaterThan(0)
  expect(step).toMatchObject({ summaries: [], want: [], apart: [] })
})

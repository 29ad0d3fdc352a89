/** What lists, sums and wants may cost that name everything, however little of it it is. */
import { expect, it, jest } from '@jest/globals'
import { MerkleTrie, packDigests, pathOf, type Summary, type Want } from '@lattice/core'
import { compareStep } from '../src/compare-step.ts'
import { beginDescent, continueDescent } from '../src/descent.ts'
import { compareNodesRead } from '../src/limits.ts'
import { narrowRoom, visitsMax, wantedLeaves } from '../src/reconcile.ts'
import { sumBytes } from '../src/subtree-sums.ts'
import { sha256 } from './crypto.ts'

const top = new Uint8Array(0)

/** A trie of two thousand leaves, and a count of those that are looked at. */
function watchedTrie() {
  const trie = new MerkleTrie(sha256)
  for (let at = 0; at < 2000; at++) {
    const path = pathOf(`key${at}`, '', sha256)
    trie.set(path, sha256(path), at + 1)
  }
  const looked = jest.spyOn(trie, 'digestAt')
  return { trie, looked: () => looked.mock.calls.length }
}

it('lists that match every leaf, again and again, cost a bounded amount of work', () => {
  const { trie, looked } = watchedTrie()
  const everyByte = packDigests(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)))
  const everything: Summary = { prefix: top, length: 0, digests: everyByte }
  const summaries = Array.from({ length: 950 }, () => everything)
  const step = compareStep(trie, { digestBytes: 1, summaries }, narrowRoom(), () => true)
  expect(looked()).toBeLessThanOrEqual(visitsMax)
  expect(step.read).toBeGreaterThan(0)
  expect(step).toMatchObject({ summaries: [], want: [], apart: [] })
})

it('sums of all there is, again and again, cost a bounded amount of work', () => {
  const { trie, looked } = watchedTrie()
  const digests = packDigests(Array.from({ length: 16 }, () => new Uint8Array(sumBytes)))
  const everything: Summary = { prefix: top, length: 0, depth: 0, bitmap: 0xffff, digests, sums: true }
  const summaries = Array.from({ length: compareNodesRead }, () => everything)
  const room = { ...narrowRoom(), leaves: compareNodesRead, nodes: compareNodesRead }
  compareStep(trie, { digestBytes: 3, summaries }, room, () => true)
  expect(looked()).toBeGreaterThan(visitsMax / 2)
  expect(looked()).toBeLessThanOrEqual(visitsMax + 16)
})

it('lists are answered however much the sums beside them cover', () => {
  const { trie } = watchedTrie()
  const list: Summary = { prefix: Uint8Array.of(0x70), length: 1, digests: packDigests([]) }
  const digests = packDigests([new Uint8Array(sumBytes), new Uint8Array(sumBytes)])
  const sums: Summary = { prefix: top, length: 0, depth: 0, bitmap: 0b11, digests, sums: true }
  const summaries = [list, list, ...Array.from({ length: 2000 }, () => sums)]
  const room = { ...narrowRoom(), leaves: compareNodesRead, nodes: compareNodesRead }
  let pushed = 0
  const step = compareStep(trie, { digestBytes: 3, summaries }, room, () => pushed++ >= 0)
  expect(pushed).toBe(2 * trie.countUnder(list.prefix, list.length))
  expect(step.read).toBeGreaterThan(2)
})

it('wants that name nothing, or the whole trie again and again, cost a bounded amount of work', () => {
  const { trie, looked } = watchedTrie()
  expect(wantedLeaves(trie, [{ prefix: top, length: 0, digests: packDigests([]) }], 9)).toEqual([])
  const greedy: Want = { prefix: top, length: 0, digests: packDigests([new Uint8Array(32)]) }
  const want = Array.from({ length: 1024 }, () => greedy)
  wantedLeaves(trie, want, 4096)
  const before = looked()
  expect(before).toBeLessThanOrEqual(visitsMax + 1)
  continueDescent(trie, { ...beginDescent(trie, '', 4), want }, {})
  expect(looked() - before).toBeLessThan(100)
})

it('wants of sums beyond those that may be looked for are answered with lists: nothing is lost', () => {
  const { trie, looked } = watchedTrie()
  const nobodys: Want = { prefix: Uint8Array.of(0x70), length: 1, digests: packDigests([new Uint8Array(4)]) }
  const path = pathOf('key9', '', sha256)
  const name = trie.subtree(path, 128)?.digest.subarray(0, sumBytes) as Uint8Array
  const held: Want = { prefix: path.subarray(0, 1), length: 2, digests: packDigests([name]) }
  const want = [...Array.from({ length: 4000 }, () => nobodys), held]
  const next = continueDescent(trie, beginDescent(trie, '', 3), { want, reads: compareNodesRead })
  expect(next?.next?.summaries).toHaveLength(want.length)
  expect(next?.next?.summaries.at(-1)).toMatchObject({ prefix: held.prefix, length: 2 })
  expect(looked()).toBeLessThan(visitsMax + 20 * want.length)
})

it('wants of sums that nobody holds, of all there is, are answered with no lists', () => {
  const { trie, looked } = watchedTrie()
  const greedy: Want = { prefix: top, length: 0, digests: packDigests([new Uint8Array(sumBytes)]) }
  const want = Array.from({ length: compareNodesRead }, () => greedy)
  expect(continueDescent(trie, beginDescent(trie, '', 3), { want, reads: compareNodesRead })).toBeUndefined()
  expect(looked()).toBeLessThanOrEqual(visitsMax + 17)
})

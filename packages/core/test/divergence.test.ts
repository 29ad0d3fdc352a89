/** Since when a peer holds another state: from the first sign of it, until both are seen equal. */
import { expect, it } from '@jest/globals'
import type { Incarnation, NodeId } from '@lattice/core'
import { createPeer } from '../src/peers.ts'
import { notesDivergence } from '../src/sync-plan.ts'
import type { Standing } from '../src/sync-plan.ts'

const incarnation = '0123456789abcdef' as Incarnation
const own: Standing = {
  nodeId: 'a'.repeat(64) as NodeId,
  incarnation,
  seq: 1,
  count: 1,
  root: 'ours',
  horizon: 0n,
  settled: true,
  uncoveredSince: () => undefined,
}

it('begins when nothing is on its way and the roots differ, outlasts writes, and ends with equal roots', () => {
  const cursor = { incarnation, seq: 7 }
  const peer = createPeer('b'.repeat(64) as NodeId, cursor, 0)
  const note = (at: number, root: string, seq: number, over: Partial<Standing> = {}) => {
    peer.known = { incarnation, seq, root, count: 1, wall: 0, at: 0 }
    peer.acked = { incarnation, seq: 1 }
    return [notesDivergence(peer, { ...own, ...over }, at), peer.apartSince]
  }
  expect(note(100, 'ours', 7)).toEqual([false, undefined])
  expect(note(200, 'theirs', 8)).toEqual([false, undefined])
  expect(note(300, 'theirs', 7)).toEqual([true, 300])
  expect(note(400, 'theirs', 8)).toEqual([false, 300])
  expect(note(500, 'theirs', 7, { settled: false })).toEqual([false, 300])
  expect(note(600, 'theirs', 7)).toEqual([true, 300])
  expect(note(700, 'ours', 7)).toEqual([false, undefined])
  expect(note(800, 'theirs', 7)).toEqual([true, 800])
})

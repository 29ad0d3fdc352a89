/** Who recovers drops only what a peer lacked while it vouched for a horizon, and has no successor of. */
import { beforeEach, expect, it } from '@jest/globals'
import {
  admit,
  encodeValue,
  parseEntry,
  versionAt,
  vouchedHorizon,
  type Message,
  type Signer,
  type VerifiedEntry,
} from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { uintToBytes } from '../src/bytes.ts'
import type { Descent } from '../src/descent.ts'
import { packDigests } from '../src/digest-list.ts'
import { Composer } from '../src/exchange.ts'
import { compareNodesMax } from '../src/limits.ts'
import { pathOf } from '../src/merkle.ts'
import { createPeer, type Peer } from '../src/peers.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, carol, sha256 } from './crypto.ts'
import { commit, entryOf, life, openReplica, rootOf, type TestReplica } from './replicas.ts'

const horizon = versionAt(testWall)
const laterWall = testWall + 3_600_000
const precious = entryOf({ key: 'precious', tick: -1, value: encodeValue(1) }, carol)

interface Side extends TestReplica {
  readonly composer: Composer
  /** What it knows of the other. */
  readonly peer: Peer
  take(...entries: readonly VerifiedEntry[]): Promise<void>
}

function open(signer: Signer, other: Signer, number: number): Side {
  const node = openReplica(signer, createMemoryStore({ incarnation: life(number) }))
  const info = { name: 'test', role: 'node', software: 'test' }
  const composer = new Composer({ self: signer.nodeId, info, hash: sha256, ...node })
  const take = async (...entries: readonly VerifiedEntry[]): Promise<void> => {
    node.replica.offer(entries, 'http', laterWall)
    await commit(node)
  }
  return { ...node, composer, peer: createPeer(other.nodeId, undefined, 0), take }
}

let settled: Side
let away: Side
let proposed: VerifiedEntry

beforeEach(async () => {
  settled = open(bob, alice, 2)
  away = open(alice, bob, 1)
  const proposer = openReplica(carol)
  proposer.replica.propose(horizon, new Map([[bob.nodeId, life(2)]]))
  await commit(proposer)
  ;[proposed] = proposer.store.after(0, 9).map(storedEntry) as [VerifiedEntry]
  await away.take(precious)
})

const isDropped = (): boolean => away.replica.batches.forming.disowned.size > 0

/** What a side says when it leads, or answers so. */
const asks = ({ composer, peer }: Side, push = false): Message => ({
  ...composer.horizonReport(),
  ...composer.ask(peer, { push, pull: false, descend: true }),
})
const answers = ({ composer, peer }: Side, request: Message): Message => ({
  ...composer.horizonReport(),
  ...composer.answer(request, peer),
})

it.each([
  ['that waited for its path', true, false],
  ['that is true', false, true],
])('nothing is dropped for a question %s', async (_, hasWaited, dropped) => {
  if (hasWaited) settled.peer.descent = settled.composer.openDescent('')
  if (hasWaited) await settled.take(precious)
  await settled.take(proposed)
  settled.peer.descent ??= settled.composer.openDescent('')
  await away.take(proposed)
  answers(away, asks(settled))
  expect(isDropped()).toBe(dropped)
})

it.each([
  ['what found no room before the other vouched for it', 0n, false],
  ['what found no room, and was true at once', horizon, true],
])('nothing is dropped for %s', async (_, vouchedThen, dropped) => {
  await away.take(proposed)
  // More wants than one request names come first; last that there is nothing where the precious is.
  const many = Array.from({ length: compareNodesMax + 9 }, (__, at) => ({
    prefix: uintToBytes(BigInt(at)).subarray(5),
    length: 6,
    digests: packDigests([new Uint8Array(3)]),
  }))
  const path = pathOf('precious', '', sha256)
  const none = { prefix: path.subarray(0, 4), length: 8, digests: packDigests([]) }
  const answer: Message = { compare: { digestBytes: 3, summaries: [...many, none] } }
  const next = away.composer.continueDescent(away.composer.openDescent(''), answer, vouchedThen)
  expect(next?.rest.at(-1)).toEqual(none)
  away.composer.continueDescent(next as Descent, {}, horizon)
  expect(isDropped()).toBe(dropped)
})

it('what is wanted of a recovering leader stays until there was room for its successor', async () => {
  const keys = Array.from({ length: 4 }, (_, at) => `large ${at}`)
  const large = (tick: number): readonly VerifiedEntry[] =>
    keys.map(key => entryOf({ key, tick, value: encodeValue('x'.repeat(100_000)) }, carol))
  await settled.take(proposed, ...large(5))
  await away.take(proposed, ...large(-5))
  away.peer.descent = away.composer.openDescent('')
  for (let steps = 0; steps < 9 && rootOf(away) !== rootOf(settled); steps++) {
    const answer = answers(settled, asks(away))
    await away.take(...(answer.entries ?? []).flatMap(bytes => parsed(bytes)))
    const descent = away.peer.descent ?? away.composer.openDescent('')
    const next = away.composer.continueDescent(descent, answer, vouchedHorizon(answer.horizon))
    away.peer.descent = next ?? away.composer.openDescent('')
    if (away.replica.hasForming) await commit(away)
    expect(keys.filter(key => away.replica.read(key) === undefined)).toEqual([])
  }
  expect(away.replica.read('precious')).toBeUndefined()
  expect(rootOf(away)).toBe(rootOf(settled))
})

it('what is wanted after rows stays, too: its successor may come with a later step', async () => {
  const value = encodeValue(1)
  const many = Array.from({ length: 40 }, (_, at) => entryOf({ key: `many ${at}`, tick: -3, value }, carol))
  const [old, successor] = [-2, 2].map(tick => entryOf({ key: 'k', tick, value: encodeValue(tick) }, carol))
  await settled.take(proposed, ...many, successor as VerifiedEntry)
  await away.take(proposed, ...many, old as VerifiedEntry)
  away.peer.descent = away.composer.openDescent('')
  away.peer.acked = { incarnation: life(1), seq: 0 }
  const request = asks(away, true)
  expect(request.rows?.locators.length).toBeGreaterThan(0)
  const answer = answers(settled, request)
  expect(answer.want?.length).toBeGreaterThan(0)
  away.composer.continueDescent(away.peer.descent, answer, vouchedHorizon(answer.horizon))
  expect([...away.replica.batches.forming.disowned.values()].map(({ key }) => key)).not.toContain('k')
})

function parsed(bytes: Uint8Array): VerifiedEntry[] {
  const entry = parseEntry(bytes, sha256)
  return entry === undefined ? [] : [admit(entry)]
}

/** A node that begins anew where deletes have ended and can ask nobody: whoever can ask it has to fill it. */
import { expect, it } from '@jest/globals'
import { encodeValue, versionAt, type VerifiedEntry } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { alice, bob, carol } from './crypto.ts'
import { EnginePair } from './engine-pair.ts'
import { entryOf } from './replicas.ts'

const minute = 60_000

it.each([
  ['nothing has ended', false],
  ['something has', true],
])('is filled: %s', async (_, hasHorizon) => {
  const pair = new EnginePair([
    { signer: alice, aheadMs: 0, dials: true },
    { signer: bob, aheadMs: 0, dials: false },
  ])
  const [{ engine, store }, other] = pair.nodes
  const horizon = versionAt(testWall - 20 * minute)
  if (hasHorizon) engine.replica.propose(horizon, new Map([[alice.nodeId, store.incarnation]]))
  const entries = Array.from({ length: 50 }, (__, tick) =>
    entryOf({ key: `key${tick}`, tick, value: encodeValue(tick) }, carol),
  )
  await pair.announce(0, carol.nodeId, entries)
  await pair.start()
  await pair.pass(15 * minute)
  const { replica } = other.engine
  expect([replica.trie.root(), replica.isRecovering]).toEqual([engine.replica.trie.root(), false])
})

it('drops what has ended while it was away, though it is asked only', async () => {
  const pair = new EnginePair([
    { signer: alice, aheadMs: 0, dials: true },
    { signer: bob, aheadMs: 0, dials: false },
  ])
  const [{ engine, store }, other] = pair.nodes
  const wall = testWall - 30 * minute
  const old = Array.from({ length: 50 }, (_, tick) =>
    entryOf({ key: `old${tick}`, tick: tick - (testWall - wall) * 65_536, value: encodeValue(tick) }, carol),
  )
  await pair.announce(1, carol.nodeId, old)
  engine.replica.propose(versionAt(testWall - 20 * minute), new Map([[alice.nodeId, store.incarnation]]))
  await pair.announce(0, carol.nodeId, [entryOf({ key: 'new', tick: 1 }, carol)])
  await pair.start()
  await pair.pass(15 * minute)
  const { replica } = other.engine
  expect([replica.trie.count, replica.isRecovering]).toEqual([engine.replica.trie.count, false])
})

it('keeps what was rewritten while it was away until it has what it was rewritten to', async () => {
  const pair = new EnginePair([
    { signer: alice, aheadMs: 0, dials: true },
    { signer: bob, aheadMs: 0, dials: false },
  ])
  const [{ engine, store }, { engine: away }] = pair.nodes
  // So few that they are told one by one.
  const keys = Array.from({ length: 10 }, (_, at) => `key${at}`)
  const written = (minutes: number): VerifiedEntry[] =>
    keys.map((key, at) =>
      entryOf({ key, tick: minutes * minute * 65_536 + at, value: encodeValue(minutes) }, carol),
    )
  await pair.announce(1, carol.nodeId, written(-30))
  engine.replica.propose(versionAt(testWall - 20 * minute), new Map([[alice.nodeId, store.incarnation]]))
  await pair.announce(0, carol.nodeId, written(-10))
  await pair.start()
  await pair.pass(29_900)
  const seen = new Set<unknown>()
  for (let steps = 0; steps < 20_000 && (steps === 0 || away.replica.isRecovering); steps++) {
    await pair.pass(1)
    // Whatever is staged goes to the disk.
    await pair.announce(1, carol.nodeId, [])
    for (const key of keys) seen.add(away.replica.read(key)?.value)
  }
  expect(away.replica.isRecovering).toBe(false)
  expect(seen).toEqual(new Set([-30, -10]))
})

it('gives up what it had written alone and nobody takes any more, for what the others have there', async () => {
  const pair = new EnginePair([
    { signer: alice, aheadMs: 0, dials: true },
    { signer: bob, aheadMs: 0, dials: false },
  ])
  const [{ engine, store }, { engine: away }] = pair.nodes
  const written = (minutes: number): VerifiedEntry[] =>
    Array.from({ length: 10 }, (_, at) =>
      entryOf({ key: `key${at}`, tick: minutes * minute * 65_536 + at, value: encodeValue(minutes) }, carol),
    )
  await pair.announce(1, carol.nodeId, written(-25))
  await pair.announce(0, carol.nodeId, written(-30))
  engine.replica.propose(versionAt(testWall - 20 * minute), new Map([[alice.nodeId, store.incarnation]]))
  await pair.start()
  await pair.pass(15 * minute)
  expect([away.replica.isRecovering, away.replica.trie.root()]).toEqual([false, engine.replica.trie.root()])
  expect(away.replica.read('key0')?.value).toBe(-30)
})

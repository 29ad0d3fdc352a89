/** The steps of a descent say how far deletes have ended: the lost has not, and what was kept is taken. */
import { expect, it } from '@jest/globals'
import {
  encodeValue,
  futureToleranceMs,
  versionAt,
  type Row,
  type Signer,
  type VerifiedEntry,
} from '@lattice/core'
import { createMemoryStore, testWall, type MemoryStore } from '@lattice/core/testing'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, carol } from './crypto.ts'
import { EnginePair, type Place } from './engine-pair.ts'
import { commit, entryOf, life, openReplica } from './replicas.ts'

/** Long enough for a horizon to be old. */
const horizonWall = testWall - 2 * futureToleranceMs
const signers: readonly Signer[] = [alice, bob]
const lives = signers.map(({ nodeId }, at) => [nodeId, life(at + 1)] as const)

/** Of `ms` before the horizon, or after it. */
function entry(key: string, ms: number): VerifiedEntry {
  return entryOf({ key, tick: (horizonWall - testWall - ms) * 65_536, value: encodeValue(key) }, carol)
}

const precious = entry('precious', 5)
const shared = Array.from({ length: 2_000 }, (_, at) => entry(`shared ${at}`, 10))
const news = Array.from({ length: 300 }, (_, at) => entry(`new ${at}`, -10))

/** The store of a node that holds these entries, and then takes in a horizon that some were there for. */
async function storeOf(
  place: Place,
  entries: readonly VerifiedEntry[],
  holders = lives,
): Promise<MemoryStore> {
  const node = openReplica(signers[place], createMemoryStore({ incarnation: life(place + 1) }))
  const proposer = openReplica(bob)
  proposer.replica.propose(versionAt(horizonWall), new Map(holders))
  await commit(proposer)
  for (const taken of [entries, proposer.store.after(0, 9).map(storedEntry)]) {
    node.replica.offer(taken, 'p2p', testWall)
    await commit(node)
  }
  return node.store
}

/** Two nodes on these stores, of which one can ask the other. */
async function open(stores: readonly [MemoryStore, MemoryStore], leader: Place): Promise<EnginePair> {
  const plan = (place: Place) => ({ signer: signers[place] ?? alice, aheadMs: 0, dials: place === leader })
  const pair = new EnginePair([
    { ...plan(0), store: stores[0] },
    { ...plan(1), store: stores[1] },
  ])
  await pair.start()
  return pair
}

const readings = ({ nodes }: EnginePair): unknown[] =>
  nodes.map(({ engine }) => engine.replica.read('precious')?.value)

it.each([
  ['the one that recovers', 0],
  ['the one that loses it', 1],
] as const)(
  'what is lost amid a descent is kept by who recovers, and comes back: %s leads',
  async (_, leader) => {
    const both = [precious, ...shared]
    const stores = [await storeOf(0, both, lives.slice(1)), await storeOf(1, [...both, ...news])] as const
    const pair = await open(stores, leader)
    const [recovering, loser] = pair.nodes
    expect([recovering, loser].map(({ engine }) => engine.replica.isRecovering)).toEqual([true, false])
    const hasBegun = (): boolean =>
      pair.nodes.some(({ asked }) => asked.some(({ compare }) => compare !== undefined))
    for (let turn = 0; turn < 10_000 && !hasBegun(); turn++) await pair.pass(5)
    const row = loser.store.slots('precious')[0] as Row
    Object.assign(row, { bytes: row.bytes.map((byte, at) => (at === 90 ? byte ^ 1 : byte)) })
    expect(readings(pair)).toEqual(['precious', undefined])
    await pair.pass(120_000)
    expect(readings(pair)).toEqual(['precious', 'precious'])
    expect([recovering.engine.replica.isRecovering, recovering.engine.replica.trie.root()]).toEqual([
      false,
      loser.engine.replica.trie.root(),
    ])
  },
)

it.each([0, 1] as const)(
  'what a settled node lacks unawares is taken from another: %i leads',
  async leader => {
    const stores = [await storeOf(0, shared), await storeOf(1, [...shared, precious])] as const
    const pair = await open(stores, leader)
    await pair.pass(60_000)
    expect(readings(pair)).toEqual(['precious', 'precious'])
  },
)

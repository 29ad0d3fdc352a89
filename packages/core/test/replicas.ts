/** Replicas over the memory store, for tests: with all members trusted, and commits at once. */
import {
  concatBytes,
  Replica,
  signEntry,
  toHex,
  type EntryContent,
  type Incarnation,
  type KeyReading,
  type NodeId,
  type Operation,
  type Signer,
  type VerifiedEntry,
} from '@lattice/core'
import { createMemoryStore, testWall, type MemoryStore } from '@lattice/core/testing'
import { alice, bob, carol, sha256 } from './crypto.ts'

/** Everybody whose entries the replicas of these tests accept. */
export const everybody: ReadonlySet<NodeId> = new Set([alice, bob, carol].map(signer => signer.nodeId))

/** A replica with its store. */
export interface TestReplica {
  readonly replica: Replica
  readonly store: MemoryStore
}

/** Opens a replica on `store`, or on an empty one. */
export function openReplica(signer: Signer = alice, store = createMemoryStore()): TestReplica {
  return { replica: new Replica({ store, hash: sha256, signer, trusted: everybody }), store }
}

/** Makes what has been staged durable and visible. */
export async function commit({ replica, store }: TestReplica): Promise<void> {
  await store.commit(replica.seal())
  replica.committed()
}

/** Writes as a client would, and commits. */
export async function write(
  node: TestReplica,
  operations: readonly Operation[],
  wall = testWall,
): Promise<bigint> {
  const version = node.replica.write(operations, wall)
  await commit(node)
  return version
}

/** Joins entries and commits. */
export async function join(node: TestReplica, entries: readonly VerifiedEntry[]): Promise<void> {
  node.replica.offer(entries, 'p2p', testWall)
  await commit(node)
}

/** A replica that has joined these entries, in this order, all in one commit. */
export async function joined(entries: readonly VerifiedEntry[]): Promise<TestReplica> {
  const node = openReplica()
  await join(node, entries)
  return node
}

/** Root in hex. */
export function rootOf({ replica }: TestReplica): string {
  return toHex(replica.trie.root())
}

/** Every key that can be read. */
export function readingsOf({ replica, store }: TestReplica): Map<string, KeyReading> {
  const readings = store.keys('', '', Number.MAX_SAFE_INTEGER).map(key => [key, replica.read(key)] as const)
  return new Map(readings.filter((pair): pair is readonly [string, KeyReading] => pair[1] !== undefined))
}

/** An entry of content that is given in short. */
export function entryOf(
  content: Partial<EntryContent> & { tick: number },
  signer: Signer = alice,
): VerifiedEntry {
  const { tick, key = 'k', slot = '', value, base = 0n } = content
  return signEntry(
    { key, slot, value, base, version: BigInt(testWall) * 65_536n + BigInt(tick) },
    signer,
    sha256,
  )
}

/** An incarnation by number. */
export function life(number: number): Incarnation {
  return number.toString(16).padStart(16, '0') as Incarnation
}

/** All orders of a short list. */
export function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]]
  return items.flatMap((item, at) =>
    permutations([...items.slice(0, at), ...items.slice(at + 1)]).map(rest => [item, ...rest]),
  )
}

/** The bytes of all rows a store holds, by place: two replicas with equal roots hold the same. */
export function heldBytes({ store }: TestReplica): string {
  const rows = store.after(0, Number.MAX_SAFE_INTEGER).map(row => toHex(concatBytes(row.bytes)))
  return rows.sort().join('\n')
}

/**
 * Two whole nodes over the in-memory transport, in virtual time: real frames, exact counts, no sockets, no
 * waiting.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import {
  admit,
  defaultParams,
  encodeValue,
  parseEntry,
  Replica,
  rowOf,
  signEntry,
  type Incarnation,
  type NewRow,
  type NodeId,
  type Store,
  type Verifier,
} from '@lattice/core'
import {
  createMemoryImage,
  createMemoryNetwork,
  createMemoryStore,
  createVirtualClock,
  type VirtualClock,
} from '@lattice/core/testing'
import { Runtime, sha256, type Identity } from '@lattice/daemon'
import { createIdentity, factsOf, pastVersion } from './bench-node.ts'
import { countFrames, type FrameLog } from './frame-counter.ts'
import { emptyNursery } from './nursery.ts'
import { seededRandom } from './seeded-random.ts'
import { randomKeys, randomValue } from './workload.ts'

/** Bytes of a key in these benchmarks. */
export const keyBytes = 40

/** What a missing entry cannot do without: key, value, author and signature (meta is all the rest). */
export const payloadBytes = keyBytes + 100 + 32 + 64

/** Entries after which the compiler has seen enough of them. */
const warmUpEntries = 2_000

/** A signed row, without its place in a journal. */
export type SignedRow = Omit<NewRow, 'seq'>

/** Signs `count` registers with random keys and values. */
export function signRows(author: Identity, count: number): SignedRow[] {
  return randomKeys(count, keyBytes).map(key => {
    const content = { key, slot: '', value: encodeValue(randomValue()), base: 0n, version: pastVersion }
    return rowOf(signEntry(content, author.signer, sha256), 0, sha256)
  })
}

/** The pair and its levers. */
export interface MemoryPair extends AsyncDisposable {
  readonly runtimes: readonly [Runtime, Runtime]
  readonly log: FrameLog
  /** CPU milliseconds spent on signatures since the last `resetVerification`. */
  verificationMs(): number
  resetVerification(): void
  cut(): void
  /** Both ends give their connection up. */
  part(): void
  heal(): void
  /** Lets virtual time pass. */
  pass(ms: number): Promise<void>
  /** Lets virtual time pass until both hold the same root and know it; virtual milliseconds. */
  untilEqual(limitMs: number): Promise<number>
  /** Lets virtual time pass until one has had an answer of the other; virtual milliseconds. */
  untilAnswered(limitMs: number): Promise<number>
}

/** Makes two nodes that hold these rows and have never met, and starts them. */
export async function startPair(
  identities: readonly [Identity, Identity],
  rows: readonly [readonly SignedRow[], readonly SignedRow[]],
  kind: 'p2p' | 'http',
): Promise<MemoryPair> {
  const clock = createVirtualClock()
  const network = createMemoryNetwork(kind)
  const members = new Set(identities.map(({ nodeId }) => nodeId))
  const log: FrameLog = []
  const { verifier, verificationMs, resetVerification } = meteredVerifier()
  const make = async (index: 0 | 1): Promise<Runtime> => {
    const store = await filledStore(index, rows[index])
    const { nodeId, signer } = identities[index]
    return new Runtime({
      info: { name: `node${index + 1}`, role: 'node', software: 'lattice-bench' },
      store,
      hash: sha256,
      signer,
      verifier,
      random: seededRandom(index + 1),
      params: { ...defaultParams, p2pEnabled: kind === 'p2p' },
      members,
      clock,
      transports: [countFrames(network.join(nodeId, members), nodeId, log)],
      log: () => {},
    })
  }
  const runtimes = [await make(0), await make(1)] as const
  const until = async (limitMs: number, condition: () => boolean): Promise<number> => {
    const start = clock.now().mono
    await settle()
    while (!condition()) {
      if (!clock.ringNext(start + limitMs)) throw new Error(`nothing changes any more after ${limitMs} ms`)
      await settle()
    }
    return clock.now().mono - start
  }
  const [a, b] = [identities[0].nodeId, identities[1].nodeId]
  const both = (change: (from: NodeId, to: NodeId) => void): void => {
    change(a, b)
    change(b, a)
  }
  await Promise.all(runtimes.map(runtime => runtime.start()))
  return {
    runtimes,
    log,
    verificationMs,
    resetVerification,
    cut: () => both((from, to) => network.cut(from, to)),
    part: () => network.part(a, b),
    heal: () => both((from, to) => network.heal(from, to)),
    pass: ms => passTime(clock, ms),
    untilEqual: limitMs => until(limitMs, () => areEqual(runtimes)),
    untilAnswered: limitMs => until(limitMs, () => log.some(frame => frame.as === 'answer')),
    [Symbol.asyncDispose]: async () => void (await Promise.all(runtimes.map(runtime => runtime.stop()))),
  }
}

/** Lets everything happen that needs no time: a frame there and back is a few turns of the loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

async function passTime(clock: VirtualClock, ms: number): Promise<void> {
  const limit = clock.now().mono + ms
  do await settle()
  while (clock.ringNext(limit))
}

async function filledStore(index: 0 | 1, rows: readonly SignedRow[]): Promise<Store> {
  const store = createMemoryStore({ image: createMemoryImage(`00000000000000a${index}` as Incarnation) })
  const numbered = rows.map((row, at) => ({ ...row, seq: at + 1 }))
  if (numbered.length > 0) await store.commit({ rows: numbered, facts: factsOf(rows.length) })
  return store
}

function areEqual([a, b]: readonly [Runtime, Runtime]): boolean {
  const [one, other] = [a.status(), b.status()]
  const knows = (status: typeof one): boolean => status.peers.every(peer => peer.root === status.root)
  return one.root === other.root && knows(one) && knows(other)
}

function meteredVerifier(): {
  verifier: Verifier
  verificationMs: () => number
  resetVerification: () => void
} {
  const keys = new Map<NodeId, KeyObject>()
  const keyOf = (author: NodeId): KeyObject => {
    const known = keys.get(author)
    if (known !== undefined) return known
    const x = Buffer.from(author, 'hex').toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    keys.set(author, key)
    return key
  }
  let spent = 0
  return {
    verificationMs: () => spent,
    resetVerification: () => void (spent = 0),
    verifier: {
      verify: async items => {
        const start = process.cpuUsage()
        const verdicts = items.map(({ author, message, signature }) =>
          verify(null, message, keyOf(author), signature),
        )
        const { user, system } = process.cpuUsage(start)
        spent += (user + system) / 1000
        return verdicts
      },
    },
  }
}

/** A replica without a network: what it costs to take entries in, whoever brings them. */
export interface Twin {
  /** CPU milliseconds to take in `count` new entries, in two commits as the two sides of a pair do. */
  applyMs(count: number): Promise<number>
}

/** Makes one that holds these rows, and warms it up. */
export async function startTwin(
  [identity, author]: readonly [Identity, Identity],
  rows: readonly SignedRow[],
): Promise<Twin> {
  const store = await filledStore(0, rows)
  const trusted = new Set([identity.nodeId, author.nodeId])
  const replica = new Replica({ store, hash: sha256, signer: identity.signer, trusted })
  const take = async (entries: readonly Uint8Array[]): Promise<void> => {
    const parsed = entries.map(bytes => parseEntry(bytes, sha256)).filter(entry => entry !== undefined)
    const news = parsed.filter(entry => replica.isNews(entry)).map(admit)
    replica.offer(news, 'p2p', Date.now())
    if (!replica.hasForming) return
    await store.commit(replica.seal())
    replica.committed()
    replica.trie.root()
  }
  const applyMs = async (count: number): Promise<number> => {
    const bytes = signRows(author, count).map(row => row.bytes)
    emptyNursery()
    const before = process.cpuUsage()
    await take(bytes.slice(0, Math.ceil(count / 2)))
    await take(bytes.slice(Math.ceil(count / 2)))
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  }
  await applyMs(warmUpEntries)
  return { applyMs }
}

/** Two fresh identities, the lesser one first: who leads may depend on that. */
export function twoIdentities(): [Identity, Identity] {
  const [a, b] = [createIdentity(), createIdentity()]
  return a.nodeId < b.nodeId ? [a, b] : [b, a]
}

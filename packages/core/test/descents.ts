/** Plays a Merkle descent between two replicas: every message is encoded, bounded, decoded, and counted. */
import {
  admit,
  compareNodesMax,
  decodeMessage,
  encodeMessage,
  encodeValue,
  frameBytesMax,
  isMalformed,
  parseEntry,
  Replica,
  signEntry,
  versionAt,
  type JsonValue,
  type Message,
  type NodeId,
  type Signer,
  type VerifiedEntry,
} from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import type { Descent } from '../src/descent.ts'
import { Composer } from '../src/exchange.ts'
import { createPeer } from '../src/peers.ts'
import { fullDigestBytes, shortDigestBytes } from '../src/reconcile.ts'
import { createKeyedHashSigner, sha256 } from './crypto.ts'
import { commit, life, rootOf, type TestReplica } from './replicas.ts'

/** Authors that sign as fast as they hash. */
export const [ann, ben] = [11, 12].map(createKeyedHashSigner) as [Signer, Signer]
const trusted: ReadonlySet<NodeId> = new Set([ann.nodeId, ben.nodeId])

/** A replica and what speaks for it. */
export interface Side extends TestReplica {
  readonly composer: Composer
}

/** What it took to become equal. */
export interface Cost {
  readonly roundTrips: number
  readonly descents: number
  readonly bytes: number
  /** Of these bytes, those of the entries that were missing. */
  readonly entryBytes: number
  readonly largestFrame: number
}

const made = new Map<string, VerifiedEntry>()

/** An entry of `ann` or `ben` under a numbered key. */
export function numberedEntry(key: number, tick = 0, by = ann, text?: string): VerifiedEntry {
  const name = `${key} ${tick} ${by.nodeId} ${text ?? ''}`
  const entry = made.get(name) ?? makeEntry(key, tick, by, text ?? { n: key })
  made.set(name, entry)
  return entry
}

function makeEntry(key: number, tick: number, by: Signer, value: JsonValue): VerifiedEntry {
  const content = {
    key: `key ${key}`,
    slot: '',
    value: encodeValue(value),
    base: 0n,
    version: versionAt(testWall) + BigInt(tick),
  }
  return signEntry(content, by, sha256)
}

/** A replica that holds these entries. */
export async function sideWith(entries: readonly VerifiedEntry[], signer = ann): Promise<Side> {
  const store = createMemoryStore({ incarnation: life(signer === ann ? 1 : 2) })
  const replica = new Replica({ store, hash: sha256, signer, trusted })
  replica.offer(entries, 'p2p', testWall)
  await commit({ replica, store })
  const info = { name: 'test', role: 'node', software: 'test' }
  return {
    replica,
    store,
    composer: new Composer({ self: signer.nodeId, info, hash: sha256, store, replica }),
  }
}

async function take({ replica, store }: Side, message: Message): Promise<number> {
  const entries = (message.entries ?? []).map(bytes => parseEntry(bytes, sha256))
  const sound = entries.filter(entry => entry !== undefined).map(admit)
  const staged = replica.offer(sound, 'p2p', testWall).filter(verdict => verdict === 'staged').length
  if (staged > 0) await commit({ replica, store })
  return staged
}

/** How `makeEqual` is to be played. */
interface Manner {
  /** Throws where both are not equal after so many. */
  readonly descentsMax?: number
  /** One side is of a build that neither knows nor says how much it reads. */
  readonly isOlder?: boolean
  /** What the first descent begins with, if not at the root. */
  readonly from?: Descent
}

/** Leads descents from `asker` until both are equal. */
export async function makeEqual(
  asker: Side,
  answerer: Side,
  { descentsMax = 40, isOlder = false, from }: Manner = {},
): Promise<Cost> {
  const cost = { roundTrips: 0, descents: 0, bytes: 0, entryBytes: 0, largestFrame: 0 }
  const carried = (message: Message): Message => {
    const frame = encodeMessage(message)
    if (frame.length > frameBytesMax) throw new Error(`a frame of ${frame.length} bytes`)
    cost.bytes += frame.length
    cost.largestFrame = Math.max(cost.largestFrame, frame.length)
    cost.entryBytes += (message.entries ?? []).reduce((sum, entry) => sum + entry.length, 0)
    const received = decodeMessage(frame)
    if (isMalformed(received)) throw new Error(received.malformed)
    if (!isOlder) return received
    const { reads: _, answered: __, readsSums: ___, ...rest } = received
    const named = Math.max(rest.want?.length ?? 0, rest.compare?.summaries.length ?? 0)
    if (named > compareNodesMax) throw new Error(`${named} wants or summaries`)
    return rest
  }
  let staged = 1
  while (rootOf(asker) !== rootOf(answerer)) {
    if (cost.descents++ >= descentsMax) throw new Error(`not equal after ${descentsMax} descents`)
    const fromRoot = asker.composer.openDescent('', staged > 0 ? shortDigestBytes : fullDigestBytes)
    let descent: Descent | undefined = cost.descents === 1 ? (from ?? fromRoot) : fromRoot
    staged = 0
    while (descent !== undefined) {
      const peer = { ...createPeer(ben.nodeId, undefined, 0), descent }
      const request = carried(asker.composer.ask(peer, { push: false, pull: false, descend: true }))
      staged += await take(answerer, request)
      const answer = carried(answerer.composer.answer(request))
      staged += await take(asker, answer)
      cost.roundTrips++
      descent = asker.composer.continueDescent(descent, answer)
    }
  }
  return cost
}

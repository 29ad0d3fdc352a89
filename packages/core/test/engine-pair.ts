/**
 * Two engines that talk over HTTP alone, in virtual time: every message takes one hop, every commit is
 * durable at once. Counts what they ask each other.
 */
import {
  admit,
  defaultParams,
  Engine,
  parseEntry,
  type Delivery,
  type Effect,
  type Event,
  type Message,
  type NodeId,
  type Signer,
  type VerifiedEntry,
} from '@lattice/core'
import { createMemoryStore, createSeededRandom, testWall, type MemoryStore } from '@lattice/core/testing'
import { sha256 } from './crypto.ts'
import { everybody } from './replicas.ts'

/** One way, in ms: a fast network. */
const hopMs = 5

/** One engine and what it asked. */
export interface PairedEngine {
  readonly engine: Engine
  readonly store: MemoryStore
  readonly asked: Message[]
}

/** Two engines on one timeline. */
export interface EnginePair {
  readonly nodes: readonly [PairedEngine, PairedEngine]
  /** Gives entries to one node as if a third one had announced them. */
  announce(to: 0 | 1, from: NodeId, entries: readonly VerifiedEntry[]): Promise<void>
  /** Lets `ms` pass. */
  pass(ms: number): Promise<void>
}

interface Post {
  readonly at: number
  readonly to: 0 | 1
  readonly event: Event
}

/** Opens two engines: how far the wall clock of each is ahead, and whether it knows where the other is. */
export async function openPair(
  signers: readonly [Signer, Signer],
  aheadMs: readonly [number, number],
  dials: readonly [boolean, boolean],
): Promise<EnginePair> {
  let now = 0
  let posts: Post[] = []
  /** Requests under way: who asked, by the id that the asked one knows. */
  const askers = new Map<number, number>()
  const at = (node: 0 | 1): { mono: number; wall: number } => ({
    mono: now,
    wall: testWall + now + aheadMs[node],
  })
  const open = (node: 0 | 1): PairedEngine => {
    const store = createMemoryStore()
    const engine = new Engine({
      info: { name: `node${node}`, role: 'node', software: 'test' },
      store,
      hash: sha256,
      signer: signers[node],
      random: createSeededRandom(node + 1),
      params: { ...defaultParams, p2pEnabled: false },
      members: everybody,
      at: at(node),
    })
    return { engine, store, asked: [] }
  }
  const nodes = [open(0), open(1)] as const

  const perform = async (self: 0 | 1, effect: Effect): Promise<void> => {
    const other = self === 0 ? 1 : 0
    const post = (to: 0 | 1, event: Event, later: number): void =>
      void posts.push({ at: now + later, to, event })
    if (effect.type === 'persist') {
      await nodes[self].store.commit(effect.batch)
      await step(self, { type: 'committed' })
    } else if (effect.type === 'connect') {
      if (dials[self] && effect.peer === signers[other].nodeId)
        post(self, { type: 'peer-up', path: 'http', peer: effect.peer }, hopMs)
    } else if (effect.type === 'ask') {
      nodes[self].asked.push(effect.message)
      const id = askers.size + 1
      askers.set(id, effect.id)
      const peer = signers[self].nodeId
      post(other, { type: 'request', id, path: 'http', peer, ...deliver(effect.message) }, hopMs)
    } else if (effect.type === 'reply') {
      const id = askers.get(effect.id) ?? 0
      post(other, { type: 'answer', id, ...deliver(effect.message) }, hopMs)
    }
  }
  const step = async (node: 0 | 1, event: Event): Promise<void> => {
    for (const effect of nodes[node].engine.step(event, at(node))) await perform(node, effect)
  }
  const pass = async (ms: number): Promise<void> => {
    const end = now + ms
    for (;;) {
      const due = posts.reduce<Post | undefined>(
        (first, each) => (first === undefined || each.at < first.at ? each : first),
        undefined,
      )
      const wakes = ([0, 1] as const).map(node => ({ node, at: nodes[node].engine.wakeAt }))
      const [wake] = wakes.sort((a, b) => a.at - b.at)
      const next = Math.min(due?.at ?? Infinity, wake?.at ?? Infinity)
      if (next > end) break
      now = Math.max(now, next)
      if (due !== undefined && due.at <= next) {
        posts = posts.filter(each => each !== due)
        await step(due.to, due.event)
      } else if (wake !== undefined) await step(wake.node, { type: 'tick' })
    }
    now = end
  }
  for (const node of [0, 1] as const) await step(node, { type: 'transport', path: 'http', started: true })
  return {
    nodes,
    pass,
    announce: (to, from, entries) => {
      const rows = entries.map(({ bytes }) => bytes)
      return step(to, { type: 'announced', peer: from, message: { entries: rows }, entries })
    },
  }
}

function deliver(message: Message): Delivery {
  const bytes = [...(message.rows?.entries ?? []), ...(message.entries ?? [])]
  const entries = bytes.flatMap(each => {
    const entry = parseEntry(each, sha256)
    return entry === undefined ? [] : admit(entry)
  })
  return { message, entries }
}

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
const fastHopMs = 5

/** One of the two, by place. */
export type Place = 0 | 1

/** One engine and what it asked. */
export interface PairedEngine {
  readonly signer: Signer
  readonly engine: Engine
  readonly store: MemoryStore
  /** How far its wall clock is ahead of true time. */
  readonly aheadMs: number
  /** Whether it knows where the other is. */
  readonly dials: boolean
  readonly asked: Message[]
}

/** What differs between the two. */
export type PairedPlan = Pick<PairedEngine, 'signer' | 'aheadMs' | 'dials'> &
  Partial<Pick<PairedEngine, 'store'>>

interface Post {
  readonly at: number
  readonly to: Place
  readonly event: Event
}

/** Two engines on one timeline. */
export class EnginePair {
  readonly nodes: readonly [PairedEngine, PairedEngine]
  /** Nothing gets through: whoever asks or waits is told so. */
  isCut = false
  #now = 0
  #posts: Post[] = []
  /** Questions so far: what each asker calls its own. */
  readonly #askers: number[] = []
  readonly #hopMs: number

  /** @param hopMs how long a message takes one way */
  constructor(plans: readonly [PairedPlan, PairedPlan], hopMs = fastHopMs) {
    this.#hopMs = hopMs
    this.nodes = [open(plans[0], 1), open(plans[1], 2)]
  }

  /** Starts both transports. */
  async start(): Promise<void> {
    for (const place of places) await this.#step(place, { type: 'transport', path: 'http', started: true })
  }

  /** Gives entries to one node as if a third one had announced them. */
  announce(to: Place, from: NodeId, entries: readonly VerifiedEntry[]): Promise<void> {
    const message = { entries: entries.map(({ bytes }) => bytes) }
    return this.#step(to, { type: 'announced', peer: from, message, entries })
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      const [post] = this.#posts.toSorted((a, b) => a.at - b.at)
      const [first = 0] = places.toSorted((a, b) => this.#wakeAt(a) - this.#wakeAt(b))
      const next = Math.min(post?.at ?? Infinity, this.#wakeAt(first))
      if (next > end) break
      this.#now = Math.max(this.#now, next)
      if (post?.at === next) {
        this.#posts = this.#posts.filter(each => each !== post)
        await this.#step(post.to, post.event)
      } else await this.#step(first, { type: 'tick' })
    }
    this.#now = end
  }

  #wakeAt(place: Place): number {
    return this.nodes[place].engine.wakeAt
  }

  async #step(place: Place, event: Event): Promise<void> {
    const { engine, aheadMs } = this.nodes[place]
    const at = { mono: this.#now, wall: testWall + this.#now + aheadMs }
    for (const effect of engine.step(event, at)) await this.#perform(place, effect)
  }

  async #perform(self: Place, effect: Effect): Promise<void> {
    const other = self === 0 ? 1 : 0
    const own = this.nodes[self]
    if (effect.type === 'persist') {
      await own.store.commit(effect.batch)
      await this.#step(self, { type: 'committed' })
    } else if (effect.type === 'connect') {
      if (own.dials && effect.peer === this.nodes[other].signer.nodeId)
        this.#post(self, { type: 'peer-up', path: 'http', peer: effect.peer })
    } else if (effect.type === 'ask' && this.isCut) {
      this.#post(self, { type: 'ask-failed', id: effect.id, reason: 'cut' })
    } else if (effect.type === 'ask') {
      own.asked.push(effect.message)
      const id = this.#askers.push(effect.id) - 1
      this.#post(other, { type: 'request', id, path: 'http', peer: own.signer.nodeId, ...delivery(effect) })
    } else if (effect.type === 'reply') {
      const id = this.#askers[effect.id] ?? 0
      if (this.isCut) this.#post(other, { type: 'ask-failed', id, reason: 'cut' })
      else this.#post(other, { type: 'answer', id, ...delivery(effect) })
    }
  }

  #post(to: Place, event: Event): void {
    this.#posts.push({ at: this.#now + this.#hopMs, to, event })
  }
}

const places: readonly Place[] = [0, 1]

function open(plan: PairedPlan, seed: number): PairedEngine {
  const { store = createMemoryStore() } = plan
  const engine = new Engine({
    info: { name: `node${seed}`, role: 'node', software: 'test' },
    store,
    hash: sha256,
    signer: plan.signer,
    random: createSeededRandom(seed),
    params: { ...defaultParams, p2pEnabled: false },
    members: everybody,
    at: { mono: 0, wall: testWall + plan.aheadMs },
  })
  return { ...plan, engine, store, asked: [] }
}

function delivery({ message }: { message: Message }): Delivery {
  const bytes = [...(message.rows?.entries ?? []), ...(message.entries ?? [])]
  const entries = bytes.flatMap(each => {
    const entry = parseEntry(each, sha256)
    return entry === undefined ? [] : admit(entry)
  })
  return { message, entries }
}

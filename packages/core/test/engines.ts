/** An engine for tests that step it by hand: alice, over HTTP only. */
import {
  defaultParams,
  Engine,
  LatticeError,
  type Effect,
  type EngineParts,
  type Event,
  type NodeStatus,
} from '@lattice/core'
import { createMemoryStore, createSeededRandom, testWall } from '@lattice/core/testing'
import { alice, bob, sha256 } from './crypto.ts'
import { everybody } from './replicas.ts'

/** Opens the engine at mono 0. */
export function openEngine(
  store = createMemoryStore(),
  members = everybody,
  params = {},
  parts: Partial<EngineParts> = {},
): Engine {
  return new Engine({
    info: { name: 'alice', role: 'node', software: 'test' },
    store,
    hash: sha256,
    signer: alice,
    random: createSeededRandom(1),
    params: { ...defaultParams, p2pEnabled: false, ...params },
    members,
    at: { mono: 0, wall: testWall },
    ...parts,
  })
}

/** A question of an engine. */
export type Ask = Effect & { type: 'ask' }

/**
 * That engine with its store, whose commits succeed at once unless the disk is full, what it has asked bob,
 * and what else it said.
 */
export class TalkingEngine {
  readonly asked: Ask[] = []
  isFull = false
  readonly told: (Effect & { type: 'reply' | 'announce' })[] = []
  readonly #store = createMemoryStore()
  readonly #engine = openEngine(this.#store)
  #now = 0

  get status(): NodeStatus {
    return this.#engine.status({ mono: this.#now, wall: testWall + this.#now })
  }

  get root(): Uint8Array {
    return this.#engine.replica.trie.root()
  }

  async step(event: Event): Promise<void> {
    this.#now += 1
    for (const effect of this.#engine.step(event, { mono: this.#now, wall: testWall + this.#now })) {
      if (effect.type === 'ask' && effect.peer === bob.nodeId) this.asked.push(effect)
      if (effect.type === 'reply' || effect.type === 'announce') this.told.push(effect)
      if (effect.type !== 'persist') continue
      if (!this.isFull) await this.#store.commit(effect.batch)
      const refused = { type: 'commit-failed', error: new LatticeError('STORE_FULL') } as const
      await this.step(this.isFull ? refused : { type: 'committed' })
    }
  }

  /** Lets time pass until something is so, or fifty alarms have rung. */
  async until(isDone: () => boolean): Promise<void> {
    for (let steps = 0; steps < 50 && !isDone(); steps++) {
      this.#now = Math.max(this.#now, this.#engine.wakeAt)
      await this.step({ type: 'tick' })
    }
  }
}

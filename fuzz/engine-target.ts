/**
 * A whole mind under fire: frames, answers and failures from two members that may say anything, their
 * signatures good. Whatever comes, the engine keeps its invariants and asks for a bounded amount of work.
 */
import { admit, decodeMessage, defaultParams, Engine, isMalformed, parseEntry, toHex } from '@lattice/core'
import type { Delivery, Effect, Event, PathKind } from '@lattice/core'
import { createMemoryStore, createSeededRandom, testWall } from '@lattice/core/testing'
import { createZeroSigner, memberId, sha256 } from './crypto.ts'

/** Ourselves and the two others. */
const [self, ...others] = [1, 2, 3].map(memberId)

/** More effects than any single event can need: 64 members, a few each, and a log line. */
const effectsMax = 500

/** Turns bytes into events, one after the other. */
class Script {
  readonly #input: Uint8Array
  #at = 0

  constructor(input: Uint8Array) {
    this.#input = input
  }

  get done(): boolean {
    return this.#at >= this.#input.length
  }

  byte(): number {
    return this.#input[this.#at++] ?? 0
  }

  /** Two bytes of length, then so many. */
  bytes(): Uint8Array {
    const length = (this.byte() << 8) | this.byte()
    const taken = this.#input.subarray(this.#at, this.#at + length)
    this.#at += length
    return taken
  }
}

function deliver(frame: Uint8Array): Delivery | undefined {
  const message = decodeMessage(frame)
  if (isMalformed(message)) return undefined
  const bytes = [...(message.rows?.entries ?? []), ...(message.entries ?? [])]
  const entries = bytes.map(each => parseEntry(each, sha256)).filter(entry => entry !== undefined)
  return { message, entries: entries.map(admit) }
}

function nextEvent(script: Script, asked: number[], ids: { next: number }): Event | undefined {
  const kind = script.byte() % 8
  const peer = others[script.byte() % others.length]
  if (peer === undefined) return undefined
  const path: PathKind = script.byte() % 2 === 0 ? 'p2p' : 'http'
  const key = `k${script.byte() % 4}`
  switch (kind) {
    case 0:
      return { type: 'tick' }
    case 1:
      return { type: 'peer-up', path, peer }
    case 2:
      return { type: 'peer-down', path, peer, reason: 'gone' }
    case 3:
      return { type: 'write', id: ids.next++, operations: [{ op: 'increment', key, by: 1 }], conditions: {} }
    case 4: {
      const delivery = deliver(script.bytes())
      return delivery === undefined ? undefined : { type: 'announced', peer, ...delivery }
    }
    case 5: {
      const delivery = deliver(script.bytes())
      return delivery === undefined ? undefined : { type: 'request', id: ids.next++, path, peer, ...delivery }
    }
    case 6: {
      const delivery = deliver(script.bytes())
      const id = asked.shift()
      return delivery === undefined || id === undefined ? undefined : { type: 'answer', id, ...delivery }
    }
    default: {
      const id = asked.shift()
      return id === undefined ? undefined : { type: 'ask-failed', id, reason: 'no answer' }
    }
  }
}

/** Plays one script against one node. */
export function fuzzEngine(input: Uint8Array): void {
  const script = new Script(input)
  const store = createMemoryStore()
  store.hold()
  const at = { mono: 0, wall: testWall }
  const engine = new Engine({
    info: { name: 'n', role: 'node', software: 'fuzz' },
    store,
    hash: sha256,
    signer: createZeroSigner(self as (typeof others)[number]),
    random: createSeededRandom(1),
    params: defaultParams,
    members: new Set(others),
    at,
  })
  const asked: number[] = []
  const ids = { next: 1 }
  const take = (event: Event): void => {
    at.mono += 1
    at.wall += 1
    const effects: readonly Effect[] = engine.step(event, { ...at })
    if (effects.length > effectsMax) throw new Error(`${effects.length} effects of one event`)
    for (const effect of effects) {
      if (effect.type === 'ask') asked.push(effect.id)
      if (effect.type !== 'persist') continue
      void store.commit(effect.batch)
      store.release(1)
      take({ type: 'committed' })
    }
  }
  for (const path of ['p2p', 'http'] as const) take({ type: 'transport', path, started: true })
  while (!script.done) {
    at.mono += script.byte() * 100
    const event = nextEvent(script, asked, ids)
    if (event !== undefined) take(event)
  }
  engine.status({ ...at })
  if (!/^[0-9a-f]{64}$/.test(toHex(engine.replica.trie.root()))) throw new Error('the root is not a root')
}

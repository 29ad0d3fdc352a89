/** A node that loses its last path tries all others at once, however long their pauses were to be. */
import { expect, it } from '@jest/globals'
import type { Effect, Event, Incarnation, Message, NodeId, PathKind } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { alice, bob, carol } from './crypto.ts'
import { openEngine } from './engines.ts'

const incarnation = '00000000000000bb' as Incarnation
const beat = { incarnation, seq: 0, count: 0, root: new Uint8Array(32) }

/** Alice among others, of whom only bob answers, and he by one path. */
class Alice {
  isBobThere = true
  readonly #path: PathKind
  readonly #retryAfterMs: number
  readonly #engine: ReturnType<typeof openEngine>
  #now = 0

  constructor(members: readonly NodeId[], path: PathKind, retryAfterMs = 0) {
    this.#path = path
    this.#retryAfterMs = retryAfterMs
    const params = { p2pEnabled: path === 'p2p' }
    this.#engine = openEngine(createMemoryStore(), new Set([alice.nodeId, ...members]), params)
    if (params.p2pEnabled) this.step({ type: 'transport', path: 'p2p', started: true })
    this.step({ type: 'transport', path: 'http', started: true })
  }

  step(event: Event): Effect[] {
    const effects = this.#engine.step(event, { mono: this.#now, wall: testWall + this.#now })
    return effects.flatMap(effect => [
      effect,
      ...this.#reactions(effect).flatMap(reaction => this.step(reaction)),
    ])
  }

  /** Lets time pass; what it brought. */
  pass(ms: number): Effect[] {
    const end = this.#now + ms
    const effects: Effect[] = []
    while (this.#engine.wakeAt <= end) {
      this.#now = this.#engine.wakeAt
      effects.push(...this.step({ type: 'tick' }))
    }
    this.#now = end
    return effects
  }

  #reactions(effect: Effect): Event[] {
    if (effect.type === 'connect') {
      const { path, peer } = effect
      if (peer === bob.nodeId && path === this.#path && this.isBobThere)
        return [{ type: 'peer-up', path, peer }]
      return [{ type: 'connect-failed', path, peer, reason: 'no route', retryAfterMs: this.#retryAfterMs }]
    }
    if (effect.type !== 'ask' || effect.message.waitMs !== undefined) return []
    if (!this.isBobThere) return [{ type: 'ask-failed', id: effect.id, reason: 'Bad Gateway' }]
    const heardMs = { [this.#path]: 0 }
    const message: Message = { beat: { ...beat, heardMs, wall: testWall + this.#now } }
    return [{ type: 'answer', id: effect.id, message, entries: [] }]
  }
}

/** How often a path to a peer was dialled. */
function dials(effects: readonly Effect[], peer: NodeId, path: PathKind): number {
  return effects.filter(each => each.type === 'connect' && each.peer === peer && each.path === path).length
}

it.each([
  ['another peer, for what failed before may work by now', carol.nodeId, 'http', 0, 1],
  ['another peer, but not before the pause that a host has asked for', carol.nodeId, 'http', 60_000, 0],
  ['the other path to the same peer', bob.nodeId, 'p2p', 0, 1],
] as const)('%s', (_, peer, path, retryAfterMs, soon) => {
  const node = new Alice(peer === bob.nodeId ? [peer] : [bob.nodeId, peer], path, retryAfterMs)
  const dialled = (ms: number): number => dials(node.pass(ms), peer, 'http')
  expect(dialled(200_000)).toBeGreaterThan(2)
  for (let second = 0; second < 100 && dialled(1_000) === 0; second++);
  expect(dialled(5_000)).toBe(0)
  node.isBobThere = false
  node.step({ type: 'peer-down', path, peer: bob.nodeId, reason: 'the connection was closed' })
  expect(dialled(100)).toBe(soon)
})

it('but the link whose failure has taken the last path keeps its own pause', () => {
  const node = new Alice([bob.nodeId], 'p2p')
  node.pass(20_000)
  node.isBobThere = false
  const asks = (ms: number): number => node.pass(ms).filter(({ type }) => type === 'ask').length
  for (let ms = 0; ms < 60_000 && asks(1) === 0; ms++);
  expect(asks(5)).toBe(0)
  expect(asks(60_000)).toBeGreaterThan(0)
})

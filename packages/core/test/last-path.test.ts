/** A node that loses its last path tries the others at once, however long their pauses were to be. */
import { expect, it } from '@jest/globals'
import type { Effect, Event, Incarnation, Message, NodeId } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { bob, carol } from './crypto.ts'
import { openEngine } from './engines.ts'

const incarnation = '00000000000000bb' as Incarnation
const beat = { incarnation, seq: 0, count: 0, root: new Uint8Array(32), heardMs: {} }

it.each([
  ['for what failed before may work by now', 0, 1],
  ['but not before the pause that a host has asked for', 60_000, 0],
])('%s', (_, retryAfterMs, soon) => {
  const engine = openEngine()
  let now = 0
  const step = (event: Event): Effect[] => {
    const effects = engine.step(event, { mono: now, wall: testWall + now })
    return effects.flatMap(effect => [effect, ...reactions(effect).flatMap(step)])
  }
  const hello = (): Message => ({ beat: { ...beat, wall: testWall + now } })
  let isBobThere = true
  /** Carol cannot be reached. */
  const reactions = (effect: Effect): Event[] => {
    if (effect.type === 'connect' && effect.peer === bob.nodeId && isBobThere)
      return [{ type: 'peer-up', path: 'http', peer: bob.nodeId }]
    if (effect.type === 'connect')
      return [{ type: 'connect-failed', path: 'http', peer: effect.peer, reason: 'no route', retryAfterMs }]
    const isWaiting = effect.type !== 'ask' || effect.message.waitMs !== undefined
    return isWaiting ? [] : [{ type: 'answer', id: effect.id, message: hello(), entries: [] }]
  }
  const dials = (effects: readonly Effect[], peer: NodeId): number =>
    effects.filter(effect => effect.type === 'connect' && effect.peer === peer).length
  /** Lets time pass; how often carol was dialled. */
  const pass = (ms: number): number => {
    const end = now + ms
    let count = 0
    while (engine.wakeAt <= end) {
      now = engine.wakeAt
      count += dials(step({ type: 'tick' }), carol.nodeId)
    }
    now = end
    return count
  }

  step({ type: 'transport', path: 'http', started: true })
  expect(pass(200_000)).toBeGreaterThan(2)
  for (let second = 0; second < 100 && pass(1_000) === 0; second++);
  expect(pass(5_000)).toBe(0)
  isBobThere = false
  step({ type: 'peer-down', path: 'http', peer: bob.nodeId, reason: 'the connection was closed' })
  expect(pass(100)).toBe(soon)
})

/** How long polls hold after one was cut off: by a proxy, which goes on answering, or by the peer's end. */
import { expect, it } from '@jest/globals'
import type { Effect, Event, Incarnation } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { longPollMs } from '../src/params.ts'
import { bob } from './crypto.ts'
import { openEngine } from './engines.ts'

type Ask = Effect & { type: 'ask' }

const incarnation = '00000000000000bb' as Incarnation

/** Alice, who asks bob over HTTP; what he does is decided ask by ask. */
function openPoller() {
  const store = createMemoryStore()
  const engine = openEngine(store)
  const root = engine.replica.trie.root()
  const beat = { incarnation, seq: 0, count: 0, root, wall: testWall, heardMs: {} }
  let now = 0
  const asked: Ask[] = []
  const step = (event: Event): void => {
    now += 1
    for (const effect of engine.step(event, { mono: now, wall: testWall + now }))
      if (effect.type === 'ask' && effect.peer === bob.nodeId) asked.push(effect)
  }
  /** The next poll; of the short questions before it so many fail, and the others are answered. */
  const nextPoll = (failures = 0): Ask => {
    let failing = failures
    for (let steps = 0; steps < 100; steps++) {
      const ask = asked.shift()
      if (ask === undefined) {
        now = Math.max(now, engine.wakeAt)
        step({ type: 'tick' })
      } else if (ask.message.waitMs !== undefined) return ask
      else if (failing-- <= 0)
        step({ type: 'answer', id: ask.id, message: { version: 1, beat }, entries: [] })
      else step({ type: 'ask-failed', id: ask.id, reason: 'nothing listens there' })
    }
    throw new Error('nothing was asked')
  }
  const cut = (poll: Ask, heldMs: number): void => {
    for (const end = now + heldMs; now < end;) {
      now = Math.min(end, Math.max(now, engine.wakeAt))
      step({ type: 'tick' })
    }
    step({ type: 'ask-failed', id: poll.id, reason: 'cut' })
  }
  step({ type: 'peer-up', path: 'http', peer: bob.nodeId })
  return { nextPoll, cut }
}

it('is less where the peer answers all the same, and as ever where it was down', () => {
  const { nextPoll, cut } = openPoller()
  const first = nextPoll()
  expect(first.message.waitMs).toBe(longPollMs)
  cut(first, 20_000)
  const second = nextPoll()
  expect(second.message.waitMs).toBeCloseTo(16_000, -2)
  cut(second, 6_000)
  expect(nextPoll(3).message.waitMs).toBe(longPollMs)
})

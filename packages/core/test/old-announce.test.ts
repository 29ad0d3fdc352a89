/** An announce that somebody kept from an earlier life of a peer, and passes on now, moves nothing. */
import { expect, it } from '@jest/globals'
import type { Effect, Event, Incarnation } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { cursorFact, decodeCursor } from '../src/journal.ts'
import { isOvertaken } from '../src/peers.ts'
import { bob } from './crypto.ts'
import { openEngine } from './engines.ts'

const dayMs = 86_400_000
const life = (digit: string): Incarnation => digit.repeat(16) as Incarnation

/** The cursor for bob that is durable after his announces, each of all rows of a life up to `seq`. */
async function cursorAfter(
  announces: readonly { life: Incarnation; seq: number; wall: number }[],
): Promise<unknown> {
  const store = createMemoryStore()
  const engine = openEngine(store)
  let now = 0
  const step = async (event: Event): Promise<void> => {
    now += 1
    const effects: readonly Effect[] = engine.step(event, { mono: now, wall: testWall + now })
    for (const effect of effects) {
      if (effect.type !== 'persist') continue
      await store.commit(effect.batch)
      await step({ type: 'committed' })
    }
  }
  for (const { life: incarnation, seq, wall } of announces) {
    const beat = { incarnation, seq, count: seq, root: new Uint8Array(32).fill(7), wall, heardMs: {} }
    const rows = { incarnation, after: 0, upTo: seq, entries: [], locators: [] }
    await step({ type: 'announced', peer: bob.nodeId, message: { beat, acks: [], rows }, entries: [] })
    // A commit takes the cursor along.
    const operations = [{ op: 'put', key: 'k', value: seq }] as const
    await step({ type: 'write', id: seq, operations, conditions: {} })
  }
  return decodeCursor(store.fact(cursorFact(bob.nodeId)) ?? new Uint8Array(0))
}

it('of a life that is over is passed over', async () => {
  const [present, over] = [life('b'), life('a')]
  const announces = [
    { life: present, seq: 500, wall: testWall },
    { life: over, seq: 3, wall: testWall - dayMs },
  ]
  expect(await cursorAfter(announces)).toEqual({ incarnation: present, seq: 500 })
})

it('of a new life is taken for what it says', async () => {
  const [present, next] = [life('b'), life('a')]
  const announces = [
    { life: present, seq: 500, wall: testWall },
    { life: next, seq: 3, wall: testWall + 1 },
  ]
  expect(await cursorAfter(announces)).toEqual({ incarnation: next, seq: 3 })
})

it.each([
  ['of this life, of as much as is known', 'b', 500, 0, false],
  ['of this life, of less', 'b', 499, 1, true],
  ['of another life, later', 'a', 3, 1, false],
  ['of another life, of the same moment', 'a', 3, 0, true],
])('is overtaken or not: %s', (_, digit, seq, laterMs, isOver) => {
  const root = new Uint8Array(32)
  const known = { at: 0, incarnation: life('b'), seq: 500, root: '', count: 1, wall: testWall }
  const beat = { incarnation: life(digit), seq, root, count: 1, wall: testWall + laterMs, heardMs: {} }
  expect([isOvertaken(beat, known), isOvertaken(beat, undefined)]).toEqual([isOver, false])
})

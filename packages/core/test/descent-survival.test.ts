/** A descent under way outlasts the failure of other questions, and ends with that of its own. */
import { expect, it } from '@jest/globals'
import type { Incarnation, Message } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { packDigests } from '../src/digest-list.ts'
import { bob } from './crypto.ts'
import { TalkingEngine, type Ask } from './engines.ts'

const incarnation = '00000000000000bb' as Incarnation
const beat = { incarnation, seq: 1, count: 99, root: new Uint8Array(32), wall: testWall, heardMs: {} }
const [one, other] = [new Uint8Array(4).fill(1), new Uint8Array(4).fill(2)]
const branch = {
  prefix: new Uint8Array(0),
  length: 0,
  digests: packDigests([one, other]),
  depth: 0,
  bitmap: 3,
}
const step: Message = { version: 1, beat, compare: { digestBytes: 4, summaries: [branch] } }

/** Alice in the midst of a descent with bob, and a long poll beside it: both questions. */
async function descend() {
  const engine = new TalkingEngine()
  const { asked } = engine
  const ask = (isOne: (ask: Ask) => boolean): Ask | undefined => asked.findLast(isOne)
  await engine.step({ type: 'peer-up', path: 'http', peer: bob.nodeId })
  await engine.until(() => asked.length > 0)
  const hello = { ...beat, seq: 0, count: 0, root: engine.root }
  await engine.step({ type: 'answer', id: 1, message: { version: 1, beat: hello }, entries: [] })
  await engine.until(() => ask(({ message }) => message.waitMs !== undefined) !== undefined)
  const poll = ask(({ message }) => message.waitMs !== undefined)
  const rows = { incarnation, after: 0, upTo: 1, entries: [], locators: [] }
  await engine.step({ type: 'announced', peer: bob.nodeId, message: { beat, acks: [], rows }, entries: [] })
  await engine.until(() => ask(({ message }) => message.compare !== undefined) !== undefined)
  const opening = ask(({ message }) => message.compare !== undefined)
  return { engine, poll: poll?.id ?? 0, opening: opening?.id ?? 0 }
}

/**
 * How far down the next step of a descent begins, place by place, among the questions after the first ones.
 */
function depths({ asked }: TalkingEngine, from: number): number[] | undefined {
  const next = asked.slice(from).find(({ message }) => message.compare !== undefined)
  return next?.message.compare?.summaries.map(({ length }) => length)
}

it('goes on where it was when a poll beside it was cut', async () => {
  const { engine, poll, opening } = await descend()
  await engine.step({ type: 'ask-failed', id: poll, reason: 'cut' })
  const before = engine.asked.length
  await engine.step({ type: 'answer', id: opening, message: step, entries: [] })
  expect(depths(engine, before)).toEqual([1, 1])
})

it('begins anew when its own question fails', async () => {
  const { engine, opening } = await descend()
  const before = engine.asked.length
  await engine.step({ type: 'ask-failed', id: opening, reason: 'cut' })
  await engine.until(() => depths(engine, before) !== undefined)
  expect(depths(engine, before)).toEqual([0])
})

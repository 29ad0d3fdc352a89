/** Rows that are told by locator, and more of them than one request asks for. */
import { expect, it } from '@jest/globals'
import type { Event, Incarnation, Message } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { uintToBytes } from '../src/bytes.ts'
import { compareNodesMax } from '../src/limits.ts'
import { bob } from './crypto.ts'
import { TalkingEngine, type Ask } from './engines.ts'

const incarnation = '00000000000000bb' as Incarnation
const beat = { incarnation, seq: 2_000, count: 2_000, root: new Uint8Array(32), wall: testWall, heardMs: {} }
const hello: Message = { info: { name: 'bob', role: 'node', software: 'test' }, beat }
const locators = Array.from({ length: 1_500 }, (_, at) => ({
  path: uintToBytes(BigInt(at)).subarray(4),
  digest: uintToBytes(BigInt(at)).subarray(2),
}))

const rows = { incarnation, after: 0, upTo: 2_000, entries: [], locators }

/** Alice, whom bob has told of his rows by locator, and the question that she asked then. */
async function openTold() {
  const engine = new TalkingEngine()
  const { asked } = engine
  const step = (event: Event): Promise<void> => engine.step(event)
  /** What happens makes her ask again: the next question that is like this. */
  const next = async (event: Event, isIt: (message: Message) => boolean): Promise<Ask | undefined> => {
    const from = asked.length
    const found = (): Ask | undefined => asked.slice(from).find(({ message }) => isIt(message))
    await step(event)
    await engine.until(() => found() !== undefined)
    return found()
  }
  await step({ type: 'peer-up', path: 'http', peer: bob.nodeId })
  const told = await next(answerTo(asked.at(-1), { ...hello, rows }), wants)
  return { told, step, next }
}

function answerTo(ask: Ask | undefined, message: Message): Event {
  return { type: 'answer', id: ask?.id ?? 0, message, entries: [] }
}

function wants({ want }: Message): boolean {
  return want !== undefined
}

it('what has been superseded is passed, and what was not asked for yet is asked for', async () => {
  const { told, next } = await openTold()
  expect(told?.message.want).toHaveLength(compareNodesMax)
  const second = await next(answerTo(told, hello), wants)
  expect(second?.message.want).toHaveLength(locators.length - compareNodesMax)
  expect(second?.message.ack).toBeUndefined()
  const third = await next(answerTo(second, hello), message => message.beat !== undefined)
  expect(third?.message.ack?.seq).toBe(rows.upTo)
})

it('what an earlier life was to be asked for does not move the cursor of a new one', async () => {
  const { told, step, next } = await openTold()
  const anew = { ...beat, incarnation: '00000000000000cc' as Incarnation, seq: 5 }
  const again = {
    ...hello,
    beat: anew,
    rows: { ...rows, incarnation: anew.incarnation, upTo: 5, locators: [] },
  }
  await step({ type: 'request', id: 9, path: 'http', peer: bob.nodeId, message: again, entries: [] })
  const failed: Event = { type: 'ask-failed', id: told?.id ?? 0, reason: 'it has gone' }
  let last = await next(failed, wants)
  for (let asks = 0; asks < 2; asks++)
    last = await next(answerTo(last, { ...hello, beat: anew }), message => message.beat !== undefined)
  expect(last?.message.ack).toEqual({ incarnation: anew.incarnation, seq: anew.seq })
})

/** A node that leaves answers whoever waits for it, which says nothing of what they asked. */
import { expect, it } from '@jest/globals'
import type { Event, Incarnation, Message } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { locatorDigestBytes, locatorPathBytes } from '../src/rows.ts'
import { leafDigest, pathOf } from '../src/merkle.ts'
import { bob, sha256 } from './crypto.ts'
import { TalkingEngine, type Ask } from './engines.ts'
import { entryOf } from './replicas.ts'

const incarnation = '00000000000000bb' as Incarnation
const entry = entryOf({ key: 'told', tick: 1 }, bob)
const path = pathOf(entry.key, entry.slot, sha256)
const locator = {
  path: path.subarray(0, locatorPathBytes),
  digest: leafDigest(path, entry.digest, sha256).subarray(0, locatorDigestBytes),
}
const beat = { incarnation, seq: 1, count: 1, root: new Uint8Array(32), wall: testWall, heardMs: {} }
const hello: Message = { info: { name: 'bob', role: 'node', software: 'test' }, beat }
const told: Message = { ...hello, rows: { incarnation, after: 0, upTo: 1, entries: [], locators: [locator] } }

it('what a leaving node was asked for is asked again when it is back', async () => {
  const engine = new TalkingEngine()
  const { asked } = engine
  const step = (event: Event): Promise<void> => engine.step(event)
  const wanted = (): Ask | undefined => asked.findLast(({ message }) => message.want !== undefined)
  const until = (isDone: () => boolean): Promise<void> => engine.until(isDone)
  const answer = async (ask: Ask | undefined, message: Message): Promise<void> =>
    step({ type: 'answer', id: ask?.id ?? 0, message, entries: [] })

  await step({ type: 'peer-up', path: 'http', peer: bob.nodeId })
  await until(() => asked.length > 0)
  await answer(asked.at(-1), told)
  await until(() => wanted() !== undefined)
  const first = wanted()
  expect(first).toBeDefined()
  await answer(first, { ...hello, leaving: true })
  await step({ type: 'request', id: 9, path: 'http', peer: bob.nodeId, message: hello, entries: [] })
  await until(() => wanted() !== first)
  expect(wanted()).not.toBe(first)
})

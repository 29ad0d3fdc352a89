/** A node that leaves says so, and answers whoever waits for it, which says nothing of what they asked. */
import { describe, expect, it } from '@jest/globals'
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

describe('a goodbye', () => {
  const shortly = { ...beat, wall: testWall + 1_000 }
  const why = (engine: TalkingEngine): string | undefined =>
    engine.status.peers.find(({ nodeId }) => nodeId === bob.nodeId)?.why

  it('is in all that a leaving node still says', async () => {
    const engine = new TalkingEngine()
    await engine.step({ type: 'peer-up', path: 'http', peer: bob.nodeId })
    await engine.until(() => engine.asked.length > 0)
    await engine.step({ type: 'leave' })
    const before = engine.asked.length
    const request = { type: 'request', path: 'http', peer: bob.nodeId, message: hello, entries: [] } as const
    await engine.step({ ...request, id: 1 })
    const id = engine.asked.at(-1)?.id ?? 0
    await engine.step({ type: 'ask-failed', id, reason: 'gone', code: 'PEER_UNREACHABLE' })
    await engine.until(() => engine.asked.length > before)
    const said = [...engine.told, ...engine.asked.slice(before)].map(({ message }) => message)
    expect(said.length).toBeGreaterThanOrEqual(3)
    expect(said.filter(({ leaving }) => leaving !== true)).toStrictEqual([])
  })

  it('does not say that the node knows nothing of the others', async () => {
    const engine = new TalkingEngine()
    const rows = { incarnation, after: 0, upTo: 1, entries: [entry.bytes], locators: [] }
    const message: Message = { beat, acks: [], rows }
    await engine.step({ type: 'announced', peer: bob.nodeId, message, entries: [entry] })
    await engine.step({ type: 'leave' })
    expect(engine.told.at(-1)?.message.acks).toStrictEqual([{ node: bob.nodeId, incarnation, seq: 1 }])
  })

  it('is not undone by what was said before it and comes later', async () => {
    const engine = new TalkingEngine()
    const announce = (said: Message): Promise<void> =>
      engine.step({ type: 'announced', peer: bob.nodeId, message: said, entries: [] })
    await announce({ beat, acks: [] })
    await announce({ beat: shortly, acks: [], leaving: true })
    expect(why(engine)).toBe('the peer said goodbye')
    await announce({ beat: { ...beat, wall: shortly.wall - 1 }, acks: [] })
    expect(why(engine)).toBe('the peer said goodbye')
    await announce({ beat: { ...beat, wall: shortly.wall + 1 }, acks: [] })
    expect(why(engine)).not.toBe('the peer said goodbye')
  })
})

/** The event stream: in order, resumable, honest about gaps. */
import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import {
  createClient,
  changeEventSchema,
  peerEventSchema,
  resyncEventSchema,
  transitionSchema,
} from '@lattice/api'
import type { ServerEvent } from '@lattice/api'
import type { NodeId } from '@lattice/core'
import { startWorld } from './http-world.ts'
import type { World } from './http-world.ts'

let world: World
let stop: AbortController
beforeEach(async () => {
  world = await startWorld({ pingMs: 20 })
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await world.close()
})

const write = (key: string): void => void world.node.apply([{ op: 'put', key, value: 1 }])
const keyOf = (event: ServerEvent): unknown => (JSON.parse(event.data) as { key: unknown }).key

/** Opens a stream and resolves once the server has sent its first bytes, so that no event is missed. */
async function open(lastEventId?: string): Promise<IncomingMessage> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
  const asked = request({ port: world.port, path: '/api/lattice/events', headers, signal: stop.signal })
  asked.on('error', () => undefined).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.setEncoding('utf8').on('error', () => undefined)
  return response
}

/** The status that a stream asked for from `localAddress` begins with. */
async function statusOf(localAddress: string): Promise<number | undefined> {
  const asked = request({ port: world.port, path: '/api/lattice/events', localAddress, signal: stop.signal })
  asked.on('error', () => undefined).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.on('error', () => undefined).resume()
  return response.statusCode
}

async function readUntil(response: IncomingMessage, done: (text: string) => boolean): Promise<string> {
  let text = ''
  for await (const chunk of response.iterator({ destroyOnReturn: false })) {
    text += chunk as string
    if (done(text)) break
  }
  return text
}

async function follow(count: number, lastEventId?: string): Promise<ServerEvent[]> {
  const client = createClient({ baseUrl: world.url })
  const events: ServerEvent[] = []
  const options = { signal: stop.signal, ...(lastEventId === undefined ? {} : { lastEventId }) }
  for await (const event of client.events(options)) {
    events.push(event)
    if (events.length === count) break
  }
  return events
}

describe('the stream', () => {
  it('is sent unbuffered and gives signs of life', async () => {
    const response = await open()
    expect(response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no',
      'cache-control': 'no-store, no-transform',
    })
    const text = await readUntil(response, so => so.includes(': ping\n\n'))
    expect(text).toMatch(/^retry: \d+\nid: [0-9a-f]{12}-0\n\n/)
  })

  it('tells changes, modes, peers and alerts in order, with ids', async () => {
    const response = await open()
    write('a')
    await world.node.switchMode('http')
    const link = { state: 'down' } as const
    world.node.emit({
      kind: 'peer',
      previousPath: 'p2p',
      peer: {
        nodeId: 'a'.repeat(64) as NodeId,
        path: 'none',
        why: 'silent',
        sinceWall: 0,
        links: { p2p: link, http: link },
      },
    })
    world.app.events.publish('alert', { firing: true })
    const text = await readUntil(response, so => so.includes('event: alert') && so.endsWith('\n\n'))
    const events = [...text.matchAll(/^id: \S+-(\d+)\nevent: (\w+)\ndata: (.*)$/gm)]
    expect(events.map(([, id, name]) => `${id} ${name}`)).toEqual(['1 change', '2 mode', '3 peer', '4 alert'])
    const data = events.map(event => JSON.parse(event[3] ?? '') as unknown)
    expect(changeEventSchema.parse(data[0])).toMatchObject({ key: 'a', deleted: false, via: 'local' })
    expect(transitionSchema.parse(data[1])).toMatchObject({ to: 'FORCED', trigger: 'operator' })
    expect(peerEventSchema.parse(data[2])).toMatchObject({ previous_path: 'p2p', peer: { path: 'none' } })
  })

  it('replays exactly what came after Last-Event-ID, then goes on', async () => {
    for (const key of ['a', 'b', 'c', 'd']) write(key)
    const boot = await bootId()
    const following = follow(3, `${boot}-2`)
    const early = follow(5, `${boot}-0`)
    await openStreams(2)
    write('e')
    expect((await following).map(keyOf)).toEqual(['c', 'd', 'e'])
    expect((await early).map(keyOf)).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('says resync when the id is of another run, nonsense, from the future, or too old', async () => {
    write('a')
    const boot = await bootId()
    for (const id of ['000000000000-1', 'nonsense', `${boot}-99`]) {
      const [event] = await follow(1, id)
      expect([id, event?.event, event?.id]).toEqual([id, 'resync', `${boot}-1`])
      expect(resyncEventSchema.parse(JSON.parse(event?.data ?? '')).merkle_root).toBe(world.node.root())
    }
    for (let count = 0; count < 8200; count += 1) world.app.events.publish('alert', count)
    expect((await follow(1, `${boot}-1`))[0]?.event).toBe('resync')
    const kept = await follow(2, `${boot}-8100`)
    expect(kept.map(event => event.id)).toEqual([`${boot}-8101`, `${boot}-8102`])
  })

  it('ends when the node stops, and lets go of the node', async () => {
    const response = await open()
    const ended = readUntil(response, () => false)
    await world.close()
    await ended
    expect(world.node.listenerCount).toBe(0)
  })

  it('holds little for a reader that does not read, and gives it all once it does', async () => {
    const boot = await bootId()
    let texts = 0
    const toJSON = (): string => `${(texts += 1)} `.padEnd(1000, 'x')
    for (let count = 0; count < 6000; count += 1) world.app.events.publish('alert', { toJSON })
    const held: number[] = []
    world.server.server.prependListener('request', (_request, response) => {
      const write = response.write.bind(response) as (text: string) => boolean
      response.write = (text: string) => {
        const taken = write(text)
        held.push(response.writableLength)
        return taken
      }
    })
    const readers = await Promise.all([1, 2, 3].map(() => open(`${boot}-0`)))
    world.app.events.publish('alert', 'live')
    const got = await Promise.all(
      readers.map(one => readUntil(one, so => so.slice(-500).includes('"live"\n\n'))),
    )
    const ids = Array.from({ length: 6001 }, (_, at) => `${boot}-${at + 1}`)
    for (const text of got) expect([...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id)).toEqual(ids)
    expect(Math.max(...held)).toBeLessThan(256 * 1024)
    expect(texts).toBe(6000) // once for all
  })

  it('cuts off a reader that falls so far behind that events it lacks are no longer kept', async () => {
    const response = await open()
    const closed = new Promise<void>(resolve => response.once('close', () => resolve()))
    // Within one turn nothing leaves the process: as with a reader that does not read.
    for (let count = 0; count < 8300; count += 1) world.app.events.publish('alert', 'x'.repeat(100))
    response.resume()
    await closed
    expect(response.complete).toBe(false)
  })
})

async function bootId(): Promise<string> {
  const response = await open()
  const text = await readUntil(response, so => so.includes('\n\n'))
  response.destroy()
  return /^id: ([0-9a-f]{12})-/m.exec(text)?.[1] ?? ''
}

async function openStreams(count: number): Promise<void> {
  const connections = (): Promise<number> =>
    new Promise(resolve => world.server.server.getConnections((_error, n) => resolve(n)))
  while ((await connections()) < count) await new Promise(resolve => setImmediate(resolve))
}

it('one caller with all the streams there are makes room for others, and not for himself', async () => {
  const greedy = '127.0.0.2'
  for (let count = 0; count < 256; count += 1) expect(await statusOf(greedy)).toBe(200)
  expect(await statusOf(greedy)).toBe(503)
  expect(await statusOf('127.0.0.3')).toBe(200)
  expect(await statusOf('127.0.0.1')).toBe(200)
})

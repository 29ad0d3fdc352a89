/** The server's own manners: strict parsing, the node-to-node pass-through, upgrades, a clean end. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from '@jest/globals'
import { frameBytesMax } from '@lattice/core'
import type { SyncAnswer, SyncRequest } from '../src/http/index.ts'
import { startWorld } from './http-world.ts'
import type { World } from './http-world.ts'

let world: World
afterEach(() => world.close())

describe('hostile requests', () => {
  const head = 'PUT /api/lattice/state/k HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
  it.each([
    ['two lengths', `${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\n12`],
    ['the same length twice', `${head}Content-Length: 1\r\nContent-Length: 1\r\n\r\n1`],
    [
      'length and chunks',
      `${head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n`,
    ],
    [
      'chunks and length',
      `${head}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n1\r\n1\r\n0\r\n\r\n`,
    ],
    ['a signed length', `${head}Content-Length: +1\r\n\r\n1`],
    ['a folded transfer coding', `${head}Transfer-Encoding: chunked, identity\r\n\r\n1\r\n1\r\n0\r\n\r\n`],
    ['no host', 'GET /health HTTP/1.1\r\n\r\n'],
    ['a bare line feed in a header', 'GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\nb\r\n\r\n'],
    ['no HTTP at all', 'hello\r\n\r\n'],
  ])('%s is 400 and closes', async (_name, text) => {
    world = await startWorld()
    const answer = await world.raw(text)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(world.node.read('k')).toBeUndefined()
    expect((await world.ask('/health')).status).toBe(200)
  })

  it('headers beyond 16 KiB are 431 with a problem', async () => {
    world = await startWorld()
    const answer = await world.raw(
      `GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
    expect(answer).toContain('application/problem+json')
    expect(answer).toContain('"success":false')
  })

  it('a body that never comes ends with the connection, and nothing is stored', async () => {
    world = await startWorld()
    const socket = connect(world.port, '127.0.0.1')
    socket.write(`${head}Content-Length: 5\r\n\r\n12`)
    await once(world.server.server, 'request')
    socket.destroy()
    expect((await world.ask('/health')).status).toBe(200)
    expect(world.node.read('k')).toBeUndefined()
  })

  it('leave no connection behind on which nobody takes the answers', async () => {
    world = await startWorld()
    world.server.server.timeout = 100
    const accepted = once(world.server.server, 'connection')
    const socket = connect(world.port, '127.0.0.1').pause()
    socket.on('error', () => undefined)
    socket.write('GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(500))
    const [served] = (await accepted) as [Socket]
    await once(served, 'close')
    expect(served.bytesWritten).toBeGreaterThan(0)
    socket.destroy()
  })

  it('time-outs are those of the contract with proxies', async () => {
    world = await startWorld()
    const { headersTimeout, requestTimeout, keepAliveTimeout, timeout } = world.server.server
    expect([headersTimeout, requestTimeout, timeout]).toEqual([10_000, 30_000, 300_000])
    expect(keepAliveTimeout).toBeGreaterThan(60_000)
  })
})

describe('POST /sync/v1', () => {
  const path = '/sync/v1'
  const echo = async (request: SyncRequest): Promise<SyncAnswer> => ({
    status: 200,
    headers: { 'content-type': 'application/octet-stream', 'x-seen': request.query },
    body: await request.body(),
  })

  it('hands over the untouched bytes and sends back what it gets, with no header added', async () => {
    const seen: SyncRequest[] = []
    const bytes: number[] = []
    const handle = async (request: SyncRequest): Promise<SyncAnswer> => {
      seen.push(request)
      const answer = await echo(request)
      bytes.push(...answer.body)
      return answer
    }
    world = await startWorld({ syncHandler: { handle } })
    const body = new Uint8Array([0, 255, 123, 13, 10])
    const headers = { 'content-type': 'application/vnd.frame', 'X-Node-Dest': 'abc' }
    const answer = await world.ask(`${path}?a=%2F?b`, { method: 'POST', headers, body })
    expect(answer.status).toBe(200)
    expect(bytes).toEqual([...body])
    expect(seen[0]).toMatchObject({ method: 'POST', path, query: '?a=%2F?b' })
    expect(seen[0]?.headers).toMatchObject({ 'x-node-dest': 'abc', 'content-type': 'application/vnd.frame' })
    const sent = Object.keys(answer.headers).filter(
      name => !['date', 'connection', 'keep-alive'].includes(name),
    )
    expect(sent.sort()).toEqual(['content-length', 'content-type', 'x-seen'])
    expect(answer.headers['content-type']).toBe('application/octet-stream')
  })

  it('refuses encoded and oversized bodies before the handler sees them', async () => {
    world = await startWorld({ syncHandler: { handle: () => Promise.reject(new Error('reached')) } })
    const packed = await world.ask(path, {
      method: 'POST',
      headers: { 'content-encoding': 'gzip' },
      body: gzipSync('x'),
    })
    expect([packed.status, packed.json['code']]).toEqual([415, 'MEDIA_TYPE_UNSUPPORTED'])
    // Frames are no JSON.
    expect(packed.json['hint']).not.toContain('json')
    const big = await world.ask(path, { method: 'POST', body: new Uint8Array(frameBytesMax + 1) })
    expect([big.status, big.json['code']]).toEqual([413, 'BODY_TOO_LARGE'])
  })

  it('tells the handler when the asker has gone', async () => {
    let told: (() => void) | undefined
    const gone = new Promise<void>(resolve => (told = resolve))
    const handle = (request: SyncRequest): Promise<SyncAnswer> => {
      request.signal.addEventListener('abort', () => told?.())
      return new Promise(() => undefined)
    }
    world = await startWorld({ syncHandler: { handle } })
    const socket = connect(world.port, '127.0.0.1')
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1`)
    await once(world.server.server, 'request')
    setImmediate(() => socket.destroy())
    await expect(gone).resolves.toBeUndefined()
  })

  it('answers without the body where the handler does not ask for it', async () => {
    const refusal = { status: 401, headers: { 'content-length': '2' }, body: new Uint8Array([110, 111]) }
    world = await startWorld({ syncHandler: { handle: () => Promise.resolve(refusal) } })
    const socket = connect(world.port, '127.0.0.1').setEncoding('latin1')
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\nonly this`)
    const [answer] = (await once(socket, 'data')) as [string]
    socket.destroy()
    expect(answer).toMatch(/^HTTP\/1\.1 401 /)
  })

  it('ends no connection amid a body, which would lose the answer', async () => {
    const refusal = { status: 401, headers: { 'content-length': '2' }, body: new Uint8Array([110, 111]) }
    const called = Promise.withResolvers<void>()
    const handle = async (): Promise<SyncAnswer> => {
      called.resolve()
      return refusal
    }
    world = await startWorld({ syncHandler: { handle } })
    let wasReceived: boolean | undefined
    world.server.server.on('request', (request, response) =>
      response.once('finish', () => (wasReceived = request.complete)),
    )
    const socket = connect(world.port, '127.0.0.1').setEncoding('latin1')
    const body = 'x'.repeat(frameBytesMax)
    socket.write(`POST ${path} HTTP/1.0\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`)
    await called.promise
    for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
    let answer = ''
    socket.on('data', text => (answer += String(text)))
    socket.write(body)
    await once(socket, 'end')
    expect(answer).toMatch(/^HTTP\/1\.1 401 /)
    expect(wasReceived).toBe(true)
  })

  it('is 503 on a node without HTTP sync', async () => {
    world = await startWorld()
    const answer = await world.ask(path, { method: 'POST', body: 'x' })
    expect([answer.status, answer.json['code']]).toEqual([503, 'NOT_READY'])
  })
})

describe('upgrades', () => {
  it('go to the handler with their socket, and are closed at the end', async () => {
    world = await startWorld({
      onUpgrade: (request, socket) => socket.write(`HTTP/1.1 101 Switching Protocols\r\n\r\n${request.url}`),
    })
    const text = 'GET /p2p HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
    const answered = world.raw(text)
    await once(world.server.server, 'upgrade')
    await world.close()
    expect(await answered).toContain('101 Switching Protocols\r\n\r\n/p2p')
  })

  it('to anything but WebSocket are plain requests: clients that offer h2c are served', async () => {
    world = await startWorld({ onUpgrade: (_request, socket) => void socket.destroy() })
    const text = 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n'
    expect(await world.raw(text)).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('without a handler are plain requests', async () => {
    world = await startWorld()
    const text = 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n'
    expect(await world.raw(text)).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('the end', () => {
  it('says not ready first, lets a request in flight finish, then closes', async () => {
    let release: ((answer: SyncAnswer) => void) | undefined
    const handle = (): Promise<SyncAnswer> => new Promise(resolve => (release = resolve))
    world = await startWorld({ syncHandler: { handle } })
    const flight = world.ask('/sync/v1', { method: 'POST', body: 'x' })
    const idle = connect(world.port, '127.0.0.1')
    idle.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(idle, 'data')
    while (release === undefined) await new Promise(resolve => setImmediate(resolve))
    expect((await world.ask('/readyz')).status).toBe(200)
    const idleClosed = once(idle, 'close')
    const ended = world.close()
    await idleClosed
    await expect(world.ask('/health')).rejects.toThrow('ECONNREFUSED')
    release({ status: 200, headers: {}, body: new Uint8Array([111, 107]) })
    expect((await flight).text).toBe('ok')
    await ended
    expect(world.close()).toBe(world.close())
  })

  it('does not wait for ever for a request that never ends', async () => {
    world = await startWorld({ syncHandler: { handle: () => new Promise(() => undefined) } })
    const flight = world.ask('/sync/v1', { method: 'POST', body: 'x' }).catch(() => 'cut')
    await once(world.server.server, 'request')
    const begin = performance.now()
    await world.close()
    expect(await flight).toBe('cut')
    expect(performance.now() - begin).toBeLessThan(6000)
  })

  it('readyz is 503 while draining, for a connection that is still open', async () => {
    world = await startWorld()
    const drain: { emit(name: string): unknown } = world.app
    drain.emit('drain')
    const ready = await world.ask('/readyz')
    expect([ready.status, ready.text, ready.headers.connection]).toEqual([
      503,
      '[-]shutdown failed: the node is stopping\n',
      'close',
    ])
    expect((await world.ask('/livez')).status).toBe(200)
    expect((await world.ask('/api/lattice/events')).status).toBe(503)
  })

  it('a port in use is an error of the system', async () => {
    world = await startWorld()
    const other = await startWorld()
    await other.close()
    await expect(other.server.listen(world.port, '127.0.0.1')).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})

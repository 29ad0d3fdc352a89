/** Raw sockets that starve, bury or trick an HTTP port (reliability H15, H16). */
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import type { Daemon } from '../daemons.ts'
import { arrives, equalRoots, put, statusOf } from '../federation.ts'
import { told, worldForTests } from '../http-world.ts'

const { world, open, start } = worldForTests()

async function lone(): Promise<Daemon> {
  const alone = { LATTICE_P2P_ENABLED: 'false', LATTICE_NODES: '' }
  const [node] = await world.federation(1, { settings: alone })
  if (node === undefined) throw new Error('a node')
  open.push({ close: () => node.kill() })
  return node
}

/** Milliseconds that 99 of 100 calls to /health take at most. */
async function p99(node: Daemon): Promise<number> {
  const times: number[] = []
  for (let turn = 0; turn < 200; turn++) {
    const begun = performance.now()
    await (await fetch(`${node.url}/health`)).text()
    times.push(performance.now() - begun)
  }
  return times.sort((a, b) => a - b)[197] ?? Infinity
}

interface Slow {
  readonly socket: Socket
  /** How long the server bore it, in milliseconds. */
  readonly bornMs: Promise<number>
}

/** A client that sends one byte a second. */
function drip(port: number, head: string, body: string): Slow {
  const socket = connect(port, '127.0.0.1')
  const begun = performance.now()
  const text = Buffer.from(head + body)
  let at = head.length
  socket.write(text.subarray(0, at))
  const timer = setInterval(() => {
    if (socket.writable && at < text.length) socket.write(text.subarray(at, ++at))
  }, 1000)
  socket.on('error', () => undefined)
  socket.resume()
  const bornMs = once(socket, 'close').then(() => {
    clearInterval(timer)
    return performance.now() - begun
  })
  return { socket, bornMs }
}

describe('H15: slow clients', () => {
  it('of headers and bodies are cut off in time, and others do not notice them', async () => {
    const node = await lone()
    const port = Number(new URL(node.url).port)
    const before = Math.max(await p99(node), 5)
    const head = 'GET /health HTTP/1.1\r\nHost: localhost\r\n'
    const post = 'PUT /api/lattice/state/k HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
    const length = 'Content-Length: 1000\r\n\r\n'
    const headers = Array.from({ length: 100 }, () => drip(port, head, 'X-Slow: '.padEnd(1000, 'x')))
    const bodies = Array.from({ length: 100 }, () => drip(port, post + length, '1'.repeat(1000)))
    try {
      expect(await p99(node)).toBeLessThanOrEqual(Math.max(2 * before, 25))
      const bornHeaders = await Promise.all(headers.map(({ bornMs }) => bornMs))
      expect(Math.max(...bornHeaders)).toBeLessThan(15_000)
      const bornBodies = await Promise.all(bodies.map(({ bornMs }) => bornMs))
      expect(Math.max(...bornBodies)).toBeLessThan(36_000)
    } finally {
      for (const { socket } of [...headers, ...bodies]) socket.destroy()
    }
    expect((await fetch(`${node.url}/health`)).status).toBe(200)
  }, 60_000)
})

async function send(
  node: Daemon,
  path: string,
  headers: Record<string, string>,
  body: Buffer,
): Promise<{ status: number; code: string }> {
  const method = path.startsWith('/sync/') ? 'POST' : 'PUT'
  const length = { 'content-length': String(body.length) }
  const asked = request(`${node.url}${path}`, { method, headers: { ...headers, ...length } })
  asked.end(body)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const problem = JSON.parse(Buffer.concat(chunks).toString()) as { code: string }
  return { status: response.statusCode ?? 0, code: problem.code }
}

describe('H16: encoded bodies', () => {
  it('are refused with 415 before any decoder could run, however they are labelled', async () => {
    const node = await lone()
    // 200 MiB of zeros: a decoder that ran would show in memory and time.
    const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024))
    const bodies = [
      ['gzip', bomb],
      ['br', brotliCompressSync('1')],
      ['deflate', Buffer.from('x')],
      ['zstd', Buffer.from('x')],
      ['gzip, gzip', gzipSync(gzipSync('1'))],
      ['identity, gzip', gzipSync('1')],
      ['GZIP', gzipSync('1')],
    ] as const
    for (const [encoding, body] of bodies) {
      const coded = { 'content-encoding': encoding }
      const json = { 'content-type': 'application/json', ...coded }
      const refused = { status: 415, code: 'MEDIA_TYPE_UNSUPPORTED' }
      expect([encoding, await send(node, '/api/lattice/state/k', json, body)]).toEqual([encoding, refused])
      const frame = { 'content-type': 'application/vnd.lattice.frame', ...coded }
      expect([encoding, await send(node, '/sync/v1', frame, body)]).toEqual([encoding, refused])
    }
  }, 60_000)

  it('of answers are refused too: a proxy that compresses is named, and nothing is decoded', async () => {
    const { caller, server, proxy } = await start()
    proxy.weather = {
      editAnswer: answer => ({
        ...answer,
        headers: { ...answer.headers, 'content-encoding': 'gzip' },
        body: gzipSync(answer.body),
      }),
    }
    await put(server, 'compressed', 1)
    await told(caller, server, /a proxy compresses answers/)
    expect((await statusOf(caller)).merkle_root).not.toBe((await statusOf(server)).merkle_root)
    proxy.weather = {}
    await arrives([caller], 'compressed', 1)
    await equalRoots([caller, server])
  }, 40_000)
})

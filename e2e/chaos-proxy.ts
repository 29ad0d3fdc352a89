/**
 * A reverse proxy that behaves as badly as platforms, middleboxes and dying links do, on purpose.
 *
 * It understands HTTP, so that it can truncate a body, edit a header or answer in the place of the upstream;
 * and it owns its sockets, so that it can reset, stall and close them. Its weather may change at any time.
 */
import { once } from 'node:events'
import { Agent, createServer, request as openRequest } from 'node:http'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** One request as it came in. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly atMono: number
  /** How many requests its connection had carried before. */
  readonly earlier: number
}

/** A whole answer. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Buffer
}

/** What the proxy does to traffic; everything is optional and combines. */
export interface Weather {
  /** Answers instead of the upstream, which then never sees the request. */
  readonly answer?: (asked: Asked) => Answer | undefined
  /** Changes the request before it is passed on. */
  readonly editRequest?: (asked: Asked) => Asked
  /** Changes the answer of the upstream. */
  readonly editAnswer?: (answer: Answer, asked: Asked) => Answer
  /** Wait before passing a request on, and again before passing its answer back; may differ each time. */
  readonly latencyMs?: () => number
  /** Bodies trickle at this speed, in both directions. */
  readonly bytesPerSecond?: number
  /** The connection ends after this many bytes of the body of an answer. */
  readonly truncateAt?: (answer: Answer, asked: Asked) => number | undefined
  /** The connection is reset instead of passing the request on (before) or its answer back (after). */
  readonly reset?: (asked: Asked) => 'before' | 'after' | undefined
  /** The upstream gets the request this many times more; the caller gets the first answer. */
  readonly replays?: number
  /** Passes nothing of an answer on before it is complete: streams never arrive. */
  readonly buffers?: boolean
  /** Requests that are swallowed: neither answered nor refused. */
  readonly swallow?: (asked: Asked) => boolean
  /** Connections without traffic for this long are closed, also while an answer is awaited. */
  readonly idleCloseMs?: number
}

/** A running proxy. */
export interface ChaosProxy {
  readonly url: string
  readonly port: number
  weather: Weather
  /** Everything that was asked, oldest first. */
  readonly asked: readonly Asked[]
  /** Connections that the proxy closed because nothing passed over them. */
  readonly idleClosed: number
  close(): Promise<void>
}

interface Running {
  readonly upstream: URL
  readonly agent: Agent
  readonly ended: AbortController
  readonly asked: Asked[]
  /** How many requests each connection has carried. */
  readonly carried: WeakMap<Socket, number>
  weather: Weather
  idleClosed: number
}

/** Starts a proxy before `upstream` (`http://host:port`) on a port of 127.0.0.1. */
export async function startChaosProxy(upstream: string, port = 0): Promise<ChaosProxy> {
  const running: Running = {
    upstream: new URL(upstream),
    agent: new Agent({ keepAlive: true }),
    ended: new AbortController(),
    asked: [],
    carried: new WeakMap(),
    weather: {},
    idleClosed: 0,
  }
  const server = createServer((request, response) => {
    response.on('error', () => undefined)
    serve(running, request, response).catch(() => request.socket.destroy())
  })
  server.keepAliveTimeout = 120_000
  server.on('connection', (socket: Socket) => {
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
    socket.on('timeout', () => {
      running.idleClosed++
      socket.destroy()
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    get weather() {
      return running.weather
    },
    set weather(weather) {
      running.weather = weather
    },
    asked: running.asked,
    get idleClosed() {
      return running.idleClosed
    },
    close: async () => {
      running.ended.abort()
      running.agent.destroy()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

async function serve(running: Running, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { weather, carried, asked, ended } = running
  const { socket } = request
  const earlier = carried.get(socket) ?? 0
  carried.set(socket, earlier + 1)
  socket.setTimeout(weather.idleCloseMs ?? 0)
  const body = await bodyOf(request, weather.bytesPerSecond)
  const { method = 'GET', url: path = '/', headers } = request
  const each: Asked = { method, path, headers, body, atMono: performance.now(), earlier }
  asked.push(each)
  if (weather.swallow?.(each) === true) return
  await pause(weather)
  const reset = weather.reset?.(each)
  if (reset === 'before') return void socket.resetAndDestroy()
  const own = weather.answer?.(each)
  if (own !== undefined) return send(response, own, weather, each)
  const edited = weather.editRequest?.(each) ?? each
  if (isStream(edited) && weather.buffers !== true) return stream(running, edited, response)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const first = await forward(running, edited, AbortSignal.any([gone.signal, ended.signal]))
  for (let replay = 0; replay < (weather.replays ?? 0); replay++) await forward(running, edited, ended.signal)
  // A poll may have been held since before the weather changed: its answer meets the new one.
  const late = running.weather
  const changed = late !== weather
  await pause(late)
  if ((changed ? late.reset?.(each) : reset) !== undefined) return void socket.resetAndDestroy()
  const answer = (changed ? late.answer?.(each) : undefined) ?? late.editAnswer?.(first, each) ?? first
  return send(response, answer, late, each)
}

function open({ upstream, agent }: Running, to: Asked, signal: AbortSignal): ClientRequest {
  const { method, path, headers } = to
  const outgoing = openRequest(upstream, { method, path, headers, agent, signal })
  // `once` rejects with the first error; what comes after it concerns nobody.
  outgoing.on('error', () => undefined)
  outgoing.end(to.body)
  return outgoing
}

async function forward(running: Running, to: Asked, signal: AbortSignal): Promise<Answer> {
  const outgoing = open(running, to, signal)
  const [incoming] = (await once(outgoing, 'response', { signal })) as [IncomingMessage]
  const body = await bodyOf(incoming)
  return { status: incoming.statusCode ?? 502, headers: plain(incoming.headers), body }
}

async function stream(running: Running, to: Asked, response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const [incoming] = (await once(open(running, to, gone.signal), 'response')) as [IncomingMessage]
  incoming.on('error', () => response.destroy())
  response.writeHead(incoming.statusCode ?? 502, plain(incoming.headers) as never)
  incoming.pipe(response)
}

/** A page such as proxies show in place of the upstream. */
export function page(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  const body = Buffer.from(`<!doctype html><title>${status}</title><h1>${status}</h1>`)
  return { status, headers: { 'content-type': 'text/html', ...headers }, body }
}

/** Flips one bit, in a byte that depends on the content. */
export function corrupted(body: Buffer): Buffer {
  if (body.length === 0) return body
  const copy = Buffer.from(body)
  const at = (body[0] ?? 0) % body.length
  copy[at] = (copy[at] ?? 0) ^ 0x10
  return copy
}

function isStream({ headers }: Asked): boolean {
  return headers.accept === 'text/event-stream'
}

function plain(headers: IncomingHttpHeaders): Answer['headers'] {
  const { connection: _1, 'transfer-encoding': _2, 'keep-alive': _3, ...rest } = headers
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as never
}

async function pause({ latencyMs }: Weather): Promise<void> {
  if (latencyMs !== undefined) await delay(latencyMs())
}

async function bodyOf(message: IncomingMessage, bytesPerSecond = Infinity): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) {
    chunks.push(chunk as Buffer)
    if (bytesPerSecond !== Infinity) await delay(((chunk as Buffer).length / bytesPerSecond) * 1000)
  }
  return Buffer.concat(chunks)
}

/** Pieces small enough that a slow link looks slow, not stalled. */
const pieceBytes = 2048

async function send(response: ServerResponse, answer: Answer, weather: Weather, asked: Asked): Promise<void> {
  const { status, headers, body } = answer
  const cut = weather.truncateAt?.(answer, asked)
  const length = status === 204 || status === 304 ? {} : { 'content-length': String(body.length) }
  response.writeHead(status, { ...headers, ...length } as never)
  const end = Math.min(cut ?? body.length, body.length)
  const speed = weather.bytesPerSecond
  for (let from = 0; from < end; from += pieceBytes) {
    const piece = body.subarray(from, Math.min(from + pieceBytes, end))
    response.write(piece)
    if (speed !== undefined) await delay((piece.length / speed) * 1000)
  }
  if (cut !== undefined && cut < body.length) {
    response.flushHeaders()
    await new Promise(resolve => setImmediate(resolve))
    response.destroy()
  } else response.end()
}

/**
 * One HTTP exchange on got: bounded, undecoded, never redirected, never retried, on kept-alive connections.
 *
 * Everything a server could do to this process is bounded here; what an answer means is decided elsewhere.
 */
import { Agent as HttpAgent, request as httpRequest, type ClientRequest } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https'
import got, { type Response } from 'got'
import { frameBytesMax } from '@lattice/core'
import { isEncoded, type Headers } from './frames.ts'
import { peerError, translateFailure } from './translate.ts'

/** Connections to one peer: above what a node has in flight, so that a long poll never blocks a push. */
const socketsPerPeerMax = 64

/** Idle connections kept per peer: one for the long poll, one for pushes. */
const idleSocketsPerPeer = 2

/** Idle connections end before middleboxes forget them, commonly after 60 s; Keep-Alive may ask for less. */
const idleSocketMs = 55_000

/** Time to resolve, connect and shake hands; the time for an answer is the caller's. */
const connectTimeoutMs = 8000

/** Interim answers (1xx) before the answer: a proxy sends one or two, and none says a thing. */
const interimAnswersMax = 16

/** One request. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly signal: AbortSignal
}

/** One complete answer, its body as received. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

/** Says that a kept-alive connection was closed by the other end just as it was used again. */
export const reuseRace = Symbol('reuse race')

/** What carries requests. */
export interface Connections {
  /**
   * Sends one request. Resolves `reuseRace` where the connection died before any answer because it had been
   * idle. Rejects with a `LatticeError` (PEER_TIMEOUT, PEER_UNREACHABLE, PEER_MALFORMED).
   */
  send(request: HttpRequest): Promise<HttpAnswer | typeof reuseRace>
  /** When the TLS certificate of the host of `url` ends, in Unix ms; undefined while none was accepted. */
  certificateEnds(url: string): number | undefined
  /** Destroys idle connections to the host of `url`: what is asked next looks its name up anew. */
  dropIdle(url: string): void
  /** Destroys all connections. */
  close(): void
}

/** Kept-alive connections to the peers. */
export class HttpConnections implements Connections {
  readonly #agents = new Map<string, { readonly http: HttpAgent; readonly https: HttpsAgent }>()
  /** By origin: when the certificate of the newest connection ends. */
  readonly #certificateEnds = new Map<string, number>()

  async send(request: HttpRequest): Promise<HttpAnswer | typeof reuseRace> {
    const { method, url, signal } = request
    if (signal.aborted) throw timedOut(url)
    const tooMuch = new AbortController()
    const give = (what: string): void => tooMuch.abort(peerError('PEER_MALFORMED', what))
    let interim = 0
    const asked = got(url, {
      method,
      headers: { 'user-agent': undefined, 'accept-encoding': 'identity', ...request.headers },
      ...(request.body === undefined ? {} : { body: request.body }),
      agent: this.#agentOf(url),
      request: (to: URL, options: RequestOptions) =>
        openRequest(to, options, this.#certificateEnds).on('information', () => {
          if (++interim > interimAnswersMax) give(`${url}: announces its answer again and again`)
        }),
      signal: AbortSignal.any([signal, tooMuch.signal]),
      followRedirect: false,
      throwHttpErrors: false,
      decompress: false,
      responseType: 'buffer',
      retry: { limit: 0 },
      timeout: { lookup: connectTimeoutMs, connect: connectTimeoutMs, secureConnect: connectTimeoutMs },
    })
    void asked.on('downloadProgress', ({ transferred, total }) => {
      if (Math.max(transferred, total ?? 0) > frameBytesMax)
        give(`${url}: the answer is larger than ${frameBytesMax} bytes`)
    })
    let response: Response<Uint8Array>
    try {
      response = await asked
    } catch (error) {
      if (signal.aborted) throw timedOut(url, error)
      if (tooMuch.signal.aborted) throw tooMuch.signal.reason
      if (isReuseRace(error)) {
        // Where one idle connection was dead the others are.
        this.dropIdle(url)
        return reuseRace
      }
      throw translateFailure(error, url)
    }
    if (isEncoded(response.headers))
      throw peerError('PEER_MALFORMED', `${url}: a proxy compresses answers; switch that off for /sync/`)
    return { status: response.statusCode, headers: response.headers, body: response.body }
  }

  /** When the TLS certificate of the host of `url` ends, in Unix ms; undefined while none was accepted. */
  certificateEnds(url: string): number | undefined {
    return this.#certificateEnds.get(new URL(url).origin)
  }

  /** Destroys all connections, also those in use. Later requests open new ones. */
  close(): void {
    for (const { http, https } of this.#agents.values()) {
      http.destroy()
      https.destroy()
    }
    this.#agents.clear()
  }

  /** Destroys idle connections to the host of `url`: what is asked next looks its name up anew. */
  dropIdle(url: string): void {
    const { http, https } = this.#agentOf(url)
    for (const socket of [http, https].flatMap(agent => Object.values(agent.freeSockets).flat()))
      socket?.destroy()
  }

  #agentOf(url: string): { readonly http: HttpAgent; readonly https: HttpsAgent } {
    const { origin } = new URL(url)
    const known = this.#agents.get(origin)
    if (known !== undefined) return known
    const settings = {
      keepAlive: true,
      maxSockets: socketsPerPeerMax,
      maxFreeSockets: idleSocketsPerPeer,
      timeout: idleSocketMs,
      scheduling: 'lifo',
    } as const
    const agents = { http: new HttpAgent(settings), https: new HttpsAgent(settings) }
    this.#agents.set(origin, agents)
    return agents
  }
}

/** A request without Connection header: HTTP/1.1 keeps connections anyway, and a poll saves 24 bytes. */
function openRequest(url: URL, options: RequestOptions, certificateEnds: Map<string, number>): ClientRequest {
  const secure = url.protocol === 'https:'
  const request = secure ? httpsRequest(url, options) : httpRequest(url, options)
  request.removeHeader('connection')
  if (secure)
    request.once('socket', socket =>
      socket.once('secureConnect', () => {
        const endsWall = Date.parse((socket as TLSSocket).getPeerCertificate().valid_to)
        if (!Number.isNaN(endsWall)) certificateEnds.set(url.origin, endsWall)
      }),
    )
  return request
}

function timedOut(url: string, cause?: unknown): Error {
  return peerError('PEER_TIMEOUT', `${url}: no answer in the time allowed`, cause)
}

function isReuseRace(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('code' in error) || !('request' in error)) return false
  const { code, request } = error
  if (code !== 'ECONNRESET' && code !== 'EPIPE') return false
  if (typeof request !== 'object' || request === null) return false
  const unanswered = !('response' in request) || request.response === undefined
  return unanswered && 'reusedSocket' in request && request.reusedSocket === true
}

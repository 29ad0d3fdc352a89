/**
 * The web between all nodes: it carries the requests of the real HTTP lung to the real handler, and all that
 * is in between may fail them. A silent cut keeps the asker waiting until it gives up, whether or not the
 * request arrived; proxies answer for a node, cut answers short, repeat requests and end long ones.
 */
import type { LatticeError } from '@lattice/core'
import {
  identityPath,
  type Connections,
  type HttpAnswer,
  type HttpRequest,
  type HttpSyncTransport,
} from '@lattice/http-sync'
import { asking, unreachable, type Asking, type Station, type Surroundings } from './wire.ts'

/** What stands before one node: what share of requests it treats how. */
export interface Proxy {
  /** Answered with 503, half of the time with Retry-After. */
  unavailable: number
  /** Cut short on the way back. */
  truncates: number
  /** Delivered a second time, up to a minute later. */
  replays: number
  /** Never answered. */
  hangs: number
  /** Longest time it waits for an answer, in ms. */
  patienceMs: number
}

type Answering = (outcome: HttpAnswer | LatticeError) => void

/** The web between all nodes. */
export class HttpNet {
  readonly surroundings: Surroundings
  readonly proxies: readonly Proxy[]
  readonly #ports = new Map<number, HttpPort>()

  constructor(surroundings: Surroundings) {
    this.surroundings = surroundings
    this.proxies = surroundings.ids.map(() => clearProxy())
  }

  /** Puts the HTTP client and server of one process on the web; `make` makes its lung. */
  attach(station: Station, make: (connections: Connections) => HttpSyncTransport): HttpPort {
    const port = new HttpPort(this, station, make)
    this.#ports.set(station.index, port)
    return port
  }

  detach(index: number): void {
    this.#ports.delete(index)
  }

  port(index: number): HttpPort | undefined {
    return this.#ports.get(index)
  }
}

/** The base URL of a node. */
export function urlOf(index: number): string {
  return `http://n${index}.sim`
}

/** A proxy that does no harm. */
export function clearProxy(): Proxy {
  return { unavailable: 0, truncates: 0, replays: 0, hangs: 0, patienceMs: Number.POSITIVE_INFINITY }
}

/** The place of one process on the web. */
export class HttpPort implements Connections {
  readonly index: number
  readonly lung: HttpSyncTransport
  readonly #station: Station
  readonly #net: HttpNet
  readonly #open = new Set<Asking<HttpAnswer>>()

  constructor(net: HttpNet, station: Station, make: (connections: Connections) => HttpSyncTransport) {
    this.#net = net
    this.#station = station
    this.index = station.index
    this.lung = make(this)
  }

  /** Requests under way. */
  get openCount(): number {
    return this.#open.size
  }

  certificateEnds(): undefined {
    return undefined
  }

  dropIdle(): void {
    // Each request here is a connection of its own.
  }

  close(): void {
    for (const each of [...this.#open]) each.finish(unreachable('this node stops'))
  }

  /** There and back again. */
  send(request: HttpRequest): Promise<HttpAnswer> {
    const to = Number(/^http:\/\/n(\d+)\.sim\//.exec(request.url)?.[1])
    return asking<HttpAnswer>(request.signal, question => {
      this.#open.add(question)
      question.onEnd(() => void this.#open.delete(question))
      const back: Answering = outcome =>
        this.#hop(to, this.index, () => this.#station.life.enter(() => question.finish(outcome)))
      this.#hop(this.index, to, () => this.#arrive(to, request, question, back))
    })
  }

  /** The request has come to the other node's door. */
  #arrive(to: number, request: HttpRequest, question: Asking<HttpAnswer>, back: Answering): void {
    const { dice, count, timeline } = this.#net.surroundings
    const proxy = this.#net.proxies[to] as Proxy
    if (dice.chance(proxy.hangs)) return count('http-hang')
    if (dice.chance(proxy.unavailable)) {
      count('http-503')
      const wait = dice.chance(0.5) ? { 'retry-after': String(dice.between(1, 20).toFixed(0)) } : {}
      return back({ status: 503, headers: wait, body: new Uint8Array() })
    }
    const there = this.#net.port(to)
    if (there === undefined) return back(unreachable('connection refused'))
    if (dice.chance(proxy.replays))
      timeline.after(dice.between(0, 60_000), () =>
        there.receive(this.index, request, new AbortController().signal, outcome =>
          count('status' in outcome && outcome.status === 401 ? 'http-replay-refused' : 'http-replay'),
        ),
      )
    const truncated = dice.chance(proxy.truncates)
    let answered = false
    const answer: Answering = outcome => {
      if (answered) return
      answered = true
      if (truncated && 'body' in outcome) {
        count('http-truncated')
        back({ ...outcome, body: outcome.body.subarray(0, outcome.body.length >> 1) })
      } else back(outcome)
    }
    if (Number.isFinite(proxy.patienceMs))
      timeline.after(proxy.patienceMs, () => {
        if (!answered) count('http-504')
        answer({ status: 504, headers: {}, body: new Uint8Array() })
      })
    const asker = new AbortController()
    question.onEnd(givenUp => {
      if (givenUp) timeline.after(1, () => there.#station.life.enter(() => asker.abort()))
    })
    there.receive(this.index, request, asker.signal, answer)
  }

  /** A request reaches this node: its server answers. */
  receive(from: number, request: HttpRequest, signal: AbortSignal, answer: Answering): void {
    const { ids, timeline, trace, asks } = this.#net.surroundings
    const { method, headers, body = new Uint8Array() } = request
    const path = new URL(request.url).pathname
    this.#station.life.enter(() => {
      if (path === identityPath) {
        const identity = new TextEncoder().encode(JSON.stringify({ public_key: ids[this.index] }))
        return answer({ status: 200, headers: { 'content-type': 'application/json' }, body: identity })
      }
      asks(from, this.index)
      trace.note(timeline.now, `n${this.index}`, `asked over http by n${from} ${body.length}`)
      const received = { method, path, query: '', headers, body: new Uint8Array(body), signal }
      this.lung.handler.handle(received).then(answer, (error: unknown) => {
        // The handler promises to fail for defects only.
        timeline.after(0, () => {
          throw error
        })
      })
    })
  }

  #hop(from: number, to: number, arrive: () => void): void {
    const { weather, timeline } = this.#net.surroundings
    if (weather.isCut('http', from, to)) return
    timeline.after(weather.hopMs('http', from, to), () => {
      if (!weather.isCut('http', from, to)) arrive()
    })
  }
}

/**
 * The HTTP lung as a model: every request stands alone, and everything in between may fail it. A silent cut
 * keeps the asker waiting until it gives up, whether or not the request arrived; proxies answer for a node,
 * cut answers short, repeat requests and end long ones.
 */
import { LatticeError, type AddressStatus, type Inbox, type NodeId, type Transport } from '@lattice/core'
import type { Life } from './life.ts'
import { asking, serving, unreachable, type Asking, type Station, type Surroundings } from './wire.ts'

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

/** The web between all nodes. */
export class HttpNet {
  readonly surroundings: Surroundings
  readonly proxies: readonly Proxy[]
  readonly #ports = new Map<number, HttpPort>()

  constructor(surroundings: Surroundings) {
    this.surroundings = surroundings
    this.proxies = surroundings.ids.map(() => clearProxy())
  }

  /** Makes the HTTP client and server of one process. `reachable`: others know a URL of it. */
  attach(station: Station, reachable: boolean): HttpPort {
    const port = new HttpPort(this, station, reachable)
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

/** A proxy that does no harm. */
export function clearProxy(): Proxy {
  return { unavailable: 0, truncates: 0, replays: 0, hangs: 0, patienceMs: Number.POSITIVE_INFINITY }
}

/** The HTTP transport of one process. */
export class HttpPort implements Transport {
  readonly kind = 'http'
  readonly index: number
  readonly life: Life
  readonly reachable: boolean
  readonly #net: HttpNet
  readonly #open = new Set<Asking>()
  readonly #known = new Set<number>()
  #inbox: Inbox | undefined

  constructor(net: HttpNet, { index, life }: Station, reachable: boolean) {
    this.#net = net
    this.index = index
    this.life = life
    this.reachable = reachable
  }

  get openCount(): number {
    return this.#open.size
  }

  /** Set while the server listens. */
  get inbox(): Inbox | undefined {
    return this.#inbox
  }

  start(inbox: Inbox): Promise<void> {
    this.#inbox = inbox
    return Promise.resolve()
  }

  stop(): Promise<void> {
    this.#inbox = undefined
    for (const each of [...this.#open]) each.finish(unreachable('this node stops'))
    return Promise.resolve()
  }

  async connect(peer: NodeId, signal: AbortSignal): Promise<void> {
    const to = this.#indexOf(peer)
    await this.#exchange(to, signal, answer => answer(new Uint8Array()))
    this.#known.add(to)
    this.#inbox?.peerUp(peer)
  }

  request(peer: NodeId, frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const to = this.#indexOf(peer)
    if (!this.#known.has(to)) return Promise.reject(unreachable('no URL has proven to be this peer'))
    const { ids, timeline, trace, asks } = this.#net.surroundings
    asks(this.index, to)
    return this.#exchange(to, signal, (answer, inbox, question) => {
      trace.note(timeline.now, `n${to}`, `asked over http by n${this.index} ${frame.length}`)
      const asker = new AbortController()
      const gone = (): void => asker.abort(new LatticeError('PEER_TIMEOUT'))
      question.onEnd(givenUp => {
        if (givenUp) timeline.after(1, () => this.#net.port(to)?.life.enter(gone))
      })
      void serving(inbox, ids[this.index] as NodeId, frame.slice(), asker.signal).then(answer)
    })
  }

  announce(frame: Uint8Array): Promise<void> {
    const { ids, timeline, weather, admits } = this.#net.surroundings
    for (const to of this.#known)
      timeline.after(weather.hopMs('http', this.index, to), () => {
        const there = this.#net.port(to)
        if (weather.isCut('http', this.index, to) || !admits(to, this.index)) return
        there?.life.enter(() => there.inbox?.announced(ids[this.index] as NodeId, frame.slice()))
      })
    return Promise.resolve()
  }

  addresses(peer: NodeId): readonly AddressStatus[] {
    return [{ address: `http://sim/${peer.slice(0, 8)}` }]
  }

  /** There and back again. */
  #exchange(
    to: number,
    signal: AbortSignal,
    serve: (answer: (outcome: Uint8Array | LatticeError) => void, inbox: Inbox, question: Asking) => void,
  ): Promise<Uint8Array> {
    if (!this.#isKnown(to)) return Promise.reject(new LatticeError('PEER_UNKNOWN'))
    return asking(signal, question => {
      this.#open.add(question)
      question.onEnd(() => void this.#open.delete(question))
      const back = (outcome: Uint8Array | LatticeError): void =>
        this.#hop(to, this.index, () => this.life.enter(() => question.finish(outcome)))
      this.#hop(this.index, to, () => this.#arrive(to, question, back, serve))
    })
  }

  /** The request has come to the other node's door. */
  #arrive(
    to: number,
    question: Asking,
    back: (outcome: Uint8Array | LatticeError) => void,
    serve: (answer: (outcome: Uint8Array | LatticeError) => void, inbox: Inbox, question: Asking) => void,
  ): void {
    const { dice, count, timeline, admits } = this.#net.surroundings
    const from = this.index
    const proxy = this.#net.proxies[to] as Proxy
    if (dice.chance(proxy.hangs)) return count('http-hang')
    if (dice.chance(proxy.unavailable)) {
      count('http-503')
      return back(busy(dice.chance(0.5) ? dice.between(500, 20_000) : undefined))
    }
    const there = this.#net.port(to)
    if (there === undefined) return back(unreachable('connection refused'))
    const deliver = (answer: (outcome: Uint8Array | LatticeError) => void): void =>
      there.life.enter(() => {
        if (there.inbox === undefined) answer(unreachable('connection refused'))
        else if (!admits(to, from)) answer(new LatticeError('PEER_REFUSED', '401 unauthorized'))
        else serve(answer, there.inbox, question)
      })
    if (dice.chance(proxy.replays)) {
      count('http-replay')
      timeline.after(dice.between(0, 60_000), () => deliver(() => {}))
    }
    const truncated = dice.chance(proxy.truncates)
    let answered = false
    const answer = (outcome: Uint8Array | LatticeError): void => {
      if (answered) return
      answered = true
      if (truncated) count('http-truncated')
      back(truncated ? new LatticeError('PEER_MALFORMED', 'the answer ends early') : outcome)
    }
    if (Number.isFinite(proxy.patienceMs))
      timeline.after(proxy.patienceMs, () => {
        if (!answered) count('http-504')
        answer(new LatticeError('PEER_UNREACHABLE', '504 gateway timeout'))
      })
    deliver(answer)
  }

  #hop(from: number, to: number, arrive: () => void): void {
    const { weather, timeline } = this.#net.surroundings
    if (weather.isCut('http', from, to)) return
    timeline.after(weather.hopMs('http', from, to), () => {
      if (!weather.isCut('http', from, to)) arrive()
    })
  }

  /** Whether any URL of that node is configured here. */
  #isKnown(to: number): boolean {
    return this.#net.port(to)?.reachable !== false
  }

  #indexOf(peer: NodeId): number {
    return this.#net.surroundings.ids.indexOf(peer)
  }
}

function busy(retryAfterMs: number | undefined): LatticeError {
  const error = new LatticeError('PEER_UNREACHABLE', '503 service unavailable')
  return retryAfterMs === undefined ? error : Object.assign(error, { retryAfterMs })
}

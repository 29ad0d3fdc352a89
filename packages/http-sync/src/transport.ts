/**
 * The HTTP lung: the `Transport` port on signed requests over keep-alive connections.
 *
 * There is no connection to lose, so a peer is up from its first signed answer until another node signs in
 * its place; whether it answers now is for the engine to find out. Frames go only to URLs proven that way. A
 * question that fails makes it look again who lives where nobody was found: at the pace of the engine's
 * questions, and one look per URL at a time.
 */
import {
  LatticeError,
  frameBytesMax,
  isLatticeError,
  type AddressStatus,
  type ErrorCode,
  type Inbox,
  type NodeId,
  type Transport,
} from '@lattice/core'
import { SyncClient } from './client.ts'
import { short, type Purpose } from './frames.ts'
import { SyncHandler, type SyncHandlerOptions } from './handler.ts'
import type { Connections } from './http.ts'
import { Places } from './places.ts'
import { translateFailure } from './translate.ts'

/** Time to learn who answers at a URL, whatever the patience of whoever waits for it. */
const probeTimeoutMs = 15_000

/** Time for an announce to be handed over; it is outdated after that, and anti-entropy has its content. */
const announceTimeoutMs = 10_000

/** Announces on their way to one peer at once: a slow peer misses some rather than pile them up here. */
const announcesPerPeerMax = 8

/** What the HTTP lung needs. */
export interface HttpSyncOptions extends SyncHandlerOptions {
  /** Base URLs of the other nodes, http or https, in any order; who answers there is found out. */
  readonly urls: readonly string[]
  /** What carries the requests; sockets by default. */
  readonly connections?: Connections | undefined
}

/** The HTTP lung, with what the daemon's HTTP server and the status need of it. */
export interface HttpSyncTransport extends Transport {
  /** Answers POST /sync/v1; usable from the beginning, refuses while the transport is not running. */
  readonly handler: Pick<SyncHandler, 'handle'>
  /** The base URL where `peer` has signed an answer; undefined while none is known. */
  urlOf(peer: NodeId): string | undefined
}

/** Creates the HTTP lung. Throws CONFIG_INVALID where a URL cannot be used. */
export function createHttpSyncTransport(options: HttpSyncOptions): HttpSyncTransport {
  return new HttpLung(options)
}

interface Running {
  readonly inbox: Inbox
  readonly stopping: AbortController
  /** One probe per URL at a time, shared by all who wait for it. Resolves who is there, or why nobody. */
  readonly probes: Map<string, Promise<NodeId | LatticeError>>
  /** Everything that may still call the inbox. */
  readonly open: Set<Promise<unknown>>
  readonly announcing: Map<NodeId, number>
}

class HttpLung implements HttpSyncTransport {
  readonly kind = 'http'
  readonly handler: SyncHandler
  readonly #options: HttpSyncOptions
  readonly #self: NodeId
  readonly #client: SyncClient
  readonly #places: Places
  #running: Running | undefined

  constructor(options: HttpSyncOptions) {
    this.#options = options
    this.#self = options.signer.nodeId
    this.#places = new Places(this.#self, options.urls)
    this.#client = new SyncClient(options)
    this.handler = new SyncHandler(options)
  }

  async start(inbox: Inbox): Promise<void> {
    if (this.#running !== undefined) await this.stop()
    const stopping = new AbortController()
    this.#running = { inbox, stopping, probes: new Map(), open: new Set(), announcing: new Map() }
    this.handler.start(inbox)
  }

  async stop(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    this.handler.stop()
    running.stopping.abort()
    await Promise.allSettled(running.open)
    this.#client.close()
    this.#places.clear()
  }

  async connect(peer: NodeId, signal: AbortSignal): Promise<void> {
    const running = this.#runningFor(peer)
    const spare = this.#places.urlOf(peer) === undefined ? this.#places.spare() : []
    for (const url of spare) this.#client.lookAnew(url)
    const candidates = [...this.#places.candidates(peer), ...spare]
    if (candidates.length === 0) throw unknownPeer(peer)
    const probes = candidates.map(url => this.#probe(running, url))
    const found = Promise.race([firstOf(probes, peer), Promise.all(probes)])
    const outcomes = await this.#within(running, found, signal)
    if (outcomes === 'found' || outcomes.includes(peer)) return
    throw this.#whyNot(peer, outcomes)
  }

  async request(peer: NodeId, frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const running = this.#runningFor(peer)
    if (frame.length > frameBytesMax)
      throw new LatticeError('PEER_REFUSED', `the frame has ${frame.length} bytes; at most ${frameBytesMax}`)
    const url = this.#places.urlOf(peer)
    if (url === undefined) {
      if (this.#places.candidates(peer).length === 0) throw unknownPeer(peer)
      throw new LatticeError('PEER_UNREACHABLE', `peer ${short(peer)}… has answered at no configured URL yet`)
    }
    return await this.#track(running, this.#ask(running, url, peer, 'request', frame, signal))
  }

  async announce(frame: Uint8Array): Promise<void> {
    const running = this.#running
    if (running === undefined) throw stopped()
    for (const peer of this.#places.residents()) {
      const url = this.#places.urlOf(peer)
      const onTheWay = running.announcing.get(peer) ?? 0
      if (url === undefined || onTheWay >= announcesPerPeerMax) continue
      running.announcing.set(peer, onTheWay + 1)
      void this.#track(running, this.#tell(running, url, peer, frame))
    }
  }

  addresses(peer: NodeId): readonly AddressStatus[] {
    if (!this.#mayBe(peer)) return []
    return this.#places.statuses(peer).map(status => {
      const certificateEndsWall = this.#client.certificateEnds(status.address)
      return certificateEndsWall === undefined ? status : { ...status, certificateEndsWall }
    })
  }

  urlOf(peer: NodeId): string | undefined {
    return peer === this.#self ? undefined : this.#places.urlOf(peer)
  }

  #mayBe(peer: NodeId): boolean {
    return peer !== this.#self && this.#options.trusted.has(peer)
  }

  #runningFor(peer: NodeId): Running {
    if (this.#running === undefined) throw stopped()
    if (!this.#mayBe(peer)) throw unknownPeer(peer)
    return this.#running
  }

  /** Sends one announce; its failure concerns the operator only. Never rejects. */
  async #tell(running: Running, url: string, peer: NodeId, frame: Uint8Array): Promise<void> {
    const [signal, settled] = this.#deadline(announceTimeoutMs)
    try {
      await this.#ask(running, url, peer, 'announce', frame, signal)
    } catch (error) {
      this.#options.log?.('debug', `announce failed: ${sentence(error)}`, { peer: short(peer) })
    } finally {
      settled()
      running.announcing.set(peer, (running.announcing.get(peer) ?? 1) - 1)
    }
  }

  /** Asks `peer` at `url`, and keeps the books about the URL. */
  async #ask(
    running: Running,
    url: string,
    peer: NodeId,
    purpose: Purpose,
    frame: Uint8Array,
    asker: AbortSignal,
  ): Promise<Uint8Array> {
    const signal = AbortSignal.any([asker, running.stopping.signal])
    try {
      const answer = await this.#client.ask({ url, peer, purpose, frame, signal })
      if (this.#running === running) this.#places.settle(url, peer)
      return answer
    } catch (cause) {
      if (running.stopping.signal.aborted) throw stopped()
      const error = translateFailure(cause, url)
      if (!asker.aborted) this.#places.failed(url, error.message)
      // It may have moved to where nobody was to be found before.
      if (purpose === 'request') for (const open of this.#places.open()) void this.#probe(running, open)
      if (error.code === 'PEER_MISMATCH' && this.#places.evict(url, peer)) {
        this.#options.log?.('warn', error.message, { peer: short(peer) })
        if (this.#places.urlOf(peer) === undefined) running.inbox.peerDown(peer, error.message)
      }
      throw error
    }
  }

  #probe(running: Running, url: string): Promise<NodeId | LatticeError> {
    const known = running.probes.get(url)
    if (known !== undefined) return known
    const probe = this.#track(running, this.#findResident(running, url)).finally(() =>
      running.probes.delete(url),
    )
    running.probes.set(url, probe)
    return probe
  }

  /** Who lives at `url`, proven; or why nobody. Never rejects. */
  async #findResident(running: Running, url: string): Promise<NodeId | LatticeError> {
    const [signal, settled] = this.#deadline(probeTimeoutMs)
    try {
      const anyEnd = AbortSignal.any([signal, running.stopping.signal])
      const claimed = await this.#client.identify(url, anyEnd)
      if (claimed === this.#self) {
        this.#places.settle(url, claimed)
        return claimed
      }
      if (!this.#options.trusted.has(claimed))
        throw new LatticeError(
          'PEER_MISMATCH',
          `${url}: node ${short(claimed)}… answers, which is not in LATTICE_TRUSTED_KEYS`,
        )
      const before = this.#places.residentOf(url)
      await this.#ask(running, url, claimed, 'hello', new Uint8Array(), signal)
      if (this.#running !== running) return stopped()
      if (before !== undefined && before !== claimed && this.#places.urlOf(before) === undefined)
        running.inbox.peerDown(before, `${url}: node ${short(claimed)}… has taken this URL over`)
      running.inbox.peerUp(claimed)
      return claimed
    } catch (cause) {
      const error = running.stopping.signal.aborted ? stopped() : translateFailure(cause, url)
      this.#places.failed(url, error.message)
      return error
    } finally {
      settled()
    }
  }

  /** The most telling of the reasons why no candidate URL is `peer`. */
  #whyNot(peer: NodeId, outcomes: ReadonlyArray<NodeId | LatticeError>): LatticeError {
    const errors = outcomes.filter(isLatticeError)
    const worst = tellingFirst.flatMap(code => errors.find(error => error.code === code) ?? [])[0]
    if (worst === undefined) return unknownPeer(peer)
    const text = [...new Set(errors.map(error => error.message))].join('; ')
    const error = new LatticeError(worst.code, text, { cause: worst })
    const waits = errors.flatMap(each => ('retryAfterMs' in each ? Number(each.retryAfterMs) : []))
    return waits.length === 0 ? error : Object.assign(error, { retryAfterMs: Math.min(...waits) })
  }

  /** A signal that fires after `ms`, and what to call when it is needed no more. */
  #deadline(ms: number): readonly [AbortSignal, () => void] {
    const { clock } = this.#options
    const controller = new AbortController()
    const cancel = clock.alarm(clock.now().mono + ms, () => controller.abort())
    return [controller.signal, cancel]
  }

  #track<T>(running: Running, work: Promise<T>): Promise<T> {
    running.open.add(work)
    const settled = (): void => void running.open.delete(work)
    work.then(settled, settled)
    return work
  }

  /** `work`, unless `signal` or `stop` comes first. */
  #within<T>(running: Running, work: Promise<T>, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = AbortSignal.any([signal, running.stopping.signal])
      const give = (): void =>
        reject(
          running.stopping.signal.aborted
            ? stopped()
            : new LatticeError('PEER_TIMEOUT', 'no configured URL answered in the time allowed'),
        )
      if (end.aborted) return give()
      end.addEventListener('abort', give, { once: true })
      work.then(resolve, reject).finally(() => end.removeEventListener('abort', give))
    })
  }
}

/** A refusal tells that the peer is there; a silent URL may be the peer; a node in its place is not. */
const tellingFirst: readonly ErrorCode[] = [
  'PEER_REFUSED',
  'PEER_ASLEEP',
  'PEER_UNREACHABLE',
  'PEER_TIMEOUT',
  'PEER_MALFORMED',
  'PEER_MISMATCH',
]

/** Resolves as soon as one probe has found `peer`; never, if none does. */
function firstOf(probes: ReadonlyArray<Promise<NodeId | LatticeError>>, peer: NodeId): Promise<'found'> {
  return new Promise(resolve => {
    for (const probe of probes) void probe.then(outcome => void (outcome === peer && resolve('found')))
  })
}

function stopped(): LatticeError {
  return new LatticeError('PEER_UNREACHABLE', 'the HTTP transport of this node is not running')
}

function unknownPeer(peer: NodeId): LatticeError {
  return new LatticeError('PEER_UNKNOWN', `no configured URL can be that of peer ${short(peer)}…`)
}

function sentence(error: unknown): string {
  return Error.isError(error) ? error.message : String(error)
}

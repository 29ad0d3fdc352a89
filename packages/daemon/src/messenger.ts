/**
 * The messenger: carries what the engine has to say over the transports, and brings it what peers say.
 * Frames and signatures end here: the engine hears of messages whose entries are verified.
 */
import {
  decodeMessage,
  encodeMessage,
  encodeVersionAnswer,
  isMalformed,
  LatticeError,
  type Delivery,
  type Effect,
  type Event,
  type Inbox,
  type Message,
  type NodeId,
  type PathKind,
} from '@lattice/core'
import type { Admission } from './admission.ts'
import { connectWithinMs, Deadlines } from './deadlines.ts'
import { failureOf, sentence, unreadAnswer } from './failure.ts'
import type { RuntimeParts } from './runtime-parts.ts'
import type { Transports } from './transports.ts'

/** What a messenger works with. */
export interface MessengerParts extends Pick<RuntimeParts, 'clock' | 'signer' | 'log' | 'restartP2p'> {
  readonly transports: Transports
  readonly admission: Admission
  /** Tells the engine. */
  readonly dispatch: (event: Event) => void
  /** Runs what nobody waits for. */
  readonly spawn: (work: Promise<void>) => void
}

/** The engine's mouth and ears. */
export class Messenger {
  readonly #parts: MessengerParts
  readonly #deadlines: Deadlines
  /** Requests of peers that wait for their answer. */
  readonly #waiting = new Map<number, Pick<PromiseWithResolvers<Uint8Array>, 'resolve' | 'reject'>>()
  #nextId = 1
  #stopped = false

  constructor(parts: MessengerParts) {
    this.#parts = parts
    this.#deadlines = new Deadlines(parts.clock)
  }

  /** Starts the transports; resolves once each runs or has said why not. */
  async start(): Promise<void> {
    const { transports, dispatch } = this.#parts
    const start = async (path: PathKind): Promise<void> =>
      dispatch(await transports.start(path, this.#inbox(path)))
    await Promise.all(transports.paths.map(start))
  }

  /** Ends what is under way, and answers nobody any more. */
  halt(why: LatticeError): void {
    this.#stopped = true
    this.#deadlines.abortAll(why)
    for (const waiting of this.#waiting.values()) waiting.reject(why)
  }

  /** Tries to reach a peer; what comes of it is an event. */
  async connect({ path, peer }: Effect & { type: 'connect' }): Promise<void> {
    const { transports, dispatch } = this.#parts
    using done = this.#deadlines.start(connectWithinMs)
    const reach = async (): Promise<void> => transports.of(path).connect(peer, done.signal)
    const failure = await reach().then(() => undefined, failureOf)
    if (failure === undefined) dispatch({ type: 'peer-up', path, peer })
    else dispatch({ type: 'connect-failed', path, peer, ...failure })
  }

  /** Asks a peer; the answer, or why there is none, is an event. */
  async ask({ id, path, peer, message, timeoutMs }: Effect & { type: 'ask' }): Promise<void> {
    const { transports, admission, dispatch } = this.#parts
    using done = this.#deadlines.start(timeoutMs)
    const ask = async (): Promise<Event> => {
      const frame = await transports.of(path).request(peer, this.#encode(message), done.signal)
      const answer = decodeMessage(frame, peer)
      if (isMalformed(answer)) return { type: 'ask-failed', id, ...unreadAnswer(answer) }
      if (answer.rows !== undefined) dispatch({ type: 'received', id, message: answer })
      return { type: 'answer', id, ...(await admission.admit(answer, peer)) }
    }
    const failed = (error: unknown): Event => ({ type: 'ask-failed', id, ...failureOf(error) })
    dispatch(await ask().catch(failed))
  }

  /** Answers a request of a peer, unless the peer has gone. */
  reply({ id, message }: Effect & { type: 'reply' }): void {
    this.#waiting.get(id)?.resolve(this.#encode(message))
    this.#waiting.delete(id)
  }

  /** Tells all peers over P2P, where there is one. */
  async announce(message: Message): Promise<void> {
    const { transports, log } = this.#parts
    if (!transports.has('p2p')) return
    try {
      await transports.of('p2p').announce(this.#encode(message))
    } catch (error) {
      log('warn', 'an announce could not be sent', { reason: sentence(error) })
    }
  }

  /** Starts P2P anew where that is possible. */
  async restartP2p(): Promise<void> {
    const { transports, restartP2p, dispatch } = this.#parts
    if (restartP2p === undefined || !transports.has('p2p')) return
    dispatch(await transports.launched('p2p', restartP2p()))
  }

  #inbox(path: PathKind): Inbox {
    const { admission, dispatch, spawn } = this.#parts
    return {
      peerUp: peer => dispatch({ type: 'peer-up', path, peer }),
      peerDown: (peer, reason) => dispatch({ type: 'peer-down', path, peer, reason }),
      announced: (peer, frame) => {
        const admitted = admission.announced(frame, peer)
        const tell = (delivery: Delivery): void => dispatch({ type: 'announced', peer, ...delivery })
        if (admitted !== undefined) spawn(admitted.then(tell))
      },
      serve: (peer, frame, signal) => this.#serve(path, peer, frame, signal),
    }
  }

  async #serve(path: PathKind, peer: NodeId, frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { admission, dispatch } = this.#parts
    const delivery = await admission.requested(frame, peer)
    if ('malformed' in delivery) {
      if (delivery.version !== undefined) return encodeVersionAnswer()
      throw new LatticeError('PEER_MALFORMED', delivery.malformed)
    }
    if (this.#stopped || signal.aborted) throw new LatticeError('NOT_READY', 'the node is stopping')
    const id = this.#nextId++
    const gone = (): void => {
      this.#waiting.get(id)?.reject(new LatticeError('PEER_TIMEOUT', 'the asker has gone'))
      this.#waiting.delete(id)
      dispatch({ type: 'request-gone', id })
    }
    signal.addEventListener('abort', gone, { once: true })
    try {
      return await new Promise<Uint8Array>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject })
        dispatch({ type: 'request', id, path, peer, ...delivery })
      })
    } finally {
      signal.removeEventListener('abort', gone)
    }
  }

  #encode(message: Message): Uint8Array {
    return encodeMessage(message, this.#parts.signer.nodeId)
  }
}

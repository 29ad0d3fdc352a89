/**
 * The serving end of the exchange: answers requests on one stream, in whatever order they get ready.
 */
import { LatticeError, frameBytesMax, isLatticeError } from '@lattice/core'
import { createChannel, type Channel } from './channel.ts'
import type { Stream } from '@libp2p/interface'
import type { ExchangeMessage } from './message.ts'

/** Answers one request; `signal` fires when the asker is gone. */
export type Serve = (frame: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>

/** Takes a place for one more request; answers how to give it back, or nothing when all are taken. */
export type TakePlace = () => (() => void) | undefined

interface Open {
  readonly controller: AbortController
  readonly leave: () => void
}

/** One inbound stream being served. */
export class Session {
  /** Resolves when the stream has ended, with the reason. */
  readonly ended: Promise<unknown>
  readonly #channel: Channel
  readonly #serve: Serve
  readonly #take: TakePlace
  /** Requests whose answers are not there yet. */
  readonly #open = new Map<number, Open>()

  /** Serves `stream` from now on. */
  constructor(stream: Stream, serve: Serve, take: TakePlace) {
    this.#channel = createChannel(stream)
    this.#serve = serve
    this.#take = take
    this.ended = this.#channel
      .receive(message => this.#received(message))
      .then(reason => this.#finish(reason))
  }

  /** Stops serving: every signal fires, the stream ends. */
  abort(reason: LatticeError): void {
    for (const { controller, leave } of this.#open.values()) {
      controller.abort(reason)
      leave()
    }
    this.#open.clear()
    this.#channel.abort(reason)
  }

  /** Where there is no place, nothing more is read before the asker has read that. */
  #received({ kind, id, body }: ExchangeMessage): void | Promise<void> {
    switch (kind) {
      case 'request':
        return this.#enter(id, body)
      case 'abort':
        return this.#abandon(id)
      case 'answer':
      case 'refused':
        return this.abort(
          new LatticeError('PEER_MALFORMED', 'the peer answered on a stream that is for requests'),
        )
    }
  }

  #enter(id: number, frame: Uint8Array): void | Promise<void> {
    if (this.#open.has(id)) return this.abort(new LatticeError('PEER_MALFORMED', 'request id used twice'))
    const leave = this.#take()
    if (leave === undefined) return this.#send('refused', id, Buffer.from('OVERLOADED'))
    const open = { controller: new AbortController(), leave }
    this.#open.set(id, open)
    void this.#answer(id, frame, open)
  }

  /** The place is held until the asker takes the answer: then even giving up does not make room. */
  async #answer(id: number, frame: Uint8Array, open: Open): Promise<void> {
    const { signal } = open.controller
    const [kind, body] = await this.#serve(frame, signal).then(answerOf, refusalOf)
    if (signal.aborted) return
    if (this.#open.get(id) === open) this.#open.delete(id)
    await this.#send(kind, id, body)
    open.leave()
  }

  /** Makes room at once: what is still being computed for this request has nobody to go to. */
  #abandon(id: number): void {
    const open = this.#open.get(id)
    this.#open.delete(id)
    open?.controller.abort(new LatticeError('PEER_TIMEOUT', 'the asker gave up'))
    open?.leave()
  }

  /** A failure to send needs no handling here: the stream has ended, and `#finish` follows. */
  async #send(kind: 'answer' | 'refused', id: number, body: Uint8Array): Promise<void> {
    await this.#channel.send(kind, id, body).catch(() => {})
  }

  #finish(reason: unknown): unknown {
    this.abort(
      isLatticeError(reason) ? reason : new LatticeError('PEER_UNREACHABLE', 'the asker closed the stream'),
    )
    return reason
  }
}

type Reply = readonly [kind: 'answer' | 'refused', body: Uint8Array]

function answerOf(answer: Uint8Array): Reply {
  return answer.length > frameBytesMax ? ['refused', Buffer.from('BODY_TOO_LARGE')] : ['answer', answer]
}

function refusalOf(error: unknown): Reply {
  return ['refused', Buffer.from(isLatticeError(error) ? error.code : '')]
}

/**
 * The serving end of the exchange: answers requests on one stream, in whatever order they get ready.
 */
import { LatticeError, frameBytesMax, isLatticeError } from '@lattice/core'
import { createChannel, type Channel } from './channel.ts'
import type { Stream } from '@libp2p/interface'
import type { ExchangeMessage } from './message.ts'

/** Answers one request; `signal` fires when the asker is gone. */
export type Serve = (frame: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>

/** Requests served at once on one stream: bounds the answers waiting in memory to 8 MiB per stream. */
const servedMax = 32

/** One inbound stream being served. */
export class Session {
  /** Resolves when the stream has ended, with the reason. */
  readonly ended: Promise<unknown>
  readonly #channel: Channel
  readonly #serve: Serve
  readonly #open = new Map<number, AbortController>()

  /** Serves `stream` from now on. */
  constructor(stream: Stream, serve: Serve) {
    this.#channel = createChannel(stream)
    this.#serve = serve
    this.ended = this.#channel
      .receive(message => this.#received(message))
      .then(reason => this.#finish(reason))
  }

  /** Stops serving: every signal fires, the stream ends. */
  abort(reason: LatticeError): void {
    for (const controller of this.#open.values()) controller.abort(reason)
    this.#open.clear()
    this.#channel.abort(reason)
  }

  #received({ kind, id, body }: ExchangeMessage): void {
    switch (kind) {
      case 'request':
        return void this.#answer(id, body)
      case 'abort':
        return this.#abandon(id)
      case 'answer':
      case 'refused':
        return this.abort(
          new LatticeError('PEER_MALFORMED', 'the peer answered on a stream that is for requests'),
        )
    }
  }

  async #answer(id: number, frame: Uint8Array): Promise<void> {
    if (this.#open.has(id)) return this.abort(new LatticeError('PEER_MALFORMED', 'request id used twice'))
    if (this.#open.size >= servedMax) return this.#send('refused', id, Buffer.from('OVERLOADED'))
    const controller = new AbortController()
    this.#open.set(id, controller)
    try {
      const answer = await this.#serve(frame, controller.signal)
      if (controller.signal.aborted) return
      if (answer.length > frameBytesMax) await this.#send('refused', id, Buffer.from('BODY_TOO_LARGE'))
      else await this.#send('answer', id, answer)
    } catch (error) {
      if (controller.signal.aborted) return
      await this.#send('refused', id, Buffer.from(isLatticeError(error) ? error.code : ''))
    } finally {
      if (this.#open.get(id) === controller) this.#open.delete(id)
    }
  }

  /** Makes room at once: what is still being computed for this request has nobody to go to. */
  #abandon(id: number): void {
    const controller = this.#open.get(id)
    this.#open.delete(id)
    controller?.abort(new LatticeError('PEER_TIMEOUT', 'the asker gave up'))
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

/**
 * The asking end of the exchange: many requests in flight on one kept stream.
 *
 * One kept stream because opening one costs two round trips and 1 ms (measured; a kept one answers in 0.15
 * ms), and because a peer that does not read then holds up only itself.
 */
import { LatticeError, assert } from '@lattice/core'
import type { Connection } from '@libp2p/interface'
import { createChannel, noBody, type Channel } from './channel.ts'
import type { ExchangeMessage } from './message.ts'
import { translate } from './translate.ts'

/** libp2p protocol id of the exchange (contract §1). */
export const exchangeProtocol = '/lattice/sync/1'

/** Sixteen full frames unread by the peer: it is stuck, and more would only cost memory (reliability N17). */
const queuedBytesMax = 4 * 1024 * 1024

const idMax = 0xffff_ffff

interface Pending {
  resolve(answer: Uint8Array): void
  reject(error: LatticeError): void
}

/** An open stream to one peer, and the requests that wait for its answers. */
export class Link {
  readonly connection: Connection
  readonly #channel: Channel
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  #retired = false

  /** Takes over `channel`, opened on `connection`. */
  constructor(connection: Connection, channel: Channel) {
    this.connection = connection
    this.#channel = channel
    void channel.receive(message => this.#received(message)).then(reason => this.#ended(reason))
  }

  /** Opens the stream; rejects with a PEER_… error. libp2p bounds the negotiation (10 s). */
  static async open(connection: Connection): Promise<Link> {
    try {
      return new Link(connection, createChannel(await connection.newStream(exchangeProtocol)))
    } catch (error) {
      throw translate(error)
    }
  }

  /** Whether a new request may be asked here. */
  get usable(): boolean {
    return !this.#retired && this.#channel.open
  }

  /** Asks; rejects with PEER_TIMEOUT when `signal` fires, PEER_UNREACHABLE when the stream ends. */
  request(frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#channel.queuedBytes > queuedBytesMax) {
      return Promise.reject(new LatticeError('PEER_UNREACHABLE', 'the peer does not read what it is sent'))
    }
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    const id = this.#nextId()
    const aborted = (): void => {
      reject(new LatticeError('PEER_TIMEOUT'))
      if (this.#channel.open) void this.#channel.send('abort', id, noBody).catch(() => {})
    }
    this.#pending.set(id, { resolve, reject })
    signal.addEventListener('abort', aborted, { once: true })
    if (signal.aborted) reject(new LatticeError('PEER_TIMEOUT'))
    else this.#channel.send('request', id, frame).catch((error: unknown) => reject(translate(error)))
    return promise.finally(() => {
      signal.removeEventListener('abort', aborted)
      this.#pending.delete(id)
      this.#closeWhenIdle()
    })
  }

  /** Lets the open requests finish, then closes. */
  retire(): void {
    this.#retired = true
    this.#closeWhenIdle()
  }

  /** Fails the open requests and closes at once. */
  abort(reason: LatticeError): void {
    this.#retired = true
    for (const pending of this.#pending.values()) pending.reject(reason)
    this.#channel.abort(reason)
  }

  #nextId(): number {
    assert(this.#pending.size < idMax, 'request ids run out')
    do this.#lastId = this.#lastId === idMax ? 0 : this.#lastId + 1
    while (this.#pending.has(this.#lastId))
    return this.#lastId
  }

  #received({ kind, id, body }: ExchangeMessage): void {
    switch (kind) {
      case 'answer':
        return this.#pending.get(id)?.resolve(body)
      case 'refused':
        return this.#pending.get(id)?.reject(refusal(body))
      case 'request':
      case 'abort':
        return this.abort(
          new LatticeError('PEER_MALFORMED', 'the peer asked on a stream that is for answers'),
        )
    }
  }

  #ended(reason: unknown): void {
    this.abort(translate(reason))
  }

  #closeWhenIdle(): void {
    if (this.#retired && this.#pending.size === 0 && this.#channel.open) this.#channel.close()
  }
}

function refusal(body: Uint8Array): LatticeError {
  const code = Buffer.from(body.subarray(0, 40)).toString('latin1')
  const known = /^[A-Z_]+$/.test(code) ? ` (${code})` : ''
  return new LatticeError('PEER_REFUSED', `the peer refused the request${known}`)
}

/**
 * One exchange stream as whole messages, read in order and written in order with back-pressure.
 *
 * Shared by both ends: the asker's link and the server's session differ only in what they do with a message.
 */
import { setImmediate as othersTurn } from 'node:timers/promises'
import { LatticeError } from '@lattice/core'
import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import {
  decodeMessage,
  encodeMessage,
  messageBytesMax,
  type ExchangeKind,
  type ExchangeMessage,
} from './message.ts'

/** A stream that carries exchange messages. */
export interface Channel {
  /** Whether messages can still be sent. */
  readonly open: boolean
  /** Bytes handed over that the stream has not taken yet. */
  readonly queuedBytes: number
  /** Queues a message behind those before it; rejects when the stream ends first. */
  send(kind: ExchangeKind, id: number, body: Uint8Array): Promise<void>
  /**
   * Calls `each` for every message until the stream ends, and resolves why it ended: PEER_MALFORMED is their
   * fault. What `each` returns is waited for: whoever sends on meanwhile is cut off at 4 MiB.
   */
  receive(each: (message: ExchangeMessage) => void | Promise<void>): Promise<unknown>
  /** Ends the stream after what is queued has been sent. */
  close(): void
  /** Ends the stream at once. */
  abort(reason: LatticeError): void
}

/** What `send` takes where a message has no body. */
export const noBody = new Uint8Array(0)

/**
 * Messages taken before everything else has its turn. Four megabytes of the smallest are half a million: all
 * of them at one go held a node up for seconds (measured). Who sends on meanwhile loses the stream.
 */
const messagesPerTurn = 32

/** Wraps a freshly opened stream; nothing else may read from it or write to it. */
export function createChannel(stream: Stream): Channel {
  const prefixed = lpStream(stream, { maxDataLength: messageBytesMax })
  let queuedBytes = 0
  let tail: Promise<void> = Promise.resolve()

  const send = (kind: ExchangeKind, id: number, body: Uint8Array): Promise<void> => {
    const bytes = encodeMessage(kind, id, body)
    queuedBytes += bytes.length
    const sent = tail.then(() => prefixed.write(bytes)).finally(() => (queuedBytes -= bytes.length))
    tail = sent
    sent.catch(() => {})
    return sent
  }
  const receive: Channel['receive'] = async each => {
    for (let taken = 1; ; taken++) {
      if (taken % messagesPerTurn === 0) await othersTurn()
      let message: ExchangeMessage | undefined
      try {
        message = decodeMessage((await prefixed.read()).subarray())
      } catch (error) {
        return error
      }
      if (message === undefined) return new LatticeError('PEER_MALFORMED')
      await each(message)
    }
  }
  return {
    get open() {
      return stream.status === 'open' && stream.writeStatus === 'writable'
    },
    get queuedBytes() {
      return queuedBytes
    },
    send,
    receive,
    close: () =>
      void tail.then(() => stream.close()).catch(() => stream.abort(new LatticeError('PEER_UNREACHABLE'))),
    abort: reason => stream.abort(reason),
  }
}

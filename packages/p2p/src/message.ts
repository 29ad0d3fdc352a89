/**
 * What travels on an exchange stream: a five-byte header, then a frame.
 *
 *   kind (1 byte) · request id (4 bytes, big endian) · body
 *
 * The body is the frame of a request or answer, an error code for a refusal, and empty for an abort. The
 * stream itself puts a length before every message. Kinds are append-only.
 */
import { frameBytesMax } from '@lattice/core'

/** A message of the exchange protocol. */
export interface ExchangeMessage {
  readonly kind: ExchangeKind
  /** Chosen by the asker, unique among its open requests on one stream. 0 … 2³² − 1. */
  readonly id: number
  readonly body: Uint8Array
}

/** request and abort go from asker to server, answer and refused come back. */
export type ExchangeKind = 'request' | 'answer' | 'refused' | 'abort'

/** Position = number on the wire. */
const kinds: readonly ExchangeKind[] = ['request', 'answer', 'refused', 'abort']

const headerBytes = 5

/** Largest message on a stream; longer ones are refused before anything is read into memory. */
export const messageBytesMax = headerBytes + frameBytesMax

/** The bytes of a message, without the length that the stream puts before it. */
export function encodeMessage(kind: ExchangeKind, id: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes + body.length)
  bytes[0] = kinds.indexOf(kind)
  new DataView(bytes.buffer).setUint32(1, id)
  bytes.set(body, headerBytes)
  return bytes
}

/** The message in `bytes`, with a body of its own memory; undefined when it is malformed. */
export function decodeMessage(bytes: Uint8Array): ExchangeMessage | undefined {
  const kind = kinds[bytes[0] ?? kinds.length]
  if (kind === undefined || bytes.length < headerBytes) return undefined
  const id = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1)
  return { kind, id, body: bytes.slice(headerBytes) }
}

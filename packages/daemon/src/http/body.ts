/**
 * Request bodies: exact media type, no encodings, bounded before and while reading.
 *
 * Nothing is ever decompressed here, so no decompression bomb can be sent (reliability X9).
 */
import type { IncomingMessage } from 'node:http'
import { HttpProblem } from './problems.ts'

/** Largest JSON body (contract §3). */
export const bodyBytesMax = 1024 * 1024

const jsonType = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

/** Refuses what is not exactly JSON in UTF-8. */
export function requireJson(request: IncomingMessage): void {
  const type = request.headers['content-type']
  if (type === undefined || !jsonType.test(type)) {
    throw new HttpProblem(
      'MEDIA_TYPE_UNSUPPORTED',
      `Content-Type is ${type ?? 'missing'}; send application/json`,
    )
  }
}

function refuseEncoded(request: IncomingMessage): void {
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    throw new HttpProblem(
      'MEDIA_TYPE_UNSUPPORTED',
      `Content-Encoding ${encoding} is not accepted; send the body as it is`,
    )
  }
}

function tooLarge(bytesMax: number): HttpProblem {
  return new HttpProblem('BODY_TOO_LARGE', `the body is larger than ${bytesMax} bytes`, {
    headers: { Connection: 'close' },
  })
}

/** Refuses a body that would be refused once it is read, as far as its head tells: 413 or 415. */
export function refuseUnreadable(request: IncomingMessage, bytesMax: number): void {
  refuseEncoded(request)
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > bytesMax) throw tooLarge(bytesMax)
}

/**
 * Reads the whole body, at most `bytesMax`. Rejects with 413 or 415; the rest of a refused body is not read.
 */
export async function readBody(
  request: IncomingMessage,
  bytesMax: number = bodyBytesMax,
): Promise<Uint8Array> {
  refuseUnreadable(request, bytesMax)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size <= bytesMax) {
        chunks.push(chunk)
        return
      }
      request.off('data', onData).pause()
      reject(tooLarge(bytesMax))
    }
    const onEnd = (): void => resolve(Buffer.concat(chunks, size))
    // After the end as well, where it changes nothing any more.
    const onClose = (): void => {
      if (!request.readableEnded)
        reject(new HttpProblem('REQUEST_INVALID', 'the connection ended within the body'))
    }
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  })
}

/**
 * Lets what is left of a body go by, unkept. A connection that is closed with bytes unread is reset, and the
 * answer is lost with it: a proxy that keeps no connections says 502 to its caller then.
 */
export async function passOver(request: IncomingMessage): Promise<void> {
  if (request.readableEnded || request.destroyed) return
  await new Promise(resolve => request.once('end', resolve).once('close', resolve).resume())
}

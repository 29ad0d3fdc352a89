/** Long answers, piece by piece, at the pace of their reader. */
import { once } from 'node:events'
import type { Response } from 'express'

/** Characters handed to the socket at once: few system calls, and no long strings. */
const chunkChars = 64 * 1024

/**
 * A reader that takes nothing for this long loses its connection, or its copy of the state would be held for
 * ever.
 */
const stalledReaderMs = 30_000

async function drained(response: Response): Promise<void> {
  const stalled = AbortSignal.timeout(stalledReaderMs)
  const gone = new AbortController()
  const onClose = (): void => gone.abort()
  response.once('close', onClose)
  try {
    await once(response, 'drain', { signal: AbortSignal.any([stalled, gone.signal]) })
  } catch {
    response.destroy()
  } finally {
    response.off('close', onClose)
  }
}

/** Texts around and between the pieces. */
export interface Frame {
  readonly before: string
  readonly between: string
  readonly after: string
}

/** Sends the pieces as they are, waiting whenever the reader is slower than we are, and ends the answer. */
export async function sendPieces(
  response: Response,
  pieces: Iterable<string>,
  { before, between, after }: Frame,
): Promise<void> {
  let chunk = before
  let separator = ''
  for (const piece of pieces) {
    chunk += separator + piece
    separator = between
    if (chunk.length < chunkChars) continue
    if (!response.write(chunk)) await drained(response)
    if (response.destroyed) return
    chunk = ''
  }
  response.end(chunk + after)
}

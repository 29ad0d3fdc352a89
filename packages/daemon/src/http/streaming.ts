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

/**
 * Least pace of a whole answer, after a grace of `stalledReaderMs`: 256 kbit/s. Who is slower pages, instead
 * of holding a copy of the state for hours.
 */
const charsPerMsMin = 32

/** How much longer the reader of an answer may take before more is sent; 0 for one that is too slow. */
function patienceMs(elapsedMs: number, sentChars: number): number {
  const left = stalledReaderMs + sentChars / charsPerMsMin - elapsedMs
  return Math.max(0, Math.min(stalledReaderMs, Math.floor(left)))
}

async function drained(response: Response, waitMs: number): Promise<void> {
  if (waitMs === 0) return void response.destroy()
  const stalled = AbortSignal.timeout(waitMs)
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

/**
 * Sends the pieces as they are, waiting whenever the reader is slower than we are, and ends the answer. A
 * reader that stalls or is too slow as a whole loses its connection. `nowMs` is a monotonic clock.
 */
export async function sendPieces(
  response: Response,
  pieces: Iterable<string>,
  { before, between, after }: Frame,
  nowMs: () => number = () => performance.now(),
): Promise<void> {
  const startMs = nowMs()
  let sentChars = 0
  let chunk = before
  let separator = ''
  for (const piece of pieces) {
    chunk += separator + piece
    separator = between
    if (chunk.length < chunkChars) continue
    const taken = response.write(chunk)
    sentChars += chunk.length
    chunk = ''
    if (!taken) await drained(response, patienceMs(nowMs() - startMs, sentChars))
    if (response.destroyed) return
  }
  response.end(chunk + after)
}

/** Long answers, piece by piece, at the pace of their reader. */
import { once } from 'node:events'
import { setImmediate as breathe } from 'node:timers/promises'
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

/** Texts around and between the pieces. */
export interface Frame {
  readonly before: string
  readonly between: string
  readonly after: string
}

/** How the time of a reader is told; tests have their own. */
export interface Patience {
  /** A monotonic clock. */
  readonly nowMs: () => number
  readonly stalledMs: number
}

const patient: Patience = { nowMs: () => performance.now(), stalledMs: stalledReaderMs }

/**
 * Sends the pieces as they are, waiting whenever the reader is slower than we are, and letting others have
 * their turn in between; ends the answer, and resolves once a long one has been taken. A reader that stalls
 * or is too slow as a whole loses its connection.
 */
export async function sendPieces(
  response: Response,
  pieces: Iterable<string>,
  frame: Frame,
  { nowMs, stalledMs }: Patience = patient,
): Promise<void> {
  const startMs = nowMs()
  let sentChars = 0
  const taken = (event: 'drain' | 'finish'): Promise<void> => {
    const leftMs = stalledMs + sentChars / charsPerMsMin - (nowMs() - startMs)
    return awaitReader(response, event, Math.max(0, Math.min(stalledMs, Math.floor(leftMs))))
  }
  if (response.destroyed) return
  for (const { text, isLast } of chunksOf(pieces, frame)) {
    sentChars += text.length
    if (isLast) response.end(text)
    else {
      if (!response.write(text)) await taken('drain')
      // A reader as fast as we are never makes us wait, and others would until all of it is sent.
      await breathe()
    }
    // Before the next piece: it may have gone with its reader.
    if (response.destroyed) return
  }
  if (sentChars >= chunkChars && !response.writableFinished) await taken('finish')
}

/** Waits for the reader, who loses his connection once he has taken nothing for `waitMs`. */
async function awaitReader(response: Response, event: 'drain' | 'finish', waitMs: number): Promise<void> {
  if (response.destroyed) return
  if (waitMs === 0) return cut(response)
  const stalled = AbortSignal.timeout(waitMs)
  const gone = new AbortController()
  const onClose = (): void => gone.abort()
  response.once('close', onClose)
  try {
    await once(response, event, { signal: AbortSignal.any([stalled, gone.signal]) })
  } catch {
    cut(response)
  } finally {
    response.off('close', onClose)
  }
}

/** Ends an answer, also where it stands behind another one on its connection: nobody else would end that. */
export function cut(response: Pick<Response, 'destroy' | 'req'>): void {
  response.destroy()
  response.req.socket.destroy()
}

/** The answer in chunks, however long its pieces are. */
function* chunksOf(
  pieces: Iterable<string>,
  { before, between, after }: Frame,
): Generator<{ readonly text: string; readonly isLast: boolean }> {
  let rest = before
  let separator = ''
  for (const piece of pieces) {
    rest += separator + piece
    separator = between
    while (rest.length >= chunkChars) {
      const end = endOfChunk(rest)
      yield { text: rest.slice(0, end), isLast: false }
      rest = rest.slice(end)
    }
  }
  yield { text: rest + after, isLast: true }
}

/** Two halves of a character are no UTF-8. */
function endOfChunk(text: string): number {
  const last = text.charCodeAt(chunkChars - 1)
  return last >= 0xd800 && last < 0xdc00 ? chunkChars - 1 : chunkChars
}

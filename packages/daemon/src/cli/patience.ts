/** How long a command that waits for something goes on, and what it waits through. */
import { parseDuration } from '@lattice/api'
import type { ApiError } from '@lattice/api'

import { CliError, exitCodes } from './exit.ts'
import { isApiError } from './session.ts'

/** One look at the daemon; it answers in milliseconds, and a stopped one should be asked again. */
const lookMsMax = 10_000

/** Whoever gives less wants one look, and that takes its time too. */
const lookMsMin = 1000

/** The time that `--timeout` gives, from now on. */
export class Patience {
  readonly timeoutMs: number
  readonly #startedAt = performance.now()

  /** Ends the command as a usage error when `text` is no duration. */
  constructor(text: string) {
    const timeoutMs = parseDuration(text)
    if (timeoutMs === undefined) {
      throw new CliError(exitCodes.usage, `"${text}" is not a duration`, { hint: 'write 60s or 5m' })
    }
    this.timeoutMs = timeoutMs
  }

  get waitedMs(): number {
    return performance.now() - this.#startedAt
  }

  /** What a request begun now may take: no look outlives the command. */
  get lookMs(): number {
    const leftMs = Math.max(this.timeoutMs, lookMsMin) - this.waitedMs
    return Math.ceil(Math.min(lookMsMax, Math.max(1, leftMs)))
  }
}

/**
 * Whether a failed look says no more than "not yet". A slow daemon is there; one that cannot be reached was
 * there only if it was `reached` before, and may be restarting.
 */
export function isPassing(error: unknown, reached: boolean): error is ApiError {
  if (!isApiError(error)) return false
  if (error.code === 'TIMEOUT') return true
  return reached && (error.status === 0 || error.status >= 500 || error.status === 429)
}

/** A look that told nothing, as a phrase. */
export function noAnswer(url: string, error: ApiError): string {
  return `${url} does not answer (${error.code})`
}

/** Bounded waiting for the daemons of `lattice up`. */
import { setTimeout as delay } from 'node:timers/promises'

import { CliError, exitCodes } from './exit.ts'
import { isApiError } from './session.ts'

// Cold starts take 1–2 s each; a busy machine with one core may need many times that.
const readyMsMax = 90_000
const pollMs = 100

/** Looks until `look` says true. Failed calls count as not yet, until the time is up. */
export async function until(what: string, signal: AbortSignal, look: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + readyMsMax
  for (;;) {
    signal.throwIfAborted()
    const cause = await look().catch((error: unknown) => {
      if (isApiError(error)) return error
      throw error
    })
    if (cause === true) return
    if (performance.now() > deadline) {
      const why = cause === false ? '' : `: ${cause.message}`
      throw new CliError(exitCodes.timeout, `gave up after ${readyMsMax / 1000} s until ${what}${why}`)
    }
    await delay(pollMs, undefined, { signal })
  }
}

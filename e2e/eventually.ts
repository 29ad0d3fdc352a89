/**
 * Bounded polling: how the e2e ring waits for what a federation does in its own time. A call that fails
 * counts as not yet, so a daemon may be down meanwhile.
 */
import { setTimeout as delay } from 'node:timers/promises'

/** Fine enough that a wait costs no visible time, coarse enough to leave the processor to the daemons. */
const pollMs = 50

/**
 * Looks until `look` gives something other than false or undefined, and returns it. Rejects after `limitMs`,
 * saying `what` was awaited and what the last look met.
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | false | undefined> | T | false | undefined,
  limitMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + limitMs
  let met = 'not so'
  for (;;) {
    try {
      const found = await look()
      if (found !== false && found !== undefined) return found
      met = 'not so'
    } catch (error) {
      met = Error.isError(error) ? error.message : String(error)
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${limitMs} ms (${met})`)
    await delay(pollMs)
  }
}

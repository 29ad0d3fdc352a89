/** When to ask again: pure arithmetic, so that it can be tested without waiting. */

/** How old a page may be in the common case (experience U2). */
export const pollMs = 5000

/** Spreads the pages of many viewers, who often open them at the same moment (experience U2). */
const jitterRatio = 0.1

/** Longest pause after errors: a node that returns is seen within half a minute, and is not flooded. */
export const backoffMsMax = 30_000

/**
 * From this age on, what is shown may be wrong and is marked so: two polls have been missed (experience U2).
 */
export const staleAfterMs = 15_000

/**
 * Milliseconds until the next poll.
 *
 * @param failures errors in a row; 0 after a good answer
 * @param random from 0 up to 1
 * @param retryAfterSeconds what the node asked for: a bounded pause that jitter only lengthens
 */
export function pollDelayMs(failures: number, random: number, retryAfterSeconds = 0): number {
  const calm = Math.min(pollMs * 2 ** Math.min(Math.max(0, failures - 1), 10), backoffMsMax)
  const asked = Math.min(retryAfterSeconds * 1000, backoffMsMax * 2)
  return Math.round(Math.max(calm * (1 + jitterRatio * (2 * random - 1)), asked * (1 + jitterRatio * random)))
}

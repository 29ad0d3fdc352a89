/**
 * Makes a failing history short: less time, then fewer kinds of faults, as long as it still fails.
 *
 * Each kind of fault has dice of its own, so the others happen as before when one is left out.
 */
import type { Outcome } from './history.ts'

/** A history that fails. */
export interface Failing {
  readonly faultsMs: number
  readonly only: readonly string[]
  readonly outcome: Outcome
}

/** Most histories told on the way. */
const triesMax = 80

/**
 * The shortest failing history found, from one that fails; undefined if it does not.
 * @param tellIt tells the history with this much time for faults, and only these of them if given
 */
export async function shrink(
  tellIt: (faultsMs: number, only?: readonly string[]) => Promise<Outcome>,
  faultsMs: number,
  say: (line: string) => void,
): Promise<Failing | undefined> {
  let tries = 0
  const attempt = async (ms: number, only?: readonly string[]): Promise<Failing | undefined> => {
    tries++
    const outcome = await tellIt(ms, only)
    return outcome.violations.length === 0
      ? undefined
      : { faultsMs: ms, only: only ?? outcome.swarm ?? [], outcome }
  }
  let best = await attempt(faultsMs)
  if (best === undefined) return undefined
  for (let smaller = true; smaller && tries < triesMax;) {
    smaller = false
    for (const share of [0.25, 0.5, 0.8]) {
      const shorter: Failing | undefined = await attempt(Math.ceil(best.faultsMs * share), best.only)
      if (shorter === undefined) continue
      best = shorter
      smaller = true
      say(`fails within ${Math.round(best.faultsMs / 1000)} s of faults`)
      break
    }
    for (const name of best.only) {
      if (tries >= triesMax) break
      const fewer: Failing | undefined = await attempt(
        best.faultsMs,
        best.only.filter(each => each !== name),
      )
      if (fewer === undefined) continue
      best = fewer
      smaller = true
      say(`fails without ${name}; left: ${best.only.join(', ')}`)
    }
  }
  return best
}

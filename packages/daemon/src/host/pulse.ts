/**
 * Signs of life of the inside of this process: whether the engine moves when it is due, and whether a commit
 * hangs. Fed by the runtime, read by the process watchdog.
 */

/** What the runtime tells. */
export interface Pulse {
  /** An event was handled; without another one the engine is due again at `wakeAt` (monotonic ms). */
  moved(wakeAt: number): void
  /** A commit is under way until the promise settles. */
  committing(commit: Promise<unknown>): void
}

/** What the watchdog asks. */
export interface PulseReading {
  /** Why the process should not be vouched for; undefined while all is well. `now` is monotonic ms. */
  trouble(now: number): string | undefined
}

/** Later than this the engine has missed its alarm: the lag at which health calls the event loop stuck. */
const overdueMs = 5_000

/** A 10 s flush is survived (reliability S13); six times that is a dead disk or a lost thread. */
const commitMsMax = 60_000

/** A pulse that has not been felt yet, and is well. */
export function createPulse(now: () => number): Pulse & PulseReading {
  let dueAt = Number.POSITIVE_INFINITY
  let committingSince: number | undefined
  return {
    moved: wakeAt => {
      dueAt = wakeAt
    },
    committing: commit => {
      const since = now()
      committingSince = since
      const ended = (): void => {
        if (committingSince === since) committingSince = undefined
      }
      commit.then(ended, ended)
    },
    trouble: at => {
      if (at - dueAt > overdueMs) return `the engine should have moved ${Math.round(at - dueAt)} ms ago`
      if (committingSince !== undefined && at - committingSince > commitMsMax)
        return `a commit has been under way for ${Math.round((at - committingSince) / 1000)} s`
      return undefined
    },
  }
}

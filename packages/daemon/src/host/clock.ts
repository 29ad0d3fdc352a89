/** The core's clock on real timers. */
import type { Clock } from '@lattice/core'

// setTimeout takes 31 bits; longer waits fire at once, so they are cut into pieces.
const timeoutMsMax = 2 ** 31 - 1

/** Time of this machine: `mono` from the process's monotonic clock, `wall` from the system clock. */
export const systemClock: Clock = Object.freeze({
  now: () => ({ mono: performance.now(), wall: Date.now() }),
  alarm: (mono: number, callback: () => void): (() => void) => {
    let timer: NodeJS.Timeout | undefined
    const arm = (): void => {
      const left = mono - performance.now()
      // Timers may fire up to a millisecond early; then what is left is waited for again.
      timer = setTimeout(() => (performance.now() >= mono ? callback() : arm()), clamp(Math.ceil(left)))
    }
    arm()
    return () => clearTimeout(timer)
  },
})

function clamp(ms: number): number {
  return Math.min(Math.max(ms, 0), timeoutMsMax)
}

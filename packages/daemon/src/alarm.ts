/**
 * One alarm that is moved all the time. Deadlines move away far more often than they are reached, and setting
 * a timer costs more than looking at it: an alarm that is put off rings early, and is set anew then.
 */
import type { Clock } from '@lattice/core'

/** Rings by the time it was set to last, perhaps before. */
export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #at = Number.POSITIVE_INFINITY
  #cancel: (() => void) | undefined

  /** @param ring sets the alarm again if it is too early */
  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** It must ring by `at`, in monotonic ms. */
  set(at: number): void {
    if (at >= this.#at) return
    this.cancel()
    this.#at = at
    this.#cancel = this.#clock.alarm(at, () => {
      this.#at = Number.POSITIVE_INFINITY
      this.#ring()
    })
  }

  /** Does not ring until it is set again. */
  cancel(): void {
    this.#cancel?.()
    this.#at = Number.POSITIVE_INFINITY
  }
}

/** When a transport that could not start is tried again: its port may be free by now, its address there. */

/** Pauses between tries in ms, doubling from the first to the last. */
const pauseMs = { first: 5_000, last: 60_000 }

/** The next try of one transport. */
export class StartRetry {
  #failures = 0
  #at = Number.POSITIVE_INFINITY

  /** When it is due, in `mono` ms; infinite where none is. */
  get wakeAt(): number {
    return this.#at
  }

  /** The transport has started, or could not. */
  note(started: boolean, now: number): void {
    this.#at = started
      ? Number.POSITIVE_INFINITY
      : now + Math.min(pauseMs.last, pauseMs.first * 2 ** this.#failures)
    this.#failures = started ? 0 : Math.min(this.#failures + 1, 10)
  }

  /** Whether it is due now; the next one follows what comes of it. */
  take(now: number): boolean {
    if (now < this.#at) return false
    this.#at = Number.POSITIVE_INFINITY
    return true
  }
}

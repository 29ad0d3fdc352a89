/**
 * Time limits on the injected clock: each a signal that fires in time, and all of them when the node stops.
 */
import { LatticeError, type Clock } from '@lattice/core'

/** Longest try to connect: TCP, Noise, identify and one retransmission each on a slow link. */
export const connectWithinMs = 10_000

/** One time limit. */
export interface Deadline extends Disposable {
  /** Fires at the deadline, unless the work is done and this disposed before. */
  readonly signal: AbortSignal
}

/** The time limits of one node. */
export class Deadlines {
  readonly #clock: Clock
  readonly #open = new Set<AbortController>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A limit of `timeoutMs` from now; the signal's reason is a PEER_TIMEOUT. */
  start(timeoutMs: number): Deadline {
    const controller = new AbortController()
    this.#open.add(controller)
    const expire = (): void =>
      controller.abort(new LatticeError('PEER_TIMEOUT', `no answer within ${timeoutMs / 1000} s`))
    const cancelAlarm = this.#clock.alarm(this.#clock.now().mono + timeoutMs, expire)
    const dispose = (): void => {
      cancelAlarm()
      this.#open.delete(controller)
    }
    return { signal: controller.signal, [Symbol.dispose]: dispose }
  }

  /** Ends everything under way. */
  abortAll(reason: LatticeError): void {
    for (const controller of this.#open) controller.abort(reason)
  }
}

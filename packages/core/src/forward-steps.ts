/**
 * How far the wall clock has been set forward lately: by so much what was stamped before seems older than it
 * is. A monotonic clock shows it; times of sleep, which that one may not count, look the same.
 */
import type { Instant } from './units.ts'

/** Less is the difference of two clocks that nobody has set. */
const stepMsMin = 1_000

/** The steps of the last `withinMs`. */
export class ForwardSteps {
  readonly #withinMs: number
  #offset: number | undefined
  #steps: readonly { readonly mono: number; readonly ms: number }[] = []

  constructor(withinMs: number) {
    this.#withinMs = withinMs
  }

  /** To be told of every instant; how far in all. */
  note({ mono, wall }: Instant): number {
    const offset = wall - mono
    const ms = offset - (this.#offset ?? offset)
    this.#offset = Math.abs(ms) < stepMsMin ? (this.#offset ?? offset) : offset
    if (this.#steps.length > 0) this.#steps = this.#steps.filter(step => step.mono + this.#withinMs >= mono)
    if (ms >= stepMsMin) this.#steps = [...this.#steps, { mono, ms }]
    return this.#steps.reduce((sum, step) => sum + step.ms, 0)
  }
}

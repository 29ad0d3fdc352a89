/**
 * How far the wall clock has been set forward lately: by so much what was stamped before seems older than it
 * is. A monotonic clock shows it; times of sleep, which that one may not count, look the same, and so does
 * the time before a start: a machine may come up with a clock that is ahead.
 */
import type { Instant } from './units.ts'

/** Less is the difference of two clocks that nobody has set. */
const stepMsMin = 1_000

/** The steps of the last `withinMs`. */
export class ForwardSteps {
  readonly #withinMs: number
  readonly #lastWall: number
  #offset: number | undefined
  #steps: readonly { readonly mono: number; readonly ms: number }[] = []

  /** @param lastWall what the wall clock said last, before this start */
  constructor(withinMs: number, lastWall: number) {
    this.#withinMs = withinMs
    this.#lastWall = lastWall
  }

  /** To be told of every instant; how far in all. */
  note({ mono, wall }: Instant): number {
    this.#offset ??= this.#lastWall - mono
    const ms = wall - mono - this.#offset
    if (Math.abs(ms) >= stepMsMin) this.#offset += ms
    if (this.#steps.length > 0) this.#steps = this.#steps.filter(step => step.mono + this.#withinMs >= mono)
    if (ms >= stepMsMin) this.#steps = [...this.#steps, { mono, ms }]
    return this.#steps.reduce((sum, step) => sum + step.ms, 0)
  }
}

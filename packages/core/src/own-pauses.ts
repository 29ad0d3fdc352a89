/**
 * Pauses of this very process: a stopped container, a laptop asleep. They prove no silence of anybody else.
 * The wall clock may jump then, or by itself, and with it the timers of libp2p.
 */
import { clockJumpMs, ownPauseMs } from './params.ts'
import type { Instant } from './units.ts'

/** What a look at the clocks has found; undefined: nothing. */
export interface Noticed {
  /** How late the process is, in ms. */
  readonly lateMs: number | undefined
  /** How far the wall clock has gone beside the other one, in ms. */
  readonly jumpMs: number | undefined
}

/** Compares both clocks with what they should show. */
export class OwnPauses {
  #wallOffset: number
  #last = Number.NEGATIVE_INFINITY

  constructor(at: Instant) {
    this.#wallOffset = at.wall - at.mono
  }

  /** When the last pause was noticed, in `mono` ms: what was asked before it had no chance of an answer. */
  get last(): number {
    return this.#last
  }

  /** Looks at the clocks at an event. @param dueAt when the alarm should have rung, in `mono` ms */
  notice(at: Instant, dueAt: number): Noticed {
    const late = at.mono - dueAt
    const jump = at.wall - at.mono - this.#wallOffset
    this.#wallOffset = at.wall - at.mono
    if (late > ownPauseMs) this.#last = at.mono
    return {
      lateMs: late > ownPauseMs ? late : undefined,
      jumpMs: Math.abs(jump) > clockJumpMs ? jump : undefined,
    }
  }
}

/**
 * One life of a node's process: from its start to its end, whatever ends it.
 *
 * Everything that reaches the process from outside enters here, so that a dead process hears nothing, and a
 * paused one (SIGSTOP, a suspended machine) hears it all when it goes on.
 */
import type { Clock, Instant } from '@lattice/core'
import type { Timeline } from './timeline.ts'

/** The process, as the world sees it. */
export class Life {
  readonly #timeline: Timeline
  readonly #waiting: (() => void)[] = []
  #alive = true
  #paused = false

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  get alive(): boolean {
    return this.#alive
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Something reaches the process: now, when it goes on, or never. */
  enter(callback: () => void): void {
    if (!this.#alive) return
    if (this.#paused) this.#waiting.push(callback)
    else callback()
  }

  pause(): void {
    this.#paused = true
  }

  /** What has waited happens at once, in order. */
  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    for (const callback of this.#waiting.splice(0)) this.#timeline.after(0, () => this.enter(callback))
  }

  /** The process is gone. */
  end(): void {
    this.#alive = false
    this.#waiting.length = 0
  }
}

/** Unix milliseconds at true time 0. */
export const epochWall = 1_700_000_000_000

/** The wall clock of a machine: survives its processes. */
export class WallClock {
  readonly #timeline: Timeline
  #aheadMs = 0
  #frozenAt: number | undefined
  #greatest = 0

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  /** Unix milliseconds, as this machine believes. */
  get now(): number {
    const now = this.#frozenAt ?? epochWall + this.#timeline.now + this.#aheadMs
    if (now > this.#greatest) this.#greatest = now
    return now
  }

  /** The latest time it has ever shown. */
  get greatest(): number {
    return this.#greatest
  }

  /** How far it is ahead of true time, in ms. */
  get aheadMs(): number {
    return this.now - epochWall - this.#timeline.now
  }

  set(aheadMs: number): void {
    this.#aheadMs = aheadMs
  }

  freeze(): void {
    this.#frozenAt = this.now
  }

  thaw(): void {
    this.#frozenAt = undefined
  }
}

/** How one process measures time. */
export interface Pace {
  /** Monotonic reading at the start of the process, in ms. */
  readonly origin: number
  /** Monotonic milliseconds per true millisecond: a crystal is off by some 10⁻⁵. */
  readonly rate: number
}

/** The `Clock` port of one process. */
export class ProcessClock implements Clock {
  readonly #timeline: Timeline
  readonly #life: Life
  readonly #wall: WallClock
  readonly #pace: Pace
  readonly #start: number
  #alarms = 0

  constructor(timeline: Timeline, life: Life, wall: WallClock, pace: Pace) {
    this.#timeline = timeline
    this.#life = life
    this.#wall = wall
    this.#pace = pace
    this.#start = timeline.now
  }

  /** Alarms that have been set and neither rung nor been cancelled. */
  get alarms(): number {
    return this.#alarms
  }

  now(): Instant {
    return { mono: this.#monoAt(this.#timeline.now), wall: this.#wall.now }
  }

  alarm(mono: number, callback: () => void): () => void {
    const { origin, rate } = this.#pace
    let due = this.#start + (mono - origin) / rate
    // Rounding must not ring it early: it would be set again for the same instant.
    while (this.#monoAt(due) < mono) due += 0.001
    let pending = true
    this.#alarms++
    const settle = (): boolean => {
      const was = pending
      if (was) this.#alarms--
      pending = false
      return was
    }
    const cancel = this.#timeline.at(due, () => this.#life.enter(() => void (settle() && callback())))
    return () => void (settle() && cancel())
  }

  #monoAt(time: number): number {
    return this.#pace.origin + (time - this.#start) * this.#pace.rate
  }
}

/**
 * Keeps one reading fresh: polls, pauses while nobody looks, asks at once when somebody looks again, backs
 * off on errors, and says when what it holds has become stale: at once where the node is gone (reliability
 * O8), else by its age. Knows no React and no browser.
 */
import { pollDelayMs, staleAfterMs } from './poll-schedule.ts'

/** What a poller needs of its surroundings. */
export interface PollWorld {
  /** Unix milliseconds. */
  now(): number
  /** From 0 up to 1. */
  random(): number
  /** Calls `act` once after `ms`; the result cancels it. */
  after(ms: number, act: () => void): () => void
  /** Whether nobody can see the page. */
  hidden(): boolean
  /** Calls `act` whenever visibility or focus changes; the result stops that. */
  onAttention(act: () => void): () => void
}

/** What is known, and how it is going. */
export interface Reading<T> {
  readonly data: T | undefined
  /** When `data` came, in Unix milliseconds. */
  readonly receivedWall: number | undefined
  /** Why the last attempt failed; undefined after a good one. */
  readonly error: unknown
  /** When the next attempt is due; undefined while one is under way or paused. */
  readonly nextWall: number | undefined
  /**
   * `data` is too old to be trusted, or the node is gone; or there never was any and an attempt has failed.
   */
  readonly stale: boolean
}

/** A reading that stays fresh between `start` and `stop`. */
export class Poller<T> {
  readonly #read: (signal: AbortSignal) => Promise<T>
  readonly #world: PollWorld
  readonly #listeners = new Set<() => void>()
  #reading: Reading<T> = {
    data: undefined,
    receivedWall: undefined,
    error: undefined,
    nextWall: undefined,
    stale: false,
  }
  #failures = 0
  #running: AbortController | undefined
  #again = false
  #cancelNext = (): void => {}
  #cancelStale = (): void => {}
  #unwatch: (() => void) | undefined

  constructor(read: (signal: AbortSignal) => Promise<T>, world: PollWorld) {
    this.#read = read
    this.#world = world
  }

  /** The same object until something changes. */
  readonly reading = (): Reading<T> => this.#reading

  /** Calls `listener` after each change; the result ends that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Asks at once, now or as soon as the attempt under way has ended. */
  readonly refresh = (): void => {
    if (this.#unwatch === undefined) return
    if (this.#running === undefined) void this.#attempt()
    else this.#again = true
  }

  /** Begins; a second call does nothing. */
  start(): void {
    if (this.#unwatch !== undefined) return
    this.#unwatch = this.#world.onAttention(() => this.#attend())
    if (!this.#world.hidden()) void this.#attempt()
  }

  /** Ends; the reading stays. */
  stop(): void {
    this.#unwatch?.()
    this.#unwatch = undefined
    this.#cancelNext()
    this.#cancelStale()
    this.#running?.abort()
    this.#running = undefined
  }

  #attend(): void {
    if (!this.#world.hidden()) {
      this.#noteStale()
      if (this.#running === undefined) void this.#attempt()
      return
    }
    this.#cancelNext()
    this.#change({ nextWall: undefined })
  }

  async #attempt(): Promise<void> {
    const running = new AbortController()
    this.#running = running
    this.#again = false
    this.#cancelNext()
    let outcome: Partial<Reading<T>>
    let retryAfter = 0
    try {
      const data = await this.#read(running.signal)
      outcome = { data, receivedWall: this.#world.now(), error: undefined }
      this.#failures = 0
    } catch (error) {
      outcome = { error }
      this.#failures += 1
      retryAfter = retryAfterOf(error)
    }
    if (this.#running !== running) return
    this.#running = undefined
    const paused = this.#world.hidden()
    const delayMs = this.#again ? 0 : pollDelayMs(this.#failures, this.#world.random(), retryAfter)
    this.#change({ ...outcome, nextWall: paused ? undefined : this.#world.now() + delayMs })
    this.#noteStale()
    if (!paused) this.#cancelNext = this.#world.after(delayMs, () => void this.#attempt())
  }

  #noteStale(): void {
    this.#cancelStale()
    const { receivedWall, error, stale } = this.#reading
    const freshMs =
      receivedWall === undefined || isGone(error) ? 0 : receivedWall + staleAfterMs - this.#world.now()
    const isStale = freshMs <= 0 && (receivedWall !== undefined || error !== undefined)
    if (isStale !== stale) this.#change({ stale: isStale })
    if (freshMs > 0) this.#cancelStale = this.#world.after(freshMs, () => this.#noteStale())
  }

  #change(part: Partial<Reading<T>>): void {
    this.#reading = { ...this.#reading, ...part }
    for (const listener of this.#listeners) listener()
  }
}

/** Nobody took the call: what the node said last may no longer be so. */
function isGone(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'UNREACHABLE'
}

function retryAfterOf(error: unknown): number {
  const asked =
    typeof error === 'object' && error !== null && 'retryAfter' in error ? error.retryAfter : undefined
  return typeof asked === 'number' ? asked : 0
}

/**
 * The scrub: reads every row of the store again and compares the hash of its bytes with the digest kept
 * beside them.
 *
 * Runs in the background in slices, a fifth of the time at most, and keeps the last result: health answers
 * never wait for it. It walks in commit order, so rows written meanwhile come at the end and superseded ones
 * are simply gone.
 */
import type { IntegrityReport } from '@lattice/api'
import type { Clock, Hash, Row, Sequence, Store } from '@lattice/core'

/** What the check needs. */
export interface IntegrityOptions {
  readonly store: Pick<Store, 'after' | 'lastSeq'>
  readonly hash: Hash
  readonly clock: Clock
  /** Between the end of a run and the next by itself. Default 6 h: bit rot is slow, and a run costs reads. */
  readonly intervalMs?: number
  /** Tells the operator. Called once per run that found damage. */
  readonly onCorrupt?: (report: IntegrityReport) => void
}

/** The background check of one store. */
export interface IntegrityCheck {
  /** The last result and its age, at once. */
  last(): IntegrityReport
  /** Starts a run unless one is under way or the last one is fresh. */
  request(): void
  /** Runs to the end; joins a run under way. */
  run(): Promise<IntegrityReport>
  /** Ends a run under way and starts no more. */
  stop(): void
}

/** Rows read at once, and with them the longest slice: 64 rows of at most 131 KiB hash in about 10 ms. */
const sliceRows = 64

/** Longest slice before others get their turn. */
const sliceMs = 5

/** Pause after a slice: four times its length, so the check takes at most a fifth of the thread. */
const pauseMs = 20

/** A result younger than this is not asked for again by `request`. */
const freshMs = 60_000

const intervalMsDefault = 6 * 3_600_000

/** Damaged rows named in a report. */
const namedMax = 20

interface Progress {
  checked: number
  corrupt: number
  readonly named: { seq: Sequence; key: string }[]
}

interface Finished {
  readonly progress: Progress
  readonly failure: string | undefined
  readonly mono: number
  readonly wall: number
  readonly durationMs: number
}

function isIntact(hash: Hash, row: Row): boolean {
  const digest = hash(row.bytes)
  return digest.length === row.digest.length && digest.every((byte, index) => byte === row.digest[index])
}

function tally(progress: Progress, { seq, key }: Row, intact: boolean): void {
  progress.checked += 1
  if (intact) return
  progress.corrupt += 1
  if (progress.named.length < namedMax) progress.named.push({ seq, key })
}

function reportOf(finished: Finished | undefined, running: boolean, mono: number): IntegrityReport {
  if (finished === undefined) {
    return {
      status: 'healthy',
      checked: false,
      running,
      checked_at: null,
      age_seconds: null,
      duration_seconds: null,
      rows_checked: 0,
      rows_corrupt: 0,
      corrupt: [],
      reason: 'the first check has not ended yet',
    }
  }
  const { progress, failure, wall, durationMs } = finished
  const bad = progress.corrupt > 0 || failure !== undefined
  const found = `${progress.corrupt} of ${progress.checked} rows are damaged`
  return {
    status: bad ? 'corrupt' : 'healthy',
    checked: true,
    running,
    checked_at: new Date(wall).toISOString(),
    age_seconds: Math.max(0, mono - finished.mono) / 1000,
    duration_seconds: durationMs / 1000,
    rows_checked: progress.checked,
    rows_corrupt: progress.corrupt,
    corrupt: progress.named,
    reason: failure ?? (bad ? found : `all ${progress.checked} rows match their digests`),
  }
}

function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message)
    : String(error)
}

/** One run at a time, each with an alarm for the next. */
class Scrub implements IntegrityCheck {
  readonly #options: IntegrityOptions
  #finished: Finished | undefined
  #running: Promise<IntegrityReport> | undefined
  #stopped = false
  #cancelAlarm = (): void => undefined
  #resume = (): void => undefined

  constructor(options: IntegrityOptions) {
    this.#options = options
  }

  last(): IntegrityReport {
    return reportOf(this.#finished, this.#running !== undefined, this.#options.clock.now().mono)
  }

  request(): void {
    const age =
      this.#finished === undefined
        ? Number.POSITIVE_INFINITY
        : this.#options.clock.now().mono - this.#finished.mono
    if (this.#running === undefined && age >= freshMs) void this.run()
  }

  run(): Promise<IntegrityReport> {
    if (this.#stopped) return Promise.resolve(this.last())
    if (this.#running === undefined) {
      this.#cancelAlarm()
      this.#running = Promise.resolve().then(() => this.#execute())
    }
    return this.#running
  }

  stop(): void {
    this.#stopped = true
    this.#cancelAlarm()
    this.#resume()
  }

  async #execute(): Promise<IntegrityReport> {
    const { clock, intervalMs = intervalMsDefault, onCorrupt } = this.#options
    const begin = clock.now()
    const progress: Progress = { checked: 0, corrupt: 0, named: [] }
    let failure: string | undefined
    try {
      await this.#walk(progress)
    } catch (error) {
      failure = messageOf(error)
    }
    this.#running = undefined
    if (this.#stopped) return this.last()
    const { mono, wall } = clock.now()
    this.#finished = { progress, failure, mono, wall, durationMs: mono - begin.mono }
    this.#cancelAlarm = clock.alarm(mono + intervalMs, () => void this.run())
    const report = this.last()
    if (report.status === 'corrupt') onCorrupt?.(report)
    return report
  }

  async #walk(progress: Progress): Promise<void> {
    const { store, hash, clock } = this.#options
    const end = store.lastSeq
    let cursor = 0
    while (cursor < end && !this.#stopped) {
      const sliceEnd = clock.now().mono + sliceMs
      const rows = store.after(cursor, sliceRows)
      if (rows.length === 0) return
      for (const row of rows) {
        cursor = row.seq
        tally(progress, row, isIntact(hash, row))
        if (clock.now().mono >= sliceEnd) break
      }
      await this.#pause()
    }
  }

  #pause(): Promise<void> {
    const { clock } = this.#options
    return new Promise(resolve => {
      this.#resume = resolve
      this.#cancelAlarm = clock.alarm(clock.now().mono + pauseMs, resolve)
    })
  }
}

/** Makes the check; it starts a run at once and then one per interval. */
export function createIntegrityCheck(options: IntegrityOptions): IntegrityCheck {
  const scrub = new Scrub(options)
  void scrub.run()
  return scrub
}

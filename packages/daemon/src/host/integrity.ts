/**
 * The scrub: reads every row of the store again and checks it as any read would, and the leaf beside it too.
 *
 * What it finds is quarantined and fetched again by the engine. Runs in the background in slices, a tenth of
 * the time and 8 MiB/s at most, and keeps the last result: health answers never wait for it. It walks in
 * commit order up to the row that was the newest when it began, so that it ends however much is written
 * meanwhile; superseded rows are simply gone.
 */
import type { IntegrityReport } from '@lattice/api'
import type { Clock, DamageStatus, Scan, Sequence } from '@lattice/core'
import { sentence } from '../failure.ts'

/** The node whose store is checked. */
export interface Scrubbed {
  /** Checks the rows with a sequence > `after`, at most `limit`. */
  scan(after: Sequence, limit: number): Scan
  /** Takes in again what lies on the disk with nothing to vouch for it; whether that is durable. */
  readmit(signed: readonly Uint8Array[]): Promise<boolean>
  /** What is in quarantine. */
  damage(): DamageStatus
  /** Mends what the store's index of keys says of the rows with a sequence > `after` and ≤ `upTo`. */
  mendPlaces?(after: Sequence, upTo: Sequence): Promise<unknown>
}

/** What the check needs. */
export interface IntegrityOptions {
  readonly node: Scrubbed
  readonly clock: Clock
  /** Between the end of a run and the next by itself. Default 6 h: bit rot is slow, and a run costs reads. */
  readonly intervalMs?: number
  /** Tells the operator. Called once per run that could not be ended. */
  readonly onFailure?: (reason: string) => void
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

/** Rows read at once, and with them the longest slice: 64 rows of at most 131 KiB take about 10 ms. */
const sliceRows = 64

/** Pause after a slice: 64 rows of common size take 2 ms, so the check takes a tenth of the thread. */
const pauseMsMin = 20

/** Of large rows, as many as a slow disk reads without being kept busy: 8 MiB/s. */
const bytesPerMsMax = (8 * 1024 ** 2) / 1000

/** A result younger than this is not asked for again by `request`, unless it says nothing. */
const freshMs = 60_000

const intervalMsDefault = 6 * 3_600_000

/** Until the next run after one that found no rows: it costs nothing, and rows may come at any time. */
const emptyIntervalMs = 60_000

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

/** Whether a run ended well and still says nothing of the rows that there are now. */
function foundNothing({ progress, failure }: Finished): boolean {
  return progress.checked === 0 && failure === undefined
}

function tally(progress: Progress, { rowCount, damaged }: Scan): void {
  progress.checked += rowCount
  progress.corrupt += damaged.length
  progress.named.push(...damaged.slice(0, namedMax - progress.named.length))
}

function reportOf(
  finished: Finished | undefined,
  running: boolean,
  mono: number,
  { lost, healed, unshared, keys }: DamageStatus,
): IntegrityReport {
  const { progress, failure } = finished ?? { progress: { checked: 0, corrupt: 0, named: [] } }
  const status = lost > 0 || failure !== undefined ? 'corrupt' : 'healthy'
  const quarantine = {
    quarantined: lost,
    quarantined_here_only: unshared,
    healed,
    quarantined_keys: [...keys],
  }
  return {
    status,
    checked: finished !== undefined,
    running,
    checked_at: finished === undefined ? null : new Date(finished.wall).toISOString(),
    age_seconds: finished === undefined ? null : Math.max(0, mono - finished.mono) / 1000,
    duration_seconds: finished === undefined ? null : finished.durationMs / 1000,
    rows_checked: progress.checked,
    rows_corrupt: progress.corrupt,
    corrupt: progress.named,
    ...quarantine,
    reason: failure ?? reasonOf(progress, lost, finished !== undefined),
  }
}

function reasonOf({ checked, corrupt }: Progress, lost: number, isChecked: boolean): string {
  if (lost > 0) return `${lost} damaged ${lost === 1 ? 'entry waits' : 'entries wait'} to be fetched again`
  if (!isChecked) return 'the first check has not ended yet'
  if (checked === 0) return 'nothing to check yet: the last look found no rows'
  return corrupt > 0
    ? `${corrupt} of ${checked} rows were damaged, and all are mended`
    : checked === 1
      ? 'the only row matches its digest'
      : `all ${checked} rows match their digests`
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
    const { clock, node } = this.#options
    return reportOf(this.#finished, this.#running !== undefined, clock.now().mono, node.damage())
  }

  request(): void {
    const last = this.#finished
    const isFresh = last !== undefined && this.#options.clock.now().mono - last.mono < freshMs
    if (this.#running === undefined && (!isFresh || foundNothing(last))) void this.run()
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
    const { clock, intervalMs = intervalMsDefault, onFailure } = this.#options
    const begin = clock.now()
    const progress: Progress = { checked: 0, corrupt: 0, named: [] }
    let failure: string | undefined
    try {
      await this.#walk(progress)
    } catch (error) {
      failure = sentence(error)
    }
    this.#running = undefined
    if (this.#stopped) return this.last()
    const { mono, wall } = clock.now()
    this.#finished = { progress, failure, mono, wall, durationMs: mono - begin.mono }
    const restMs = foundNothing(this.#finished) ? Math.min(emptyIntervalMs, intervalMs) : intervalMs
    this.#cancelAlarm = clock.alarm(mono + restMs, () => void this.run())
    if (failure !== undefined) onFailure?.(failure)
    return this.last()
  }

  async #walk(progress: Progress): Promise<void> {
    const { node } = this.#options
    let end: Sequence | undefined
    for (let next: Sequence | undefined = 0; next !== undefined && !this.#stopped;) {
      const scan: Scan = node.scan(next, sliceRows)
      end ??= scan.newest
      tally(progress, scan)
      if (scan.unvouched.length > 0) await node.readmit(scan.unvouched)
      await node.mendPlaces?.(next, scan.next ?? scan.newest)
      next = (scan.next ?? end) < end ? scan.next : undefined
      if (next !== undefined) await this.#pause(scan.bytes)
    }
  }

  #pause(bytes: number): Promise<void> {
    const { clock } = this.#options
    const pauseMs = Math.max(pauseMsMin, bytes / bytesPerMsMax)
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

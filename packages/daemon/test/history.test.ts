/** The history: what its figures mean, that it never outgrows its cap, and that its file may vanish. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { createVirtualClock } from '@lattice/core/testing'
import fc from 'fast-check'
import { packBucket, unpackBucket } from '../src/history/bucket-bytes.ts'
import { HistoryFile } from '../src/history/history-file.ts'
import { keepHistory, type History } from '../src/history/history.ts'
import { bucketsOf, bucketStart, joinFigures, resolutionFor, tiers, widen } from '../src/history/rollup.ts'
import type { Figure, Sample } from '../src/history/rollup.ts'

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const mib = 1_048_576
const start = Date.UTC(2026, 0, 1)

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lattice-history-'))
  path = join(directory, 'history.db')
})
afterEach(() => rmSync(directory, { recursive: true }))

const sample = (at: number, values: Readonly<Record<string, number>>): Sample => ({
  at,
  values: new Map(Object.entries(values)),
})

const bytesOnDisk = (): number =>
  readdirSync(directory)
    .filter(name => name !== 'history.db-shm')
    .reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)

function pointsOf(file: HistoryFile, name: string, from: number, to: number, stepMs = secondMs) {
  const { series, stepMs: step } = file.read({ families: [name], from, to, now: to, stepMs })
  return { step, points: series.get(name) ?? [] }
}

describe('a bucket', () => {
  it('has the minimum, mean and maximum of its samples, however they were put together', () => {
    const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 90 })
    fc.assert(
      fc.property(values, fc.nat(), (all, cut) => {
        const figures = all.map((value): Figure => ({ count: 1, min: value, mean: value, max: value }))
        const at = cut % all.length
        const parts = [figures.slice(0, at), figures.slice(at)].filter(part => part.length > 0)
        const joined = parts.map(part => part.reduce(joinFigures)).reduce(joinFigures)
        expect(joined.count).toBe(all.length)
        expect(joined.min).toBe(Math.min(...all))
        expect(joined.max).toBe(Math.max(...all))
        expect(joined.mean).toBeCloseTo(all.reduce((sum, value) => sum + value, 0) / all.length, 3)
      }),
    )
  })

  it('is the same after packing, as far as a 32-bit float goes; a torn end costs one figure', () => {
    const bucket = new Map([
      ['lag/a', { count: 6, min: 0, mean: 1.5, max: 4096 }],
      ['keys', { count: 90, min: -1, mean: 0.1, max: 1e9 }],
    ])
    const names = [...bucket.keys()]
    const bytes = packBucket(bucket, name => names.indexOf(name))
    expect(bytes.length).toBe(32)
    const back = unpackBucket(bytes, id => names[id])
    expect(back.get('lag/a')).toEqual(bucket.get('lag/a'))
    expect(back.get('keys')?.mean).toBeCloseTo(0.1, 6)
    expect([...unpackBucket(bytes.subarray(0, 31), id => names[id]).keys()]).toEqual(['lag/a'])
  })

  it('leaves out what is no number', () => {
    const [bucket] = bucketsOf([sample(0, { good: 1, bad: Number.NaN, worse: Infinity })])
    expect([...(bucket?.[1].keys() ?? [])]).toEqual(['good'])
  })
})

describe('the resolution of an answer', () => {
  it.each([
    ['an hour', hourMs, 10 * secondMs, 10 * secondMs],
    ['a day, coarser', dayMs, 5 * minuteMs, 5 * minuteMs],
    ['two weeks', 14 * dayMs, hourMs, hourMs],
    ['two weeks, as fine as it goes', 14 * dayMs, secondMs, minuteMs],
    ['a year, as fine as it goes', 365 * dayMs, secondMs, 15 * minuteMs],
    ['a year, by days', 365 * dayMs, dayMs, dayMs],
  ])('of %s fits', (_name, span, wanted, step) => {
    expect(resolutionFor(start, start + span, wanted).stepMs).toBe(step)
  })
})

describe('the file', () => {
  it('stays below its cap over 400 days with everything a federation of three has', () => {
    const file = new HistoryFile(path, 64 * mib)
    const names = Array.from({ length: 12 }, (_, index) => `series/${index}`)
    const full = (at: number): Sample => ({ at, values: new Map(names.map((name, index) => [name, index])) })
    const end = start + 400 * dayMs
    const fill = (from: number, to: number, stepMs: number): void => {
      let batch: Sample[] = []
      for (let at = from; at < to; at += stepMs) {
        batch.push(full(at))
        if (batch.length === 480 || at + stepMs >= to) {
          file.append(batch, at)
          batch = []
        }
      }
    }
    // Fine samples only where fine buckets survive: the file ends up as if all had been written.
    fill(start, end - 14 * dayMs, 15 * minuteMs)
    fill(end - 14 * dayMs, end - dayMs, minuteMs)
    fill(end - dayMs, end, 10 * secondMs)
    for (const { stepMs, bucketsMax } of tiers) {
      const reader = new DatabaseSync(path, { readOnly: true })
      const row = reader.prepare('SELECT count(*) AS n FROM bucket WHERE step = ?').get(stepMs)
      expect(row).toEqual({ n: bucketsMax })
      reader.close()
    }
    expect(bytesOnDisk()).toBeLessThan(32 * mib)
    const year = pointsOf(file, 'series/7', end - 365 * dayMs, end)
    expect(year.points.length).toBeGreaterThan(700)
    expect(year.points.length).toBeLessThanOrEqual(1501)
    expect(year.points.every(([, { mean }]) => mean === 7)).toBe(true)
    file.close()
  })

  it('keeps the newest when the cap is met before the ages are', () => {
    const file = new HistoryFile(path, 2.5 * mib)
    const names = Array.from({ length: 200 }, (_, index) => `lag/${index}`)
    for (let at = start; at < start + dayMs; at += minuteMs * 5) {
      const batch = [0, 1, 2, 3, 4].map(each => ({
        at: at + each * minuteMs,
        values: new Map(names.map(name => [name, 1])),
      }))
      file.append(batch, at)
      if (at % hourMs === 0) expect(bytesOnDisk()).toBeLessThanOrEqual(2.5 * mib)
    }
    const end = start + dayMs
    expect(pointsOf(file, 'lag/7', end - 10 * minuteMs, end).points.length).toBeGreaterThan(0)
    expect(pointsOf(file, 'lag/7', start, start + hourMs).points).toEqual([])
    file.close()
  })

  it('answers with as few points as were asked for, and every sample in them', () => {
    const file = new HistoryFile(path, 8 * mib)
    const samples = Array.from({ length: 360 }, (_, index) => sample(start + index * 10_000, { keys: index }))
    file.append(samples.slice(0, 100), start)
    file.append(samples.slice(100), start + hourMs)
    const { step, points } = pointsOf(file, 'keys', start, start + hourMs, 15 * minuteMs)
    expect(step).toBe(15 * minuteMs)
    expect(points.map(([at]) => at - start)).toEqual([0, 1, 2, 3].map(each => each * 15 * minuteMs))
    expect(points.map(([, figure]) => figure.count)).toEqual([90, 90, 90, 90])
    expect(points[1]?.[1]).toEqual({ count: 90, min: 90, mean: 134.5, max: 179 })
    file.close()
  })

  it('forgets what was written while the clock was a day or more ahead', () => {
    const file = new HistoryFile(path, 8 * mib)
    file.append([sample(start + 900 * dayMs, { keys: 1 })], start + 900 * dayMs)
    file.append([sample(start, { keys: 2 })], start)
    expect(pointsOf(file, 'keys', start + 899 * dayMs, start + 901 * dayMs).points).toEqual([])
    expect(pointsOf(file, 'keys', start, start + minuteMs).points).toHaveLength(1)
    file.close()
  })

  it('keeps what it has while the clock has fallen back to the beginning of time', () => {
    const file = new HistoryFile(path, 8 * mib)
    file.append([sample(start, { keys: 2 })], start)
    file.append([sample(minuteMs, { keys: 2 })], minuteMs)
    expect(pointsOf(file, 'keys', start, start + minuteMs).points).toHaveLength(1)
    file.close()
  })

  const harms: Readonly<Record<string, () => void>> = {
    'overwritten with noise': () => writeFileSync(path, Buffer.alloc(100_000, 0x5a)),
    deleted: () => rmSync(path),
    'cut in the middle': () => truncateSync(path, 12_288),
    emptied: () => truncateSync(path, 0),
    "another program's": () => {
      rmSync(path)
      const other = new DatabaseSync(path)
      other.exec('CREATE TABLE bucket (other TEXT); PRAGMA user_version = 1')
      other.close()
    },
  }
  it.each(Object.keys(harms))('is made anew when it is %s', harm => {
    for (const open of [false, true]) {
      const file = new HistoryFile(path, 8 * mib)
      const many = Array.from({ length: 400 }, (_, index) => sample(start + index * 10_000, { keys: 1 }))
      file.append(many, start + hourMs)
      if (!open) file.close()
      harms[harm]?.()
      const later = start + 2 * hourMs
      file.append([sample(later, { keys: 5 })], later)
      file.append([sample(later + 10_000, { keys: 6 })], later)
      file.close()
      const after = new HistoryFile(path, 8 * mib)
      after.append([sample(later + 20_000, { keys: 7 })], later)
      const { points } = pointsOf(after, 'keys', later, later + minuteMs)
      const means = points.map(([, { mean }]) => mean)
      // What was written onto a file that was cut under an open connection may go with it.
      expect(open && harm === 'cut in the middle' ? means.slice(-1) : means).toEqual(
        open && harm === 'cut in the middle' ? [7] : [5, 6, 7],
      )
      after.close()
    }
  })
})

describe('a node', () => {
  /** Lets `steps` times ten seconds pass. */
  function pass(clock: ReturnType<typeof createVirtualClock>, steps: number): void {
    const end = clock.now().mono + steps * 10 * secondMs
    while (clock.ringNext(end));
  }

  /** Keeps one figure that is always 1, and what is told of failures. */
  function keepKeys(clock: ReturnType<typeof createVirtualClock>, failures: string[]): History {
    const onFailure = (message: string): void => void failures.push(message)
    return keepHistory({ path, bytesMax: 8 * mib, clock, sample: () => new Map([['keys', 1]]), onFailure })
  }

  it('samples every ten seconds, and what was sampled survives a restart', async () => {
    const clock = createVirtualClock(start + 3_456)
    let calls = 0
    const options = {
      path,
      bytesMax: 8 * mib,
      clock,
      sample: (seconds: number) =>
        new Map([
          ['keys', (calls += 1)],
          ['seconds', seconds],
        ]),
      onFailure: (message: string) => expect(message).toBe('never'),
    }
    const first = keepHistory(options)
    pass(clock, 8)
    expect(calls).toBe(8)
    await first.stop()
    pass(clock, 60)
    expect(calls).toBe(8)
    const second = keepHistory(options)
    pass(clock, 2)
    const to = clock.now().wall
    const { series, stepMs } = await second.read({
      families: ['keys', 'seconds'],
      from: start,
      to,
      stepMs: 1,
    })
    expect(stepMs).toBe(10 * secondMs)
    expect(series.get('keys')?.map(([, { mean }]) => mean)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(series.get('keys')?.every(([at]) => bucketStart(at, 10 * secondMs) === at)).toBe(true)
    expect(series.get('seconds')?.[1]?.[1].mean).toBe(10)
    await second.stop()
  })

  it('goes on without a file, says so once, and writes what it held when it can', async () => {
    const clock = createVirtualClock(start)
    const failures: string[] = []
    mkdirSync(path)
    const history = keepKeys(clock, failures)
    pass(clock, 7)
    const query = { families: ['keys'], from: start, to: start + hourMs, stepMs: 1 }
    await expect(history.read(query)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    pass(clock, 7)
    await expect(history.read(query)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(failures).toHaveLength(1)
    rmSync(path, { recursive: true })
    const { series } = await history.read(query)
    expect(series.get('keys')).toHaveLength(14)
    await history.stop()
  })

  it('holds ten minutes of samples and no more while its disk hangs', async () => {
    const clock = createVirtualClock(start)
    const failures: string[] = []
    // A pipe without a reader: to open it takes until there is one.
    execFileSync('mkfifo', [path])
    const history = keepKeys(clock, failures)
    pass(clock, 600)
    renameSync(path, join(directory, 'pipe'))
    const reader = openSync(join(directory, 'pipe'), constants.O_RDONLY | constants.O_NONBLOCK)
    const query = { families: ['keys'], from: start, to: clock.now().wall + 1, stepMs: 1 }
    const { series } = await history.read(query)
    closeSync(reader)
    expect(failures).toEqual([])
    // The six that were on their way when it began to hang, too.
    expect(series.get('keys')).toHaveLength(66)
    await history.stop()
  })

  it('refuses readers beyond a queue that a reading can serve in a second', async () => {
    const clock = createVirtualClock(start)
    const history = keepHistory({
      path,
      bytesMax: 8 * mib,
      clock,
      sample: () => new Map(),
      onFailure: () => undefined,
    })
    const query = { families: ['keys'], from: start, to: start + hourMs, stepMs: 1 }
    const readings = await Promise.allSettled(Array.from({ length: 40 }, () => history.read(query)))
    const refused = readings.filter(({ status }) => status === 'rejected')
    expect(refused.length).toBeGreaterThan(0)
    expect(readings.length - refused.length).toBeGreaterThanOrEqual(16)
    await history.stop()
  })
})

it('wider buckets begin where narrower ones do', () => {
  const narrow = bucketsOf([sample(start + 59_000, { keys: 1 }), sample(start + 61_000, { keys: 3 })])
  expect([...widen(narrow, minuteMs).keys()]).toEqual([start, start + minuteMs])
})

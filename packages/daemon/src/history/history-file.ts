/**
 * The file of the history: SQLite beside the store and independent of it. It may be deleted or damaged at any
 * time: it is made anew, and nothing but charts is lost.
 *
 * Hard cap by `max_page_count`; the newest buckets push out the oldest. `synchronous = NORMAL` flushes only at
 * checkpoints, about once in a quarter of an hour: a power cut costs the last minutes and never the file.
 */
import { closeSync, openSync, readSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { isLatticeError, LatticeError } from '@lattice/core'
import { sqliteResult } from '../sqlite-error.ts'
import { pragma } from '../sqlite-open.ts'
import { packBucket, unpackBucket } from './bucket-bytes.ts'
import { bucketsOf, joinInto, resolutionFor, tiers, widen } from './rollup.ts'
import type { Bucket, Figure, Sample, Tier } from './rollup.ts'

/** "LATH": marks the file as ours (SQLite file format §1.3.15). */
const applicationId = 0x4c415448

/** The header, and where the mark is in it (SQLite file format §1.3). */
const headerBytes = 100
const markOffset = 68

/** Raised with the tables; a file of another version is made anew. */
const schemaVersion = 1

const schema = `
  CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE bucket (step INTEGER NOT NULL, at INTEGER NOT NULL, figures BLOB NOT NULL,
    PRIMARY KEY (step, at)) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${schemaVersion};`

/** Big pages: a bucket is a few hundred bytes. Fixed, so that the cap in pages is a cap in bytes. */
const pageBytes = 8192

/** The log is moved into the file at this many pages, and cut back to them: 1 MiB, part of the cap. */
const logPages = 128

/** Series numbered over the life of a file: two bytes. */
const seriesMax = 65_536

/** A bucket later than this much from now was written while the clock was wrong. */
const futureMsMax = 86_400_000

/** Nobody had this program before: a clock that says so is itself wrong, as one without a battery is. */
const earliestNow = Date.UTC(2026, 0, 1)

/** Of all buckets, what makes room when the cap is met before the ages are. */
const yieldedShare = 1 / 8

/** Most rounds of making room; each yields an eighth, so this many yield 93 %. */
const yieldRounds = 20

/** What a reader wants. Times in Unix milliseconds. */
export interface HistoryQuery {
  /** Series whose name is one of these, or begins with one and a slash. */
  readonly families: readonly string[]
  readonly from: number
  readonly to: number
  readonly now: number
  /** Width of the buckets of the answer, at least. */
  readonly stepMs: number
}

/** What was found, oldest first. */
export interface HistoryReading {
  readonly stepMs: number
  readonly series: ReadonlyMap<string, readonly (readonly [at: number, figure: Figure])[]>
}

/** Figures in one answer: about 2 MB as JSON, whatever was asked for. */
const figuresMax = 60_000

/** Points of one series: more than a wide screen has pixels to show them. */
const pointsMax = 1500

/** Fewest points a series is cut down to, for federations of hundreds. */
const pointsMin = 50

interface Opened {
  readonly database: DatabaseSync
  readonly find: StatementSync
  readonly put: StatementSync
  readonly idOf: Map<string, number>
  readonly nameOf: Map<number, string>
}

/** The history in one file. All calls are synchronous: for a thread of its own. */
export class HistoryFile {
  readonly #path: string
  readonly #pagesMax: number
  #opened: Opened | undefined

  /** Opens nothing yet. @param bytesMax hard cap of the file and its log, at least 2 MiB */
  constructor(path: string, bytesMax: number) {
    this.#path = path
    this.#pagesMax = Math.floor(bytesMax / pageBytes) - logPages
  }

  /** Adds samples to every tier and drops what has become too old. Throws what SQLite throws. */
  append(samples: readonly Sample[], now: number): void {
    this.#guarded(opened => {
      for (let round = 0; ; round += 1) {
        try {
          return transact(opened, () => {
            for (const tier of tiers) this.#add(opened, tier, samples)
            for (const tier of tiers) prune(opened.database, tier, now)
          })
        } catch (error) {
          if (resultOf(error) !== sqliteFull || round >= yieldRounds) throw error
          transact(opened, () => makeRoom(opened.database))
        }
      }
    })
  }

  /** Reads at the resolution that fits the span. */
  read({ families, from, to, now, stepMs }: HistoryQuery): HistoryReading {
    return this.#guarded(({ database, nameOf }) => {
      const wanted = [...nameOf.values()].filter(name =>
        families.some(family => name === family || name.startsWith(`${family}/`)),
      )
      const points = Math.min(pointsMax, Math.max(pointsMin, Math.floor(figuresMax / wanted.length)))
      const { tier, stepMs: step } = resolutionFor(from, now, Math.max(stepMs, (to - from) / points))
      const rows = database
        .prepare('SELECT at, figures FROM bucket WHERE step = ? AND at >= ? AND at < ? ORDER BY at')
        .iterate(tier.stepMs, Math.floor(from / step) * step, to) as Iterable<{
        at: number
        figures: Uint8Array
      }>
      const kept = new Set(wanted)
      const known = (id: number): string | undefined => {
        const name = nameOf.get(id)
        return name !== undefined && kept.has(name) ? name : undefined
      }
      const series = new Map(wanted.map(name => [name, [] as (readonly [number, Figure])[]]))
      for (const [at, bucket] of widen(unpacked(rows, known), step))
        for (const [name, figure] of bucket) series.get(name)?.push([at, figure])
      return { stepMs: step, series }
    })
  }

  /** Closes the file; the next call opens it again. */
  close(): void {
    const opened = this.#opened
    this.#opened = undefined
    opened?.database.close()
  }

  #add(opened: Opened, { stepMs }: Tier, samples: readonly Sample[]): void {
    for (const [at, bucket] of widen(bucketsOf(samples), stepMs)) {
      const row = opened.find.get(stepMs, at) as { figures: Uint8Array } | undefined
      const merged: Bucket =
        row === undefined ? new Map() : unpackBucket(row.figures, id => opened.nameOf.get(id))
      joinInto(merged, bucket)
      opened.put.run(
        stepMs,
        at,
        packBucket(merged, name => numberOf(opened, name)),
      )
    }
  }

  /** Runs `act` on the open file; a damaged, foreign or vanished one is made anew, once. */
  #guarded<T>(act: (opened: Opened) => T): T {
    if (this.#opened !== undefined && !isInPlace(this.#path)) {
      this.#abandon()
      removeFile(this.#path)
    }
    try {
      return act((this.#opened ??= open(this.#path, this.#pagesMax)))
    } catch (error) {
      this.#abandon()
      if (!isDamage(error)) throw error
      removeFile(this.#path)
      return act((this.#opened = open(this.#path, this.#pagesMax)))
    }
  }

  #abandon(): void {
    try {
      this.close()
    } catch {
      // A damaged file may not even close; its descriptor goes with the object.
    }
  }
}

const unusable = (why: string): LatticeError => new LatticeError('STORE_CORRUPT', `the history file ${why}`)

function open(path: string, pagesMax: number): Opened {
  // SQLite would create the file readable for everybody.
  closeSync(openSync(path, 'a', 0o600))
  const database = new DatabaseSync(path)
  try {
    settle(database, pagesMax)
    const known = database.prepare('SELECT id, name FROM series').all() as { id: number; name: string }[]
    return {
      database,
      find: database.prepare('SELECT figures FROM bucket WHERE step = ? AND at = ?'),
      put: database.prepare('INSERT OR REPLACE INTO bucket VALUES (?, ?, ?)'),
      idOf: new Map(known.map(({ id, name }) => [name, id])),
      nameOf: new Map(known.map(({ id, name }) => [id, name])),
    }
  } catch (error) {
    database.close()
    throw error
  }
}

/** Makes the tables in an empty file, or checks the ones that are there; then the settings. */
function settle(database: DatabaseSync, pagesMax: number): void {
  if (pragma(database, 'page_count') === 0) {
    database.exec(`PRAGMA page_size = ${pageBytes}`)
    // Before WAL: so the mark is in the file itself and not only in the log.
    transactOn(database, () => database.exec(schema))
  }
  if (
    pragma(database, 'application_id') !== applicationId ||
    pragma(database, 'user_version') !== schemaVersion
  )
    throw unusable('is not of this program')
  if (pragma(database, 'quick_check(1)') !== 'ok') throw unusable('is damaged')
  // SQLite keeps the greater one of this and the size the file has: a smaller cap needs a new file.
  if (pragma(database, `max_page_count = ${pagesMax}`) !== pagesMax) throw unusable('is larger than its cap')
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
  database.exec(`PRAGMA wal_autocheckpoint = ${logPages / 2}`)
  database.exec(`PRAGMA journal_size_limit = ${logPages * pageBytes}`)
}

/** Whether the file still begins as ours does: it may be deleted or replaced under an open connection. */
function isInPlace(path: string): boolean {
  const header = Buffer.alloc(headerBytes)
  try {
    const descriptor = openSync(path, 'r')
    try {
      if (readSync(descriptor, header, 0, headerBytes, 0) < headerBytes) return false
    } finally {
      closeSync(descriptor)
    }
  } catch {
    return false
  }
  return (
    header.toString('latin1', 0, 15) === 'SQLite format 3' &&
    header.readUInt32BE(markOffset) === applicationId
  )
}

function numberOf({ database, idOf, nameOf }: Opened, name: string): number {
  const known = idOf.get(name)
  if (known !== undefined) return known
  const id = idOf.size
  if (id >= seriesMax) throw unusable('has no room for more series')
  database.prepare('INSERT INTO series VALUES (?, ?)').run(id, name)
  idOf.set(name, id)
  nameOf.set(id, name)
  return id
}

function prune(database: DatabaseSync, { stepMs, bucketsMax }: Tier, now: number): void {
  if (now >= earliestNow)
    database.prepare('DELETE FROM bucket WHERE step = ? AND at > ?').run(stepMs, now + futureMsMax)
  database
    .prepare(
      'DELETE FROM bucket WHERE step = ?1 AND at <= ' +
        '(SELECT at FROM bucket WHERE step = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)',
    )
    .run(stepMs, bucketsMax)
}

/** Lets the oldest of every tier go, in proportion. */
function makeRoom(database: DatabaseSync): void {
  for (const { stepMs } of tiers) {
    const { count } = database.prepare('SELECT count(*) AS count FROM bucket WHERE step = ?').get(stepMs) as {
      count: number
    }
    database
      .prepare(
        'DELETE FROM bucket WHERE step = ?1 AND at < ' +
          '(SELECT at FROM bucket WHERE step = ?1 ORDER BY at LIMIT 1 OFFSET ?2)',
      )
      .run(stepMs, Math.ceil(count * yieldedShare))
  }
}

function* unpacked(
  rows: Iterable<{ readonly at: number; readonly figures: Uint8Array }>,
  nameOf: (id: number) => string | undefined,
): Generator<readonly [number, Bucket]> {
  for (const { at, figures } of rows) yield [at, unpackBucket(figures, nameOf)]
}

/** All or nothing; what was numbered in a transaction that failed is forgotten too. */
function transact(opened: Opened, act: () => void): void {
  const before = opened.idOf.size
  try {
    transactOn(opened.database, act)
  } catch (error) {
    for (const [name, id] of [...opened.idOf].filter(([, number]) => number >= before)) {
      opened.idOf.delete(name)
      opened.nameOf.delete(id)
    }
    throw error
  }
}

function transactOn(database: DatabaseSync, act: () => void): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    act()
    database.exec('COMMIT')
  } catch (error) {
    // SQLite has rolled back by itself after some failures.
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

// Primary result codes of SQLite (https://sqlite.org/rescode.html).
const sqliteError = 1
const sqliteCorrupt = 11
const sqliteFull = 13
const sqliteNotADatabase = 26
/** SQLITE_IOERR_SHORT_READ: the file is shorter than it says. */
const sqliteShortRead = 522

/** Whether a new file helps. A generic error means tables that are not as they should be. */
function isDamage(error: unknown): boolean {
  if (isLatticeError(error)) return error.code === 'STORE_CORRUPT'
  const isShort = sqliteResult(error) === sqliteShortRead
  return isShort || [sqliteError, sqliteCorrupt, sqliteNotADatabase].includes(resultOf(error))
}

function resultOf(error: unknown): number {
  return (sqliteResult(error) ?? 0) & 0xff
}

function removeFile(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
}

/**
 * Opens the database for writing, or says exactly why not. Recognises what lies there before touching it.
 *
 * Nothing is ever deleted or made anew in silence: a lost database starts a new life and is reported as
 * amnesia, a damaged, foreign or newer one is refused and left as it is.
 */
import * as fs from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { amnesiaFact, LatticeError, isIncarnation, type Incarnation } from '@lattice/core'
import { flushDirectory, readSentinel, writeSentinel } from './incarnation-file.ts'
import { inspectStore, readHeader, refuseHeader } from './sqlite-inspect.ts'
import { migrateToLeaves } from './sqlite-migrate.ts'
import { applicationId, schemaVersion, storeFiles, tables } from './sqlite-schema.ts'
import { openError } from './sqlite-error.ts'

/** Page cache of the writer: holds the index over about 400,000 random keys. */
const cacheKiB = 64 * 1024
/** The log file is cut to this after a burst. */
const logBytesMax = 64 * 1024 * 1024
/** Longest wait for another process that looks at the file (a backup, the sqlite3 shell). */
const busyTimeoutMs = 5000

/** One thing worth a log line. */
export interface StoreNote {
  readonly level: 'info' | 'warn'
  readonly text: string
}

/** A database ready to write. */
export interface OpenedDatabase {
  readonly database: DatabaseSync
  readonly incarnation: Incarnation
  readonly notes: readonly StoreNote[]
}

/**
 * Opens or creates the database in `directory`.
 *
 * @throws LatticeError STATE_DIR_UNUSABLE, STORE_FOREIGN, STORE_NEWER, STORE_CORRUPT,
 *   STORE_LOCKED, STORE_UNAVAILABLE
 */
export function openDatabase(directory: string): OpenedDatabase {
  const path = join(directory, storeFiles.database)
  let database: DatabaseSync | undefined
  try {
    if (!fs.statSync(directory).isDirectory())
      throw new LatticeError('STATE_DIR_UNUSABLE', `${directory} is not a directory`)
    const sentinel = readSentinel(directory)
    const header = readHeader(path)
    const notes: StoreNote[] = []
    if (header) refuseHeader(header, path, sentinel.state !== 'missing')
    const known = header ? inspectStore(path) : undefined
    const logLeft = header === undefined && setLogAside(path, notes)
    const lost = known === undefined && (logLeft || sentinel.state !== 'missing')
    createEmptyFile(path, directory)
    database = new DatabaseSync(path, { timeout: busyTimeoutMs })
    configure(database, path)
    if (known !== undefined && pragma(database, 'user_version') === 1) migrate(database, notes)
    const incarnation = settleIncarnation(database, known, sentinel, lost, notes)
    if (sentinel.state !== 'present' || sentinel.incarnation !== incarnation)
      writeSentinel(directory, incarnation)
    return { database, incarnation, notes }
  } catch (error) {
    database?.close()
    throw openError(error, path)
  }
}

function migrate(database: DatabaseSync, notes: StoreNote[]): void {
  const count = migrateToLeaves(database)
  const text = `the store was brought from format 1 to ${schemaVersion}: ${count} rows got their leaf`
  notes.push({ level: 'info', text })
}

/** A log without its database is all that is left of an earlier life: kept for whoever wants to rescue it. */
function setLogAside(path: string, notes: StoreNote[]): boolean {
  const log = `${path}-wal`
  const size = fs.statSync(log, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0) return false
  const aside = `${log}.lost-${randomBytes(4).toString('hex')}`
  fs.renameSync(log, aside)
  notes.push({ level: 'warn', text: `the log of a lost database was kept as ${aside}` })
  return true
}

/** SQLite would create the file readable for everybody. */
function createEmptyFile(path: string, directory: string): void {
  try {
    fs.closeSync(fs.openSync(path, 'wx', 0o600))
    flushDirectory(directory)
  } catch (error) {
    if (!Error.isError(error) || !('code' in error) || error.code !== 'EEXIST') throw error
  }
}

function configure(database: DatabaseSync, path: string): void {
  // Before WAL: so the mark is in the file itself and not only in the log.
  if (pragma(database, 'application_id') === 0) database.exec(`PRAGMA application_id = ${applicationId}`)
  database.exec('PRAGMA journal_mode = WAL')
  database.exec('PRAGMA synchronous = FULL')
  database.exec(`PRAGMA cache_size = -${cacheKiB}`)
  database.exec(`PRAGMA journal_size_limit = ${logBytesMax}`)
  const [mode, level] = [pragma(database, 'journal_mode'), pragma(database, 'synchronous')]
  if (mode !== 'wal' || level !== 2) {
    const got = `journal_mode ${String(mode)}, synchronous ${String(level)}`
    throw new LatticeError(
      'STATE_DIR_UNUSABLE',
      `${path}: this file system does not give durable commits (${got})`,
    )
  }
}

/**
 * The incarnation in force: the one known, or a new one where the store is new, was lost, or is not the one
 * left here.
 */
function settleIncarnation(
  database: DatabaseSync,
  known: Incarnation | undefined,
  sentinel: ReturnType<typeof readSentinel>,
  lost: boolean,
  notes: StoreNote[],
): Incarnation {
  if (known !== undefined && (sentinel.state !== 'present' || sentinel.incarnation === known)) {
    if (sentinel.state === 'unreadable')
      notes.push({ level: 'warn', text: 'the file "incarnation" was damaged and is mended' })
    return known
  }
  const incarnation = randomBytes(8).toString('hex')
  if (!isIncarnation(incarnation)) throw new Error('a drawn incarnation is malformed')
  const swapped = known !== undefined
  writeLife(database, incarnation, swapped || lost)
  if (swapped)
    notes.push({
      level: 'warn',
      text: `the database is not the one last used here; new incarnation ${incarnation}`,
    })
  else if (lost)
    notes.push({
      level: 'warn',
      text: `the database was lost; it starts empty as incarnation ${incarnation}`,
    })
  else notes.push({ level: 'info', text: `new store, incarnation ${incarnation}` })
  return incarnation
}

function writeLife(database: DatabaseSync, incarnation: Incarnation, amnesia: boolean): void {
  database.exec('BEGIN IMMEDIATE')
  if (pragma(database, 'user_version') === 0) for (const sql of Object.values(tables)) database.exec(sql)
  database.prepare('INSERT OR REPLACE INTO life VALUES (1, ?)').run(incarnation)
  if (amnesia) database.prepare("INSERT OR REPLACE INTO fact VALUES (?, x'')").run(amnesiaFact)
  database.exec(`PRAGMA user_version = ${schemaVersion}`)
  database.exec('COMMIT')
}

/** The value of one pragma. */
export function pragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]
}

/**
 * Opens the database for writing, or says exactly why not. Recognises what lies there before touching it.
 *
 * Nothing is ever deleted or made anew in silence. A lost database starts a new life and is reported as
 * amnesia; so does a damaged one, which is moved aside; so does one that is sound but older than what this
 * node has written. A database of another program or of a newer version is refused and left as it is.
 */
import * as fs from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  amnesiaFact,
  LatticeError,
  isIncarnation,
  isLatticeError,
  type Incarnation,
  type StoreRemedy,
} from '@lattice/core'
import { openFact, sealFact } from './fact-check.ts'
import { keepCopy } from './format-copy.ts'
import { flushDirectory, readSentinel, writeSentinel, type Sentinel } from './incarnation-file.ts'
import { checkWhole, inspectStore, isOurs, readHeader, refuseHeader } from './sqlite-inspect.ts'
import { migrateStore } from './sqlite-migrate.ts'
import { applicationId, newestSeqSql, schemaVersion, storeFiles, tables } from './sqlite-schema.ts'
import { readUnindexed, setMarker, type Unindexed } from './sqlite-unindexed.ts'
import { isReadFailure, openError } from './sqlite-error.ts'
import { setAside, unreadAsides } from './store-aside.ts'

/** Page cache of the writer: holds the index over about 400,000 random keys. */
const cacheKiB = 64 * 1024
/** The log file is cut to this after a burst. */
const logBytesMax = 64 * 1024 * 1024
/** Longest wait for another process that looks at the file (a backup, the sqlite3 shell). */
export const busyTimeoutMs = 5000

const nothingUnindexed: Unindexed = { marker: 0, rows: [], doubtful: 0, mended: 0 }

/** One thing worth a log line. */
export interface StoreNote {
  readonly level: 'info' | 'warn'
  readonly text: string
}

/** A database ready to write. */
export interface OpenedDatabase {
  readonly database: DatabaseSync
  readonly incarnation: Incarnation
  readonly unindexed: Unindexed
  readonly notes: readonly StoreNote[]
}

/**
 * Opens or creates the database in `directory`.
 *
 * @param remedy what a store needs that was found out to be not what it should be; undefined at a usual start
 * @throws LatticeError STATE_DIR_UNUSABLE, STORE_FOREIGN, STORE_NEWER, STORE_LOCKED, STORE_UNAVAILABLE
 */
export function openDatabase(directory: string, remedy?: StoreRemedy): OpenedDatabase {
  const path = join(directory, storeFiles.database)
  let database: DatabaseSync | undefined
  try {
    if (!fs.statSync(directory).isDirectory())
      throw new LatticeError('STATE_DIR_UNUSABLE', `${directory} is not a directory`)
    const sentinel = readSentinel(directory)
    const notes: StoreNote[] = []
    const known = recognise(path, sentinel, remedy, notes)
    const logLeft = known === undefined && readHeader(path) === undefined && setLogAside(path, notes)
    const isTold = logLeft || sentinel.state !== 'missing' || unreadAsides(directory).length > 0
    const lost = known === undefined && isTold
    createEmptyFile(path, directory)
    database = new DatabaseSync(path, { timeout: busyTimeoutMs })
    configure(database, path)
    const version = Number(pragma(database, 'user_version'))
    if (known !== undefined && version < schemaVersion) migrate(database, path, version, notes)
    const damagedFacts = known === undefined ? [] : findDamagedFacts(database)
    flushAnew(database, remedy)
    const unindexed = known === undefined ? nothingUnindexed : readUnindexed(database)
    const { doubtful, mended } = unindexed
    if (mended > 0)
      notes.push({ level: 'warn', text: `${mended} of the newest rows were damaged, and are mended` })
    const newLife = newLifeReason(database, known, sentinel, { lost, damagedFacts, doubtful, remedy })
    const incarnation = known !== undefined && newLife === undefined ? known : drawIncarnation()
    if (newLife !== undefined) beginLife(database, incarnation, { ...newLife, damagedFacts }, notes)
    else if (sentinel.state === 'unreadable')
      notes.push({ level: 'warn', text: 'the file "incarnation" was damaged and is mended' })
    if (sentinel.state !== 'present' || sentinel.incarnation !== incarnation)
      writeSentinel(directory, incarnation, newestSeq(database))
    return { database, incarnation, unindexed, notes }
  } catch (error) {
    database?.close()
    const failure = openError(error, path)
    const damaged = isLatticeError(failure) && failure.code === 'STORE_CORRUPT'
    if (damaged && remedy !== 'rebuild') return openDatabase(directory, 'rebuild')
    throw failure
  }
}

/**
 * The life of a sound database; undefined where there is none, or its creation was never finished. What is
 * ours and damaged is moved aside.
 */
function recognise(
  path: string,
  sentinel: Sentinel,
  remedy: StoreRemedy | undefined,
  notes: StoreNote[],
): Incarnation | undefined {
  const header = readHeader(path)
  if (header === undefined) return undefined
  const hadStore = sentinel.state !== 'missing'
  try {
    if (remedy === 'rebuild') throw new LatticeError('STORE_CORRUPT', `${path}: too much of it is damaged`)
    refuseHeader(header, path, hadStore)
    const known = inspectStore(path)
    if (known !== undefined) checkWhole(path, remedy === 'check')
    return known
  } catch (error) {
    const failure = openError(error, path)
    const damaged = isLatticeError(failure) && failure.code === 'STORE_CORRUPT'
    if (!(damaged || isReadFailure(error)) || !(hadStore || isOurs(header))) throw error
    const aside = setAside(path, Date.now())
    const text = `${failure.message}; it was moved to ${aside}, and the state comes back from it and from the peers`
    notes.push({ level: 'warn', text })
    return undefined
  }
}

function migrate(database: DatabaseSync, path: string, version: number, notes: StoreNote[]): void {
  const copy = `${path}.format-${version}`
  let kept
  try {
    kept = `as it was it is kept as ${keepCopy(database, copy)}`
  } catch (error) {
    kept = `no copy of it was kept: ${openError(error, copy).message}`
  }
  const done = migrateStore(database, version)
  notes.push({
    level: 'info',
    text: `the store was brought from format ${version} to ${schemaVersion}: ${done}; ${kept}`,
  })
}

/**
 * After a failed flush the log may only seem to be on the disk: it goes into the database, flushed anew. Also
 * at a usual start, since whoever saw the failure may have ended before it could say so.
 */
function flushAnew(database: DatabaseSync, remedy: StoreRemedy | undefined): void {
  if (remedy === 'check') return database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  try {
    database.exec('PRAGMA wal_checkpoint(PASSIVE)')
  } catch {
    // No room for it, perhaps: reads and deletes go on all the same.
  }
}

/** Names of the facts that are damaged, as they lie on the disk: a damaged one may be no text. */
function findDamagedFacts(database: DatabaseSync): Uint8Array[] {
  const facts = database.prepare('SELECT CAST(name AS BLOB), value FROM fact')
  facts.setReturnArrays(true)
  const found = facts.all() as unknown as Array<[name: Uint8Array, value: Uint8Array]>
  return found.flatMap(([name, value]) => (openFact(name, value) === undefined ? [name] : []))
}

/** Forgets facts, in the transaction at hand. */
function forgetFacts(database: DatabaseSync, names: readonly Uint8Array[]): void {
  const remove = database.prepare('DELETE FROM fact WHERE name = CAST(? AS TEXT)')
  for (const name of names) {
    if (remove.run(name).changes === 1) continue
    throw new LatticeError('STORE_CORRUPT', `${database.location()}: a damaged fact cannot be found again`)
  }
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

/** What is not as it was left. */
interface Losses {
  readonly lost: boolean
  readonly damagedFacts: readonly Uint8Array[]
  /** Damaged rows that were not indexed yet. */
  readonly doubtful: number
  readonly remedy: StoreRemedy | undefined
}

/** Why the store begins a new life, as a sentence; undefined where it goes on with the one it had. */
function newLifeReason(
  database: DatabaseSync,
  known: Incarnation | undefined,
  sentinel: Sentinel,
  { lost, damagedFacts, doubtful, remedy }: Losses,
): { readonly text: string; readonly amnesia: boolean } | undefined {
  if (lost) return { text: 'the database was lost; it starts empty', amnesia: true }
  if (known === undefined) return { text: 'new store', amnesia: false }
  if (sentinel.state === 'present' && sentinel.incarnation !== known)
    return { text: 'the database is not the one last used here', amnesia: true }
  if (sentinel.state === 'present' && newestSeq(database) < sentinel.seq)
    return { text: `the database is an old copy: it ends before commit ${sentinel.seq}`, amnesia: true }
  if (damagedFacts.length > 0)
    return {
      text: `${damagedFacts.length} facts in the database were damaged and are forgotten`,
      amnesia: true,
    }
  if (doubtful > 0)
    return { text: `${doubtful} of the newest rows in the database are damaged`, amnesia: true }
  if (remedy === 'new-life')
    return { text: 'the database is older than what the peers hold of it', amnesia: true }
  return undefined
}

function beginLife(
  database: DatabaseSync,
  incarnation: Incarnation,
  {
    text,
    amnesia,
    damagedFacts,
  }: { readonly text: string; readonly amnesia: boolean } & Pick<Losses, 'damagedFacts'>,
  notes: StoreNote[],
): void {
  database.exec('BEGIN IMMEDIATE')
  if (pragma(database, 'user_version') === 0) {
    for (const sql of Object.values(tables)) database.exec(sql)
    setMarker(database, 0)
  }
  forgetFacts(database, damagedFacts)
  database.prepare('INSERT OR REPLACE INTO life VALUES (1, ?)').run(incarnation)
  const stored = sealFact(Buffer.from(amnesiaFact), new Uint8Array(0))
  if (amnesia) database.prepare('INSERT OR REPLACE INTO fact VALUES (?, ?)').run(amnesiaFact, stored)
  database.exec(`PRAGMA user_version = ${schemaVersion}`)
  database.exec('COMMIT')
  notes.push({ level: amnesia ? 'warn' : 'info', text: `${text}; incarnation ${incarnation}` })
}

function drawIncarnation(): Incarnation {
  const incarnation = randomBytes(8).toString('hex')
  if (!isIncarnation(incarnation)) throw new Error('a drawn incarnation is malformed')
  return incarnation
}

function newestSeq(database: DatabaseSync): number {
  return pragma(database, 'user_version') === 0 ? 0 : Number(database.prepare(newestSeqSql).get()?.['seq'])
}

/** The value of one pragma. */
export function pragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]
}

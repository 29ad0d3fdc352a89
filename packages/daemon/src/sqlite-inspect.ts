/**
 * Looks at a database without changing it: is it ours, of a version we speak, and sound where a look costs
 * little?
 *
 * A full check reads every page (seconds at 1 M rows); this one reads some hundred, whatever the size:
 * header, tables, life, both ends of each tree and rows spread over all of it. Damage elsewhere shows when it
 * is read.
 */
import * as fs from 'node:fs'
import { pathToFileURL } from 'node:url'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import { LatticeError, isIncarnation, type Incarnation } from '@lattice/core'
import { applicationId, schemaVersion, tablesOf } from './sqlite-schema.ts'
import { readMarker } from './sqlite-unindexed.ts'

/** Length of SQLite's header, with the offsets used here (sqlite.org/fileformat.html §1.3). */
const header = { bytes: 100, userVersionAt: 60, applicationIdAt: 68 } as const
const magic = 'SQLite format 3\0'
/** Longest wait for another process that recovers the log. */
const busyTimeoutMs = 5000
/** Rows compared with their place; 64 seeks are a few milliseconds on a cold disk cache of an SSD. */
const samples = 64

/**
 * Up to this size a database is checked whole at every start: some hundred milliseconds at most. A larger one
 * only where there is a reason to.
 */
const wholeCheckBytesMax = 32 * 1024 ** 2

/** The first bytes of the file; undefined where it is missing or empty. */
export function readHeader(path: string): Buffer | undefined {
  const size = fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0) return undefined
  const file = fs.openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(header.bytes)
    return bytes.subarray(0, fs.readSync(file, bytes, 0, header.bytes, 0))
  } finally {
    fs.closeSync(file)
  }
}

/**
 * Refuses by the header alone. `hadStore`: a store of ours was in this directory before, so what is no
 * database is damage.
 */
export function refuseHeader(bytes: Buffer, path: string, hadStore: boolean): void {
  if (bytes.length < header.bytes || bytes.toString('latin1', 0, magic.length) !== magic) {
    if (hadStore) throw new LatticeError('STORE_CORRUPT', `${path} is not an SQLite database any more`)
    throw new LatticeError('STORE_FOREIGN', `${path} is not a Lattice store`)
  }
  const version = bytes.readUInt32BE(header.userVersionAt)
  if (!isOurs(bytes)) {
    const code = hadStore ? 'STORE_CORRUPT' : 'STORE_FOREIGN'
    throw new LatticeError(code, `${path} is an SQLite database of another program`)
  }
  refuseNewer(version, path)
}

/** Whether a header bears the mark of a Lattice store. */
export function isOurs(bytes: Buffer): boolean {
  return bytes.length >= header.bytes && bytes.readUInt32BE(header.applicationIdAt) === applicationId
}

/**
 * Reads every page where that is cheap or `wanted`: is the database well-formed? Says nothing of values that
 * have changed; those are checked row by row. The full check, because a quick one does not look at the order
 * of `place` and `fact`; without other indexes it takes no longer.
 *
 * @throws LatticeError STORE_CORRUPT, or SQLite's error
 */
export function checkWhole(path: string, wanted: boolean): void {
  if (!wanted && (fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0) > wholeCheckBytesMax) return
  const database = openUntouched(path)
  try {
    const found = Object.values(database.prepare('PRAGMA integrity_check(1)').get() ?? {})[0]
    if (found !== 'ok') damaged(path, String(found))
  } finally {
    database.close()
  }
}

/**
 * The incarnation of a sound store; undefined where its creation was never finished.
 *
 * @throws LatticeError STORE_CORRUPT or STORE_NEWER, or SQLite's error
 */
export function inspectStore(path: string): Incarnation | undefined {
  const database = openUntouched(path)
  try {
    // One moment of a store that is being written, as for a backup.
    database.exec('BEGIN')
    const version = Number(Object.values(database.prepare('PRAGMA user_version').get() ?? {})[0])
    refuseNewer(version, path)
    const found = database.prepare("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").all()
    if (version === 0 && found.length === 0) return undefined
    const expected = Object.entries(tablesOf(version))
    const same = expected.every(([name, sql]) =>
      found.some(table => table['name'] === name && table['sql'] === sql),
    )
    if (!same || found.length !== expected.length)
      damaged(path, 'its tables are not those of a Lattice store')
    const incarnation = database.prepare('SELECT incarnation FROM life').get()?.['incarnation']
    if (typeof incarnation !== 'string' || !isIncarnation(incarnation))
      return damaged(path, 'it has no incarnation')
    probe(database, path, version)
    return incarnation
  } finally {
    database.close()
  }
}

/** Without a log to read, not even SQLite's side files appear; with one they are there already. */
function openUntouched(path: string): DatabaseSync {
  const url = pathToFileURL(path)
  const logBytes = fs.statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  if (logBytes === 0) url.searchParams.set('immutable', '1')
  return new DatabaseSync(url, { readOnly: true, timeout: busyTimeoutMs })
}

/**
 * Rows up to the marker and places must point at each other, at both ends and in between; from version 2 on
 * they have leaves. After the marker a place may tell of a row that has been replaced since.
 */
function probe(database: DatabaseSync, path: string, version: number): void {
  const leafAt = version < 2 ? undefined : database.prepare('SELECT 1 FROM leaf WHERE seq = ?')
  const placeOf = database.prepare('SELECT seq FROM place WHERE key = ? AND slot = ?')
  const rowAt = database.prepare('SELECT key, slot, length(digest), length(bytes) FROM row WHERE seq = ?')
  const rowFrom = database.prepare(
    'SELECT seq, key, slot, length(bytes) FROM row WHERE seq >= ? ORDER BY seq LIMIT 1',
  )
  // Each alone is a seek; asked for together they are a walk through the whole table.
  const ends =
    database.prepare('SELECT (SELECT min(seq) FROM row) AS low, (SELECT max(seq) FROM row) AS high').get() ??
    {}
  const [low, high] = [Number(ends['low'] ?? 0), Number(ends['high'] ?? 0)]
  const marker = version < 4 ? high : readMarker(database)
  if (marker > high) damaged(path, `it ends at row ${high}, and was indexed up to ${marker}`)
  for (let sample = 0; high > 0 && sample <= samples; sample += 1) {
    const row = rowFrom.get(low + Math.floor(((high - low) * sample) / samples))
    if (row && Number(row['seq']) > marker) break
    const place = row && placeOf.get(row['key'] as SQLOutputValue, row['slot'] as SQLOutputValue)
    if (!row || place?.['seq'] !== row['seq']) damaged(path, `row ${String(row?.['seq'])} has no place`)
    if (leafAt && !leafAt.get(row['seq'] as SQLOutputValue))
      damaged(path, `row ${String(row['seq'])} has no leaf`)
  }
  const outermost = [false, true].map(last => {
    const order = last ? 'DESC' : 'ASC'
    return database.prepare(`SELECT seq, key FROM place ORDER BY key ${order}, slot ${order} LIMIT 1`).get()
  })
  for (const place of outermost) {
    if (place === undefined && (high === 0 || low > marker)) continue
    const row = place && rowAt.get(place['seq'] as SQLOutputValue)
    const isReplaced = place !== undefined && row === undefined && high > marker
    if (!isReplaced && (place === undefined || row?.['key'] !== place['key']))
      damaged(path, 'a place has no row')
  }
  database.prepare('SELECT name FROM fact ORDER BY name DESC LIMIT 1').get()
}

function refuseNewer(version: number, path: string): void {
  if (version <= schemaVersion) return
  throw new LatticeError(
    'STORE_NEWER',
    `${path} has format ${version}; this version reads up to ${schemaVersion}`,
  )
}

function damaged(path: string, why: string): never {
  throw new LatticeError('STORE_CORRUPT', `${path}: ${why}`)
}

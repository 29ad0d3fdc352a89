/**
 * What is too much for memory: a database of SQLite without a name, private, in the directory for temporary
 * files, and gone with the process. Little never comes to a disk.
 */
import { accessSync, constants, statfsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as breathe } from 'node:timers/promises'

import { sentence } from './failure.ts'
import { sqliteResult } from './sqlite-error.ts'

/** Memory for its pages, and for sorting. */
const cacheKiBDefault = 16 * 1024

/** So many rows are read or written at once: some milliseconds. */
const rowsAtOnce = 500

/** SQLITE_IOERR, _FULL and _CANTOPEN. */
const diskResults: readonly number[] = [10, 13, 14]

/** No disk has room for it. */
export class NoScratchRoom extends Error {
  override readonly name = 'NoScratchRoom'
  readonly hint = 'name a directory of a larger disk in TMPDIR'
}

/** Opens one with these tables. */
export function openScratch(tables: string, cacheKiB = cacheKiBDefault): DatabaseSync {
  const database = new DatabaseSync('')
  // Nothing is ever taken back, and nothing is to outlive the process.
  database.exec(`PRAGMA cache_size = -${cacheKiB}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF`)
  database.exec(`${tables}; BEGIN`)
  return database
}

/** Does `work` on one; throws NoScratchRoom where that is so. */
export function onScratch<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!diskResults.includes((sqliteResult(error) ?? 0) & 0xff)) throw error
    throw new NoScratchRoom(`no disk takes what is too much for memory: ${sentence(error)}`)
  }
}

/** Where SQLite puts what has no name (sqlite.org/tempfiles.html): the first that can be written to. */
function scratchDirectory(): string {
  const { SQLITE_TMPDIR, TMPDIR } = process.env
  const places = [SQLITE_TMPDIR, TMPDIR, '/var/tmp', '/usr/tmp', '/tmp'].filter(place => place !== undefined)
  return places.find(isWritable) ?? '.'
}

function isWritable(directory: string): boolean {
  try {
    // As SQLite looks.
    accessSync(directory, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Bytes that are free there; undefined where the file system does not tell. */
export function scratchFreeBytes(): number | undefined {
  const { bavail, blocks, bsize } = statfsSync(scratchDirectory())
  return blocks > 0 ? bavail * bsize : undefined
}

/** The same rows; until `signal` fires, which may happen between any two of them. */
export async function* leisurely<T>(rows: Iterator<T>, signal: AbortSignal): AsyncGenerator<T> {
  for (let count = 1; ; count += 1) {
    const next = onScratch(() => rows.next())
    if (next.done === true) return
    yield next.value
    if (count % rowsAtOnce === 0) await breathe()
    signal.throwIfAborted()
  }
}

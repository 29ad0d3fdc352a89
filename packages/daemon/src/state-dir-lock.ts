/**
 * One daemon per state directory, by a lock of the operating system that dies with its holder (no stale
 * locks).
 *
 * Node has no file locks of its own; SQLite has. An exclusive transaction on a tiny database holds a POSIX
 * record lock on it; SQLite also knows its own connections, so a second open in the same process is refused
 * like one from outside (sqlite.org/howtocorrupt.html §2.2). Nothing else may open `lock.db`: closing any
 * descriptor of a file drops all POSIX locks that the process has on it.
 */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LatticeError } from '@lattice/core'
import { openError, sqliteResult } from './sqlite-error.ts'

const lockFile = 'lock.db'
/** Says who holds the lock, for messages only; it proves nothing. */
export const holderFile = 'daemon.pid'
/** SQLITE_BUSY. */
const busy = 5

/**
 * Held locks. A connection that nobody refers to any more is closed with the garbage, and the lock would be
 * gone although nobody has released it.
 */
const heldLocks = new Set<DatabaseSync>()

/** A lock that is held until `release` or the end of the process. */
export interface StateDirLock {
  /** Repetition is harmless. */
  release(): void
}

/**
 * Takes the lock of `directory` at once or not at all.
 *
 * @throws LatticeError STORE_LOCKED naming the holder where known, STATE_DIR_UNUSABLE
 */
export function acquireStateDirLock(directory: string): StateDirLock {
  const path = join(directory, lockFile)
  const holderPath = join(directory, holderFile)
  let database: DatabaseSync | undefined
  try {
    createEmptyFile(path)
    database = new DatabaseSync(path, { timeout: 0 })
    database.exec('BEGIN EXCLUSIVE')
    noteHolder(holderPath)
  } catch (error) {
    database?.close()
    if (((sqliteResult(error) ?? 0) & 0xff) === busy) throw lockedBy(directory, holderPath)
    throw openError(error, path)
  }
  const held = database
  heldLocks.add(held)
  return {
    release: () => {
      if (!heldLocks.delete(held)) return
      fs.rmSync(holderPath, { force: true })
      held.close()
    },
  }
}

/** Private from the start; SQLite would make it readable for everybody. */
function createEmptyFile(path: string): void {
  if (fs.existsSync(path)) return
  fs.closeSync(fs.openSync(path, 'a', 0o600))
}

/** A full disk must not keep a node from serving reads: then the holder stays unknown. */
function noteHolder(path: string): void {
  try {
    fs.writeFileSync(path, `${process.pid}\n`, { mode: 0o600 })
  } catch (error) {
    if (!Error.isError(error) || !('code' in error) || !['ENOSPC', 'EDQUOT'].includes(String(error.code)))
      throw error
  }
}

function lockedBy(directory: string, holderPath: string): LatticeError {
  let holder = ''
  try {
    const pid = Number(fs.readFileSync(holderPath, 'utf8'))
    if (Number.isSafeInteger(pid) && pid > 0) holder = ` (process ${pid})`
  } catch {
    holder = ''
  }
  return new LatticeError('STORE_LOCKED', `another daemon${holder} uses ${directory}`)
}

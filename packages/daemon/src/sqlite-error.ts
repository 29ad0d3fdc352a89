/** What SQLite and the file system say, as errors of the closed list. Source: sqlite.org/rescode.html. */
import { LatticeError, isLatticeError, type ErrorCode } from '@lattice/core'

/** Primary result codes that mean something else than "the store is unavailable". */
const codeOfResult: Readonly<Record<number, ErrorCode>> = {
  3: 'STATE_DIR_UNUSABLE', // SQLITE_PERM
  5: 'STORE_LOCKED', // SQLITE_BUSY
  6: 'STORE_LOCKED', // SQLITE_LOCKED
  8: 'STATE_DIR_UNUSABLE', // SQLITE_READONLY
  11: 'STORE_CORRUPT', // SQLITE_CORRUPT
  14: 'STATE_DIR_UNUSABLE', // SQLITE_CANTOPEN
  23: 'STATE_DIR_UNUSABLE', // SQLITE_AUTH
  26: 'STORE_CORRUPT', // SQLITE_NOTADB
}

const ioError = 10
const full = 13
/** SQLITE_IOERR_FSYNC and SQLITE_IOERR_DIR_FSYNC. */
const flushFailures: readonly number[] = [1034, 1290]
/** SQLITE_IOERR_READ, _SHORT_READ and _CORRUPTFS. */
const readFailures: readonly number[] = [266, 522, 8458]
/** Of these, what was written before is in doubt. */
const distrustedResults: readonly number[] = [...flushFailures, ...readFailures]

/** SQLite's extended result code, if `error` came from SQLite. */
export function sqliteResult(error: unknown): number | undefined {
  if (!Error.isError(error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode : undefined
}

/**
 * Whether a flush to disk has failed. The system may since have dropped the pages and called them clean, so a
 * later success proves nothing (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020).
 */
export function isFlushFailure(error: unknown): boolean {
  return flushFailures.includes(sqliteResult(error) ?? 0)
}

/** Whether the disk did not give back what the database holds. */
export function isReadFailure(error: unknown): boolean {
  return readFailures.includes(sqliteResult(error) ?? 0)
}

/** A read of an open store went wrong: what the disk does not give back makes the rest doubtful too. */
export function readError(error: unknown, path: string): Error {
  const result = sqliteResult(error)
  return result !== undefined && (result & 0xff) === ioError
    ? describe('STORE_SUSPECT', error, path)
    : openError(error, path)
}

/** Opening went wrong: damage, a lock, a directory that cannot be used, or else the disk. */
export function openError(error: unknown, path: string): Error {
  const result = sqliteResult(error)
  if (result !== undefined) return describe(codeOfResult[result & 0xff] ?? 'STORE_UNAVAILABLE', error, path)
  return isLatticeError(error) ? error : systemError(error, path)
}

/**
 * A commit went wrong: the disk is full or refuses the write (retry later), it may have lost what it took
 * before, or the store is damaged. Our own bugs stay what they are.
 */
export function commitError(error: unknown, path: string): unknown {
  const result = sqliteResult(error)
  if (result === undefined) return error
  return describe(codeOfCommit(result), error, path)
}

function codeOfCommit(result: number): ErrorCode {
  if (distrustedResults.includes(result)) return 'STORE_SUSPECT'
  if ((result & 0xff) === full) return 'STORE_FULL'
  return codeOfResult[result & 0xff] === 'STORE_CORRUPT' ? 'STORE_CORRUPT' : 'STORE_UNAVAILABLE'
}

/** The file system refused: a full or failing disk is the store's trouble, anything else the directory's. */
export function systemError(error: unknown, path: string): Error {
  const code = Error.isError(error) && 'code' in error ? String(error.code) : ''
  if (!/^E[A-Z0-9]+$/.test(code)) return Error.isError(error) ? error : new Error(String(error))
  const full = ['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO'].includes(code)
  return describe(full ? 'STORE_UNAVAILABLE' : 'STATE_DIR_UNUSABLE', error, path)
}

function describe(code: ErrorCode, cause: unknown, path: string): LatticeError {
  const said = Error.isError(cause) ? cause.message : String(cause)
  const result = sqliteResult(cause)
  const number = result === undefined ? '' : ` (SQLite ${result})`
  return new LatticeError(code, `${path}: ${said}${number}`, { cause })
}

/**
 * Moves a database with what SQLite keeps beside it, so that whoever is cut off leaves it whole at one of the
 * two places: its logs lie at both until the database itself has moved.
 */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { flushDirectory } from './incarnation-file.ts'

/** Side files that hold a part of the database, by what follows its name. */
const logs = ['-wal', '-journal'] as const

/** Memory of those who have it open; made anew from the log, and never for two databases to share. */
const shared = '-shm'

/**
 * Moves the database at `from`, which nobody has open, to `to`, where nothing is; durable on return. Where it
 * is missing, what is left of its logs is moved. Throws the system's error.
 */
export function moveDatabase(from: string, to: string): void {
  const left = logs.filter(log => fs.existsSync(from + log))
  for (const log of left) nameTwice(from + log, to + log)
  flushDirectory(dirname(to))
  if (fs.existsSync(from)) fs.renameSync(from, to)
  flushDirectory(dirname(to))
  flushDirectory(dirname(from))
  for (const log of left) {
    // Changes nothing where both are names of one file.
    fs.renameSync(from + log, to + log)
    fs.rmSync(from + log, { force: true })
  }
  fs.rmSync(from + shared, { force: true })
  flushDirectory(dirname(from))
}

/** Not a copy: neither a full disk nor one that does not give the log back may be in the way. */
function nameTwice(path: string, second: string): void {
  try {
    fs.linkSync(path, second)
  } catch {
    // A file system without second names: a cut may then part database and log, as renames do.
  }
}

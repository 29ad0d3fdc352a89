/**
 * Moves a database that cannot be used out of the way, whole and never deleted: it may be the only copy of
 * something, and somebody will want to know what happened to it.
 */
import * as fs from 'node:fs'
import { randomBytes } from 'node:crypto'
import { flushDirectory } from './incarnation-file.ts'

/** SQLite's side files, by what follows the name of the database. */
const sideFiles = ['-wal', '-shm', '-journal'] as const

/**
 * Renames the database at `path` and its side files, durable on return; the path it has now. Throws the
 * system's error.
 */
export function setAside(path: string, directory: string, wall: number): string {
  const stamp = new Date(wall).toISOString().replace(/[-:]|\.\d+/g, '')
  const aside = `${path}.damaged-${stamp}-${randomBytes(2).toString('hex')}`
  // The database last: a cut in between leaves one that is recognised as damaged again.
  for (const suffix of [...sideFiles, '']) {
    if (fs.existsSync(path + suffix)) fs.renameSync(path + suffix, aside + suffix)
  }
  flushDirectory(directory)
  return aside
}

/** Backups in a directory: named after their node and the time, so that they sort by age. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** A day after it has begun no backup is still being written. */
const writtenWithinMs = 24 * 3_600_000

const ending = /^\d{8}T\d{6}Z\.tar$/
/** As `writeBackup` calls what it has not finished yet. */
const unfinishedEnding = /^\d{8}T\d{6}Z\.tar-\w{6}$/

/** Name of a backup of the node `name` that is made at `wall`. */
export function backupName(name: string, wall: number): string {
  const time = new Date(wall).toISOString().replaceAll(/[-:]/g, '').replace(/\..*/, 'Z')
  return `lattice-${name}-${time}.tar`
}

/**
 * Path of the newest backup of the node `name` in a directory; undefined where there is none. A clock that
 * was ahead once has made some of a time to come: they are taken only where there are no others.
 */
export async function newestBackup(directory: string, name: string): Promise<string | undefined> {
  const all = await named(directory, `lattice-${name}-`, ending)
  const newest = all.findLast(each => each <= backupName(name, Date.now())) ?? all.at(-1)
  return newest === undefined ? undefined : join(directory, newest)
}

/**
 * Removes all but the newest `keep` backups up to `made`, the name of one; those of a time to come make no
 * other one old. The paths that are gone.
 */
export async function forgetOldBackups(
  directory: string,
  name: string,
  made: string,
  keep: number,
): Promise<readonly string[]> {
  const all = await named(directory, `lattice-${name}-`, ending)
  return remove(directory, all.filter(each => each <= made).slice(0, -keep))
}

/** Removes what backups of the node `name` have left that were killed; the paths that are gone. */
export async function forgetUnfinished(directory: string, name: string): Promise<readonly string[]> {
  const all = await named(directory, `.lattice-${name}-`, unfinishedEnding)
  const last = `.${backupName(name, Date.now() - writtenWithinMs)}`
  return remove(
    directory,
    all.filter(each => each <= last),
  )
}

async function named(directory: string, start: string, end: RegExp): Promise<readonly string[]> {
  const all = await readdir(directory)
  return all.filter(each => each.startsWith(start) && end.test(each.slice(start.length))).sort()
}

async function remove(directory: string, names: readonly string[]): Promise<readonly string[]> {
  const paths = names.map(each => join(directory, each))
  await Promise.all(paths.map(each => rm(each, { recursive: true, force: true })))
  return paths
}

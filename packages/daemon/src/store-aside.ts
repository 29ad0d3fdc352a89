/**
 * Moves a database that cannot be used out of the way, whole and never deleted: it may be the only copy of
 * something, and somebody will want to know what happened to it. A mark beside it says that nobody has read
 * yet what can still be read (salvage.ts); it outlives a crash, and goes once that is done.
 */
import * as fs from 'node:fs'
import { randomBytes } from 'node:crypto'
import { basename, join } from 'node:path'
import { moveDatabase } from './move-database.ts'

/** Ends the name of the mark. */
const unread = '.unread'

/** Moves the database at `path`, durable on return; the path it has now. Throws the system's error. */
export function setAside(path: string, wall: number): string {
  const stamp = new Date(wall).toISOString().replace(/[-:]|\.\d+/g, '')
  const aside = `${path}.damaged-${stamp}-${randomBytes(2).toString('hex')}`
  fs.writeFileSync(aside + unread, '', { mode: 0o600, flush: true })
  moveDatabase(path, aside)
  return aside
}

/** Paths of the databases in `directory` that were moved aside and not read to their end yet, oldest first. */
export function unreadAsides(directory: string): readonly string[] {
  const pattern = /^.+\.damaged-\d{8}T\d{6}Z-[0-9a-f]{4}\.unread$/
  const marks = fs.readdirSync(directory).filter(name => pattern.test(name))
  return marks.sort().map(name => join(directory, basename(name, unread)))
}

/** What could be read of it has been taken in. */
export function forgetUnread(aside: string): void {
  fs.rmSync(aside + unread, { force: true })
}

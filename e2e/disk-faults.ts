/** What disks and operators do to the store of a node that does not run: bits, pages, lengths, old copies. */
import { cpSync, existsSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomBytes, randomInt } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import type { Daemon } from './daemons.ts'

const pageBytes = 4096

/** The database of a node. */
export function storeFileOf({ plan }: Daemon): string {
  return join(plan.stateDir, 'store.db')
}

/** Flips one bit wherever `text` lies in the database; how often it does. */
export function flipBitsIn(node: Daemon, text: string): number {
  const file = storeFileOf(node)
  const bytes = readFileSync(file)
  let count = 0
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + text.length)) {
    const hit = at + randomInt(text.length)
    bytes[hit] = (bytes[hit] ?? 0) ^ (1 << randomInt(8))
    count++
  }
  writeFileSync(file, bytes)
  return count
}

/** Random bytes over one page, not the first. */
export function spoilPage(node: Daemon): void {
  const file = storeFileOf(node)
  const bytes = readFileSync(file)
  randomBytes(pageBytes).copy(bytes, pageBytes * randomInt(1, bytes.length / pageBytes))
  writeFileSync(file, bytes)
}

/** Random bytes where the facts lie: nothing can be done with such a database, but its rows are whole. */
export function spoilFacts(node: Daemon): void {
  const file = storeFileOf(node)
  const database = new DatabaseSync(file)
  const found = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'fact'").get()
  database.close()
  const bytes = readFileSync(file)
  randomBytes(pageBytes).copy(bytes, pageBytes * (Number(found?.['rootpage']) - 1))
  writeFileSync(file, bytes)
}

/** Cuts the database in the middle. */
export function cutInHalf(node: Daemon): void {
  const file = storeFileOf(node)
  truncateSync(file, Math.floor(readFileSync(file).length / 2))
}

/** Removes the database and leaves what lies beside it. */
export function loseDatabase(node: Daemon): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(storeFileOf(node) + suffix, { force: true })
}

/** Keeps a copy of the whole data directory. */
export function backUp({ plan }: Daemon): void {
  cpSync(plan.stateDir, `${plan.stateDir}.copy`, { recursive: true })
}

/** Puts the copy back, of the whole directory or of the database alone. */
export function putBack({ plan }: Daemon, what: 'directory' | 'database'): void {
  const copy = `${plan.stateDir}.copy`
  if (what === 'directory') {
    rmSync(plan.stateDir, { recursive: true })
    cpSync(copy, plan.stateDir, { recursive: true })
    return
  }
  for (const suffix of ['', '-wal', '-shm']) {
    const [from, to] = [join(copy, `store.db${suffix}`), join(plan.stateDir, `store.db${suffix}`)]
    rmSync(to, { force: true })
    if (existsSync(from)) cpSync(from, to)
  }
}

/** As a container that is replaced: an empty directory, but for the key that its host supplies. */
export function replaceContainer({ plan }: Daemon): void {
  const [key, kept] = [join(plan.stateDir, 'identity.key'), `${plan.stateDir}.key`]
  renameSync(key, kept)
  for (const name of ['store.db', 'store.db-wal', 'store.db-shm', 'incarnation'])
    rmSync(join(plan.stateDir, name), { force: true })
  renameSync(kept, key)
}

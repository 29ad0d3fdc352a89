/**
 * Gives a rebuilt store what can still be read of the damaged database it replaces, while the node serves.
 *
 * Every entry proves itself: it is parsed, its signature is verified, and it joins by the rules of the
 * replica, like one that a peer sends. So nothing that the file says beside the signed bytes is believed, and
 * what the peers know better wins. A salvage that a stop cuts off begins anew with the next start.
 */
import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import type { Log } from './host/log.ts'
import { sentence } from './failure.ts'
import { isReadFailure, sqliteResult } from './sqlite-error.ts'
import { forgetUnread, unreadAsides } from './store-aside.ts'
import { counted } from './counted.ts'

/** Rows taken in together: one commit, and some milliseconds of the verifier. */
const pageRows = 256

/** Greatest gap that is searched for readable rows behind a damaged page, in sequences. */
const gapMax = 2 ** 40

/** What the disk did not take is offered again after this long: as often as its room is measured. */
const retryMs = 10_000

/** SQLITE_BUSY, _LOCKED, _NOMEM, _IOERR, _FULL and _CANTOPEN: what may be otherwise at the next start. */
const passingResults: readonly number[] = [5, 6, 7, 10, 13, 14]

/** What salvaging needs. */
export interface SalvageParts {
  /** Where the store lies, and beside it what was moved aside. */
  readonly directory: string
  /** Verifies and takes in; whether all of it is durable, or needed no more. */
  readonly readmit: (signed: readonly Uint8Array[]) => Promise<boolean>
  /** Told how many more rows have been taken in. */
  readonly onRows?: (count: number) => void
  readonly log: Log
  readonly signal: AbortSignal
  /** Default 10 s. */
  readonly retryMs?: number
}

/**
 * Takes in what can be read of the databases that were moved aside and not read to their end yet; whether
 * there is no more to be had. Never rejects: whatever the directory refuses, the next start tries again.
 */
export async function salvage(parts: SalvageParts): Promise<boolean> {
  try {
    for (const path of unreadAsides(parts.directory)) {
      const isOver = await salvageOne(path, parts)
      if (parts.signal.aborted) return false
      if (isOver) forgetUnread(path)
    }
    return unreadAsides(parts.directory).length === 0
  } catch (error) {
    parts.log.warn(`damaged databases are looked at again: ${sentence(error)}`, { code: 'SALVAGE' })
    return false
  }
}

/** Whether there is no more to be had of it. Never rejects. */
async function salvageOne(path: string, parts: SalvageParts): Promise<boolean> {
  const { log, signal } = parts
  // A move that was cut off before anything had moved, or somebody has taken it away.
  if (!existsSync(path)) return true
  let count = 0
  try {
    for (const page of readablePages(path)) {
      if (!(await takeIn(page, parts))) return false
      count += page.length
      parts.onRows?.(page.length)
    }
    log.info(`${counted(count, 'row')} could still be read of the damaged database`, {
      code: 'SALVAGE',
      path,
    })
    return true
  } catch (error) {
    if (signal.aborted) return false
    const reason = sentence(error)
    log.warn(`${counted(count, 'row')} could be read of the damaged database, no more: ${reason}`, {
      code: 'SALVAGE',
      path,
    })
    return !mayPass(error)
  }
}

function mayPass(error: unknown): boolean {
  return !isReadFailure(error) && passingResults.includes((sqliteResult(error) ?? 0) & 0xff)
}

/**
 * Offers a page until the disk has taken it; false once it is to stop. A store that fails says nothing of
 * what is salvaged: it is replaced, and the next start goes on.
 */
async function takeIn(page: readonly Uint8Array[], parts: SalvageParts): Promise<boolean> {
  const { readmit, log, signal } = parts
  const failed = (error: unknown): false => {
    log.warn(`rows of the damaged database could not be taken in: ${sentence(error)}`, { code: 'SALVAGE' })
    return false
  }
  while (!signal.aborted) {
    if (await readmit(page).catch(failed)) return true
    await pause(parts.retryMs ?? retryMs, undefined, { signal }).catch(() => undefined)
  }
  return false
}

type Page = ReadonlyArray<Record<string, SQLOutputValue>>

/**
 * Signed bytes of the rows that SQLite can still reach. Upwards in the order of their commits; what was
 * jumped over to get past a damaged page is then read downwards, from behind that page.
 */
function* readablePages(path: string): Generator<readonly Uint8Array[]> {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const rows = database.prepare('SELECT seq, bytes FROM row WHERE seq > ? ORDER BY seq LIMIT ?')
    const back = database.prepare(
      'SELECT seq, bytes FROM row WHERE seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?',
    )
    const behind = function* (from: number, end: number): Generator<Page> {
      for (let at = end; ;) {
        const page = tryRead(limit => back.all(from, at, limit), pageRows)
        if (page === undefined || !(lastSeq(page) < at)) return
        at = lastSeq(page)
        yield page
      }
    }
    for (let [read, gap] = [0, 0]; gap < gapMax;) {
      const found = tryRead(limit => rows.all(read + gap, limit), gap === 0 ? pageRows : 1)
      // Rows out of order are damage as well, and would be read for ever.
      const page = found?.length === 0 || lastSeq(found) > read + gap ? found : undefined
      if (page === undefined) {
        gap = Math.max(1, 2 * gap)
        if (gap < gapMax) continue
      } else yield bytesOf(page)
      const end = Number(page?.[0]?.['seq'] ?? Number.MAX_SAFE_INTEGER)
      if (gap > 0) for (const jumped of behind(read, end)) yield bytesOf(jumped)
      if (page === undefined || page.length === 0) return
      ;[read, gap] = [lastSeq(page), 0]
    }
  } finally {
    database.close()
  }
}

/** NaN where there is none. */
function lastSeq(page: Page | undefined): number {
  return Number(page?.at(-1)?.['seq'])
}

function bytesOf(page: Page): readonly Uint8Array[] {
  return page.map(row => row['bytes']).filter(bytes => bytes instanceof Uint8Array)
}

/** Some rows; undefined where a damaged page lies in the way. */
function tryRead(read: (limit: number) => Page, limit: number): Page | undefined {
  for (let count = limit; count >= 1; count >>= 2) {
    try {
      return read(count)
    } catch (error) {
      if (mayPass(error)) throw error
      // Fewer rows end before the damage.
    }
  }
  return undefined
}

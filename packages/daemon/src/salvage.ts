/**
 * Gives a rebuilt store what can still be read of the damaged database it replaces, while the node serves.
 *
 * Every entry proves itself: it is parsed, its signature is verified, and it joins by the rules of the
 * replica, like one that a peer sends. So nothing that the file says beside the signed bytes is believed, and
 * what the peers know better wins.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Log } from './host/log.ts'
import { sentence } from './failure.ts'

/** Rows taken in together: one commit, and some milliseconds of the verifier. */
const pageRows = 256

/** Greatest gap that is searched for readable rows behind a damaged page, in sequences. */
const gapMax = 2 ** 40

/** What salvaging needs. */
export interface SalvageParts {
  /** The damaged database, moved aside. */
  readonly path: string
  /** Verifies and takes in; resolves once durable. */
  readonly readmit: (signed: readonly Uint8Array[]) => Promise<void>
  readonly log: Log
  readonly signal: AbortSignal
}

/** Takes in what can be read; never rejects. */
export async function salvage({ path, readmit, log, signal }: SalvageParts): Promise<void> {
  let count = 0
  try {
    for (const page of readablePages(path)) {
      if (signal.aborted) return
      await readmit(page)
      count += page.length
    }
    log.info(`${count} rows could still be read of the damaged database`, { code: 'SALVAGE', path })
  } catch (error) {
    const reason = sentence(error)
    log.warn(`${count} rows could be read of the damaged database, no more: ${reason}`, {
      code: 'SALVAGE',
      path,
    })
  }
}

/** Signed bytes of the rows that SQLite can still reach, in the order of their commits. */
function* readablePages(path: string): Generator<readonly Uint8Array[]> {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const rows = database.prepare('SELECT seq, bytes FROM row WHERE seq > ? ORDER BY seq LIMIT ?')
    for (let [seq, gap] = [0, 1]; gap < gapMax;) {
      const page = tryRead(rows, seq, gap === 1 ? pageRows : 1)
      if (page === undefined) {
        seq += gap
        gap *= 2
        continue
      }
      if (page.length === 0) return
      gap = 1
      seq = Number(page.at(-1)?.['seq'])
      yield page.map(row => row['bytes']).filter(bytes => bytes instanceof Uint8Array)
    }
  } finally {
    database.close()
  }
}

/** Some rows after `seq`; undefined where a damaged page lies in the way. */
function tryRead(
  rows: StatementSync,
  seq: number,
  limit: number,
): ReturnType<StatementSync['all']> | undefined {
  for (let count = limit; count >= 1; count >>= 2) {
    try {
      return rows.all(seq, count)
    } catch {
      // Fewer rows end before the damage.
    }
  }
  return undefined
}

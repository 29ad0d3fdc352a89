/** Stores to start nodes on: filled through the store's own writer, every entry truly signed. */
import { openSqliteStore, type Identity } from '@lattice/daemon'
import { factsOf } from './bench-node.ts'
import { signRows } from './memory-pair.ts'
import { progress } from './report.ts'

/** Rows in one commit. */
const rowsPerCommit = 1_000

/** What was written. */
export interface Filled {
  /** Of all entries as they are signed. */
  readonly bytes: number
  readonly keys: readonly string[]
}

/** Writes `count` entries of `author` to an empty store in `directory`, which must exist. */
export async function fillSigned(directory: string, author: Identity, count: number): Promise<Filled> {
  const store = await openSqliteStore(directory)
  const keys: string[] = []
  let bytes = 0
  for (let seq = 0; seq < count; seq += rowsPerCommit) {
    progress(`signing ${seq} of ${count}`)
    const signed = signRows(author, Math.min(rowsPerCommit, count - seq))
    const rows = signed.map((row, at) => ({ ...row, seq: seq + at + 1 }))
    for (const row of rows) {
      bytes += row.bytes.length
      keys.push(row.key)
    }
    await store.commit({ rows, facts: factsOf(seq + rows.length) })
  }
  await store.close()
  return { bytes, keys }
}

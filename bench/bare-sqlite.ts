/**
 * The yardsticks for writes: node:sqlite and one table, nothing signed, hashed or indexed beyond the key; WAL
 * and `synchronous = FULL`, as durable as ours.
 *
 * `as it comes` is what an application gets that sets no more than that. `tuned` has the cache and checkpoint
 * settings of our own store, so that its ratio shows what signing, hashing and the Merkle trie cost and not a
 * difference in tuning.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'

/** A key with its value. */
export interface Pair {
  readonly key: string
  readonly value: string
}

/** How the database is set up. */
export type Tuning = 'as it comes' | 'tuned'

/** One open table. */
export class BareSqlite {
  readonly #database: DatabaseSync
  readonly #put: StatementSync

  constructor(path: string, tuning: Tuning) {
    this.#database = new DatabaseSync(path)
    this.#database.exec('PRAGMA journal_mode = WAL')
    this.#database.exec('PRAGMA synchronous = FULL')
    if (tuning === 'tuned') {
      this.#database.exec('PRAGMA cache_size = -65536')
      this.#database.exec('PRAGMA wal_autocheckpoint = 4000')
    }
    const level = Object.values(this.#database.prepare('PRAGMA synchronous').get() ?? {})[0]
    if (level !== 2) throw new Error(`synchronous is ${String(level)}, not FULL`)
    this.#database.exec('CREATE TABLE pair (key TEXT PRIMARY KEY, value TEXT NOT NULL)')
    this.#put = this.#database.prepare('INSERT OR REPLACE INTO pair VALUES (?, ?)')
  }

  /** One durable transaction. */
  write(pairs: readonly Pair[]): void {
    if (pairs.length > 1) this.#database.exec('BEGIN IMMEDIATE')
    for (const { key, value } of pairs) this.#put.run(key, value)
    if (pairs.length > 1) this.#database.exec('COMMIT')
  }

  close(): void {
    this.#database.close()
  }
}

/**
 * The least that any store like ours pays: bare SQLite in a thread, so that a flush of seconds stops nothing
 * else, with a signature for each pair and the hashes that a Merkle trie of some 200,000 entries needs. No
 * engine, no journal, no clock.
 */
import { generateKeyPairSync, hash, sign } from 'node:crypto'
import type { Pair } from './bare-sqlite.ts'
import { ThreadedSqlite } from './threaded-sqlite.ts'

/** One digest of the entry, two for its path, one for its leaf, five branches. */
const hashesPerPair = 9

/** A branch of 16 digests. */
const branch = Buffer.alloc(16 * 32)

/** One open table. */
export class SignedSqlite {
  readonly #threaded: ThreadedSqlite
  readonly #key = generateKeyPairSync('ed25519').privateKey

  constructor(path: string) {
    this.#threaded = new ThreadedSqlite(path)
  }

  /** One durable transaction. */
  write(pairs: readonly Pair[]): Promise<void> {
    for (const pair of pairs) {
      sign(null, Buffer.from(JSON.stringify(pair)), this.#key)
      for (let count = 0; count < hashesPerPair; count++) hash('sha256', branch, 'buffer')
    }
    return this.#threaded.write(pairs)
  }

  close(): Promise<void> {
    return this.#threaded.close()
  }
}

/**
 * Facts on their way into the database. A node states some of them with every commit, and most of those say
 * what they said before: these are not written again.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { equalBytes } from '@lattice/core'
import { sealFact } from './fact-check.ts'

/** Facts remembered: all that come with every commit, and the cursors of the members; some 20 KiB. */
const rememberedMax = 256

/** Longest value remembered; those that come often are clocks, counts and cursors. */
const valueBytesMax = 64

/** The facts of one database, as its only writer keeps them. */
export class FactWriter {
  readonly #set: StatementSync
  readonly #remove: StatementSync
  /** What was written last, by name. */
  readonly #written = new Map<string, Uint8Array>()

  constructor(database: DatabaseSync) {
    this.#set = database.prepare(
      'INSERT INTO fact VALUES (CAST(? AS TEXT), ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    )
    this.#remove = database.prepare('DELETE FROM fact WHERE name = CAST(? AS TEXT)')
  }

  /** Sets a fact in the transaction at hand; undefined removes it. `name` in UTF-8. */
  put(name: Uint8Array, value: Uint8Array | undefined): void {
    const text = Buffer.from(name).toString('latin1')
    const before = this.#written.get(text)
    if (value !== undefined && before !== undefined && equalBytes(value, before)) return
    this.#written.delete(text)
    if (value === undefined) this.#remove.run(name)
    else this.#set.run(name, sealFact(name, value))
    if (value === undefined || value.length > valueBytesMax) return
    if (this.#written.size >= rememberedMax) this.#written.clear()
    this.#written.set(text, Uint8Array.from(value))
  }

  /** The transaction at hand has changed nothing. */
  rolledBack(): void {
    this.#written.clear()
  }
}

/**
 * Places compared with the rows that they are to point at. Nothing else tells of one that is damaged, and it
 * hides its key from lists, and keeps a row on the disk that has been replaced.
 *
 * Only rows whose bytes have their digest and say where they belong count; others are the scrub's business.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { equalBytes, parseStored, toHex } from '@lattice/core'
import { sha256 } from './host/crypto.ts'
import { placeOf, type LaggingIndex } from './sqlite-index.ts'

/** Rows with a sequence > `after` and ≤ `upTo`. */
export interface RowRange {
  readonly after: number
  readonly upTo: number
}

type Astray = [seq: number, key: Uint8Array, slot: Uint8Array, digest: Uint8Array, bytes: Uint8Array]

const columns = 'row.seq, CAST(row.key AS BLOB), row.slot, row.digest, row.bytes'

/** Finds and mends damaged places, for the writer. */
export class PlaceCheck {
  readonly #index: LaggingIndex
  readonly #find: StatementSync
  readonly #placed: StatementSync
  readonly #setPlace: StatementSync
  readonly #deleteRow: StatementSync

  constructor(database: DatabaseSync, index: LaggingIndex) {
    this.#index = index
    const places = 'place ON place.key = row.key AND place.slot = row.slot'
    this.#find = database.prepare(
      `SELECT ${columns} FROM row LEFT JOIN ${places} ` +
        'WHERE row.seq > ? AND row.seq <= ? AND place.seq IS NOT row.seq ORDER BY row.seq',
    )
    this.#placed = database.prepare(
      `SELECT ${columns} FROM place JOIN row ON row.seq = place.seq ` +
        'WHERE place.key = CAST(? AS TEXT) AND place.slot = ?',
    )
    this.#find.setReturnArrays(true)
    this.#placed.setReturnArrays(true)
    this.#setPlace = database.prepare('INSERT OR REPLACE INTO place VALUES (CAST(? AS TEXT), ?, ?)')
    this.#deleteRow = database.prepare('DELETE FROM row WHERE seq = ?')
  }

  /** Sound rows of the range that no place points at. */
  find({ after, upTo }: RowRange): Astray[] {
    const end = Math.min(upTo, this.#index.marker)
    return (this.#find.all(after, end) as unknown as Astray[]).filter(isSound)
  }

  /** Gives them their places, or drops those that have been replaced, in the transaction at hand. */
  mend(rows: readonly Astray[]): void {
    for (const [seq, key, slot] of rows) {
      const placed = this.#placed.get(key, slot) as unknown as Astray | undefined
      const isIts = placed !== undefined && isSound(placed) && isAt(placed, key, slot)
      const newest = this.#index.waitingAt(placeOf({ key, slot }))?.seq ?? (isIts ? placed[0] : 0)
      if (newest > seq) this.#deleteRow.run(seq)
      else {
        if (isIts) this.#deleteRow.run(placed[0])
        this.#setPlace.run(key, slot, seq)
      }
    }
  }
}

function isSound([, key, slot, digest, bytes]: Astray): boolean {
  if (!equalBytes(sha256(bytes), digest)) return false
  const content = parseStored(bytes, digest)
  return content?.key === Buffer.from(key).toString() && content.slot === toHex(slot)
}

function isAt(row: Astray, key: Uint8Array, slot: Uint8Array): boolean {
  return equalBytes(row[1], key) && equalBytes(row[2], slot)
}

/**
 * The indexes `place` and `leaf` behind the log of rows, brought up to date in slices.
 *
 * Written with its row, an entry of a random index costs a page of its own, in the log and again in the
 * database. Here rows wait in memory until there are thousands: that list is *frozen*, sorted, and written in
 * slices, a part of it with each commit that comes when it is time for one; neighbours share pages. Meanwhile
 * the next list gathers. When a list is through, the marker moves (sqlite-unindexed.ts), so a crash costs
 * reading the rows after it once more. The same idea as the runs of a log-structured merge tree (O'Neil et
 * al., 1996), with one level.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { PackedRow } from './sqlite-batch.ts'
import { setMarker, type IndexedRow, type Unindexed } from './sqlite-unindexed.ts'

/**
 * How far the indexes lag, by weight: one for each row, and one more for each KiB of its bytes. It bounds
 * what memory holds, too: whole batches, as they came.
 */
export interface IndexLag {
  /** A list is frozen at this weight. */
  readonly list: number
  /** A slice is due at this weight since the last. */
  readonly slice: number
}

/**
 * Two lists wait at most, 15 MiB of memory and, after a crash, a third of a second to read again; longer ones
 * would cost more of both. A slice takes some milliseconds.
 */
export const indexLag: IndexLag = { list: 9_000, slice: 256 }

/** A slice takes so many times what has come since the last: a list is through before the next is full. */
const haste = 1.25

/** So many lists may wait while slices fail on a disk that is nearly full. */
const listsMax = 4

/** Rows indexed by one transaction when all are to be: some ten milliseconds. */
const catchUpRows = 2_000

/** A list that is on its way into the tables. */
interface Frozen {
  /** Those that are still the rows of their places. */
  readonly rows: Map<string, IndexedRow>
  /** The places as they lie in the index. */
  readonly places: readonly string[]
  readonly bySeq: ReadonlyArray<readonly [place: string, row: IndexedRow]>
  /** Newest sequence when it was frozen. */
  readonly upTo: number
  /** How many of either order have been written. */
  done: number
}

/** The indexes of one database, as its only writer keeps them. */
export class LaggingIndex {
  readonly #database: DatabaseSync
  readonly #lag: IndexLag
  readonly #findPlace: StatementSync
  readonly #findRow: StatementSync
  readonly #setPlace: StatementSync
  readonly #removePlace: StatementSync
  readonly #removeLeaf: StatementSync
  readonly #setLeaf: StatementSync
  #marker: number
  #gathering = new Map<string, IndexedRow>()
  #frozen: Frozen | undefined
  /** Weights: of the transaction at hand, since the last slice, of the list that gathers. */
  #arrived = 0
  #sinceSlice = 0
  #gathered = 0
  /** What the places of the transaction at hand had before it. */
  readonly #before: Array<
    readonly [rows: Map<string, IndexedRow>, place: string, row: IndexedRow | undefined]
  > = []
  /** Where the slice of the transaction at hand ends, and whether one was begun. */
  #sliceEnd: number | undefined
  #isSlicing = false

  /** @param newestSeq newest committed sequence */
  constructor(database: DatabaseSync, { marker, rows }: Unindexed, newestSeq: number, lag = indexLag) {
    this.#database = database
    this.#lag = lag
    this.#findPlace = database.prepare('SELECT seq FROM place WHERE key = CAST(? AS TEXT) AND slot = ?')
    this.#findPlace.setReturnArrays(true)
    this.#findRow = database.prepare('SELECT CAST(key AS BLOB), slot FROM row WHERE seq = ?')
    this.#findRow.setReturnArrays(true)
    this.#setPlace = database.prepare('INSERT OR REPLACE INTO place VALUES (CAST(? AS TEXT), ?, ?)')
    // Where damage has changed what a row says of itself, its place may be that of another one, which stays.
    this.#removePlace = database.prepare(
      'DELETE FROM place WHERE key = CAST(?1 AS TEXT) AND slot = ?2 AND ' +
        '(seq = ?3 OR (seq < ?3 AND NOT EXISTS (SELECT 1 FROM row WHERE row.seq = place.seq)))',
    )
    this.#removeLeaf = database.prepare('DELETE FROM leaf WHERE seq = ?')
    this.#setLeaf = database.prepare('INSERT OR REPLACE INTO leaf VALUES (?, ?, ?, ?)')
    this.#marker = marker
    for (const row of rows) this.#gathering.set(placeOf(row), row)
    this.#gathered = rows.length
    if (this.#gathered >= lag.list) this.#freeze(newestSeq)
  }

  /** Sequence up to which all rows are indexed. */
  get marker(): number {
    return this.#marker
  }

  /** Whether anything waits. */
  get lags(): boolean {
    return this.#frozen !== undefined || this.#gathering.size > 0
  }

  /** Whether more waits than memory should hold. */
  get isOverdue(): boolean {
    return this.#gathered >= listsMax * this.#lag.list
  }

  /** What waits for a place. */
  waitingAt(place: string): IndexedRow | undefined {
    return this.#gathering.get(place) ?? this.#frozen?.rows.get(place)
  }

  /** Whether it is time for a slice. */
  get isDue(): boolean {
    return this.#frozen !== undefined && this.#sinceSlice >= this.#lag.slice
  }

  /** Writes a slice if it is time for one: the first thing in a transaction. */
  advance(): void {
    const come = this.#sinceSlice
    if (this.#frozen !== undefined && this.isDue) this.#write(this.#frozen, Math.ceil(haste * come))
  }

  /** Writes some of what waits in a transaction of its own, whether it is time or not. */
  catchUp(newestSeq: number): void {
    this.#write(this.#frozen ?? this.#freeze(newestSeq), catchUpRows)
  }

  /** Takes in rows of the transaction at hand; the sequences of those they replace. */
  put(rows: readonly PackedRow[]): number[] {
    const replaced: number[] = []
    const unknown: string[] = []
    for (const { seq, key, slot, path, leaf, bytes } of rows) {
      const place = placeOf({ key, slot })
      const before = this.#take(place)
      if (before === undefined) unknown.push(place)
      else replaced.push(before.seq)
      this.#gathering.set(place, { seq, key, slot, path, leaf })
      this.#arrived += 1 + (bytes.length >> 10)
    }
    // In the order of the index, where neighbours are on pages that have just been looked at.
    for (const place of unknown.sort()) {
      const { key, slot } = this.#gathering.get(place) as IndexedRow
      const found = this.#seqAt(key, slot)
      if (found !== undefined && !this.#isAnothers(found, place)) replaced.push(found)
    }
    return replaced
  }

  /** Forgets a row that the transaction at hand drops; to be called while it is there, if it has not gone. */
  drop(seq: number): void {
    this.#removeLeaf.run(seq)
    const found = this.#findRow.get(seq) as unknown as [Uint8Array, Uint8Array] | undefined
    const place = found && placeOf({ key: found[0], slot: found[1] })
    const waiting = place === undefined ? undefined : this.waitingAt(place)
    if (place !== undefined && waiting?.seq === seq) this.#take(place)
    else if (found === undefined || this.#seqAt(...found) !== seq) this.#takeDamaged(seq)
    if (found !== undefined) this.#removePlace.run(...found, seq)
  }

  /** The transaction at hand is durable. */
  committed(newestSeq: number): void {
    this.#before.length = 0
    this.#gathered += this.#arrived
    this.#sinceSlice = this.#sliceEnd === undefined ? this.#sinceSlice + this.#arrived : this.#arrived
    this.#arrived = 0
    if (this.#frozen !== undefined && this.#sliceEnd !== undefined) {
      this.#frozen.done = this.#sliceEnd
      if (this.#sliceEnd >= this.#frozen.places.length) {
        this.#marker = this.#frozen.upTo
        this.#frozen = undefined
      }
    }
    this.#sliceEnd = undefined
    this.#isSlicing = false
    if (this.#frozen === undefined && this.#gathered >= this.#lag.list) this.#freeze(newestSeq)
  }

  /** The transaction at hand has changed nothing. */
  rolledBack(): void {
    for (let undo = this.#before.pop(); undo !== undefined; undo = this.#before.pop()) {
      const [rows, place, row] = undo
      if (row === undefined) rows.delete(place)
      else rows.set(place, row)
    }
    this.#arrived = 0
    this.#sliceEnd = undefined
    // One that had no room on the disk is not to be larger the next time.
    if (this.#isSlicing) this.#sinceSlice = Math.min(this.#sinceSlice, this.#lag.slice)
    this.#isSlicing = false
  }

  /** Whether a place names the row of another one, which has its own: that row stays. */
  #isAnothers(seq: number, place: string): boolean {
    const found = this.#findRow.get(seq) as unknown as [Uint8Array, Uint8Array] | undefined
    if (found === undefined) return false
    const its = placeOf({ key: found[0], slot: found[1] })
    return its !== place && (this.waitingAt(its)?.seq ?? this.#seqAt(...found)) === seq
  }

  #seqAt(key: Uint8Array, slot: Uint8Array): number | undefined {
    return (this.#findPlace.get(key, slot) as unknown as [number] | undefined)?.[0]
  }

  /** Of a row that is gone or does not say any more where it belongs: what waits for it is searched. */
  #takeDamaged(seq: number): void {
    for (const [place, row] of [...this.#gathering, ...(this.#frozen?.rows ?? [])])
      if (row.seq === seq) this.#take(place)
  }

  /** Takes away what waits for a place, and remembers it until the end of the transaction at hand. */
  #take(place: string): IndexedRow | undefined {
    const older = this.#frozen?.rows.get(place)
    if (this.#frozen !== undefined && older !== undefined) {
      this.#before.push([this.#frozen.rows, place, older])
      this.#frozen.rows.delete(place)
    }
    const newer = this.#gathering.get(place)
    this.#before.push([this.#gathering, place, newer])
    // The next of this place comes last, so that a list is in the order of its sequences.
    if (newer !== undefined) this.#gathering.delete(place)
    return newer ?? older
  }

  #freeze(upTo: number): Frozen {
    const rows = this.#gathering
    const frozen = { rows, places: [...rows.keys()].sort(), bySeq: [...rows], upTo, done: 0 }
    this.#gathering = new Map()
    this.#gathered = this.#sinceSlice = 0
    this.#frozen = frozen
    return frozen
  }

  #write({ rows, places, bySeq, upTo, done }: Frozen, count: number): void {
    const end = done + count
    this.#isSlicing = true
    for (const place of places.slice(done, end)) {
      const row = rows.get(place)
      if (row !== undefined) this.#setPlace.run(row.key, row.slot, row.seq)
    }
    for (const [place, row] of bySeq.slice(done, end)) {
      if (rows.get(place) !== row) continue
      const slotPath = row.slot.length === 0 ? null : row.path.subarray(32)
      this.#setLeaf.run(row.seq, row.path.subarray(0, 32), slotPath, row.leaf)
    }
    if (end >= places.length) setMarker(this.#database, upTo)
    this.#sliceEnd = end
  }
}

/** A name for a place, in about the order of the index. No byte of UTF-8 is 0xff, so that it is one only. */
export function placeOf({ key, slot }: Pick<IndexedRow, 'key' | 'slot'>): string {
  const start = `${latin1(key)}\xff`
  return slot.length === 0 ? start : start + latin1(slot)
}

function latin1(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return buffer.toString('latin1')
}

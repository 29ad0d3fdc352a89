/**
 * What the reading half must know beside the tables: rows that the indexes do not find yet (sqlite-index.ts),
 * and those of batches that are on their way to the disk.
 *
 * They are candidates only: whether a row is there, the reader looks up. So nothing has to be taken out when
 * a row is replaced or dropped; the marker moves on and takes everything with it. Nothing is sorted in before
 * somebody asks, which writers of new keys never do.
 */
import { toHex, type Batch, type NewRow, type Sequence } from '@lattice/core'
import type { Unindexed } from './sqlite-unindexed.ts'

/** A row that may be there, found without its indexes. */
export type Candidate = Omit<NewRow, 'digest' | 'bytes'>

/** A batch that has no verdict yet. */
interface Flight {
  readonly rows: readonly Candidate[]
  /** Made when somebody asks. */
  byKey?: ReadonlyMap<string, readonly Candidate[]>
}

/** Rows that are not indexed, as far as this thread knows. */
export class Overlay {
  /** Durable ones, ascending; of those at one place only the last may still be there. */
  #settled: Candidate[] = []
  /** How many of them are in `#slots`, the newest of each place by key. */
  #folded = 0
  #slots = new Map<string, Map<string, Candidate>>()
  readonly #flights: Flight[] = []
  #marker = 0
  /** Keys in `#slots` as `utf8` has them: in order, and those that are new there. */
  #sorted: string[] = []
  #unsorted: string[] = []

  /** Up to this sequence all is in the tables. */
  get marker(): Sequence {
    return this.#marker
  }

  get isEmpty(): boolean {
    return this.#settled.length === 0 && this.#flights.length === 0
  }

  /** Begins anew with what a database has that is not indexed. */
  load({ marker, rows }: Pick<Unindexed, 'marker' | 'rows'>): void {
    this.#settled = rows.map(row => {
      return { ...row, key: Buffer.from(row.key).toString(), slot: toHex(row.slot) }
    })
    this.#marker = marker
    this.#unfold()
  }

  /** A batch goes to the disk. */
  add({ rows }: Batch): void {
    // Not the rows themselves, which hold the signed bytes.
    this.#flights.push({
      rows: rows.map(({ seq, key, slot, path, leaf }) => ({ seq, key, slot, path, leaf })),
    })
  }

  /** The oldest batch under way is durable, or refused. */
  settle(isDurable: boolean): void {
    const flight = this.#flights.shift()
    if (flight !== undefined && isDurable) for (const row of flight.rows) this.#settled.push(row)
  }

  /** All rows up to here are indexed, and can be read so. */
  trim(marker: Sequence): void {
    if (marker === this.#marker) return
    this.#marker = marker
    this.#settled = this.#settled.filter(({ seq }) => seq > marker)
    this.#unfold()
  }

  /** Candidates of one key. */
  *of(key: string): Generator<Candidate> {
    this.#fold()
    const slots = this.#slots.get(key)
    if (slots !== undefined) yield* slots.values()
    for (const flight of this.#flights) {
      flight.byKey ??= Map.groupBy(flight.rows, row => row.key)
      yield* flight.byKey.get(key) ?? []
    }
  }

  /** Candidates with a sequence > `after` and ≤ `upTo`. */
  between(after: Sequence, upTo: Sequence): readonly Candidate[] {
    if (upTo <= this.#marker) return []
    const all = [...this.#settled, ...this.#flights.flatMap(({ rows }) => rows)]
    return all.filter(({ seq }) => seq > after && seq <= upTo)
  }

  /** Keys as `utf8` has them, ascending, from `low` on and below `high`; perhaps twice, or without a row. */
  *keys(low: string, high: string): Generator<string> {
    const underWay = this.#flights.flatMap(({ rows }) => rows.map(({ key }) => utf8(key))).sort()
    const [settled, others] = [this.#sort(), underWay].map(keys => within(keys, low, high)) as [
      Generator<string>,
      Generator<string>,
    ]
    let other = others.next()
    for (const key of settled) {
      for (; other.done !== true && other.value <= key; other = others.next()) yield other.value
      yield key
    }
    for (; other.done !== true; other = others.next()) yield other.value
  }

  #fold(): void {
    for (; this.#folded < this.#settled.length; this.#folded++) {
      const row = this.#settled[this.#folded] as Candidate
      let slots = this.#slots.get(row.key)
      if (slots === undefined) {
        slots = new Map()
        this.#slots.set(row.key, slots)
        this.#unsorted.push(row.key)
      }
      slots.set(row.slot, row)
    }
  }

  #unfold(): void {
    this.#folded = 0
    this.#slots = new Map()
    this.#sorted = []
    this.#unsorted = []
  }

  #sort(): readonly string[] {
    this.#fold()
    if (this.#unsorted.length === 0) return this.#sorted
    // Two sorted runs: the engine's merge sort joins them in one pass.
    this.#sorted = [...this.#sorted, ...this.#unsorted.map(utf8).sort()].sort()
    this.#unsorted = []
    return this.#sorted
  }
}

/** A text as its UTF-8 bytes, each a character, so that texts compare as the database compares them. */
export function utf8(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** The text whose bytes these are. */
export function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString()
}

function* within(sorted: readonly string[], low: string, high: string): Generator<string> {
  let [from, end] = [0, sorted.length]
  while (from < end) {
    const middle = (from + end) >> 1
    if ((sorted[middle] as string) < low) from = middle + 1
    else end = middle
  }
  for (let at = from; at < sorted.length && (sorted[at] as string) < high; at++) yield sorted[at] as string
}

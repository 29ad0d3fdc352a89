/**
 * The reading half of the store: one read-only connection in the caller's thread, its statements prepared
 * once. What the indexes do not know yet it has in an overlay, and looks up row by row.
 */
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { assert, LatticeError, type LeafBlock, type Row, type Store } from '@lattice/core'
import { openFact } from './fact-check.ts'
import { readError } from './sqlite-error.ts'
import { Overlay, textOf, utf8, type Candidate } from './sqlite-overlay.ts'
import { Growth } from './sqlite-room.ts'
import { newestSeqSql } from './sqlite-schema.ts'
import { readTrusted } from './sqlite-unindexed.ts'

/** Pages kept between commits; a commit of the writer empties it, so more would not pay. */
const cacheKiB = 8 * 1024
/** A WAL reader waits only while the log is recovered. */
const busyTimeoutMs = 1000
/** Leaves read at a time, about: no long read transaction, so the log can be cut meanwhile. */
const leavesPerPage = 1000
/** Sequences that a page covers at most, where few of them have a row left. */
const pageSpanMax = 64 * leavesPerPage
const noSlots: LeafBlock['slots'] = new Map()
/** Digits and comma in ASCII. */
const digitZero = 0x30
const comma = 0x2c
/** Above every byte of UTF-8. */
const beyondText = Uint8Array.of(0xff)

const columns = 'seq, key, lower(hex(slot)), digest, bytes'

/** The reads of the `Store` port. */
export type StoreReads = Pick<Store, 'slots' | 'at' | 'after' | 'leaves' | 'keys' | 'fact' | 'facts'>

/** Reads committed rows and facts of a database that a writer has opened. */
export class SqliteReader implements StoreReads {
  /** What the store's owner knows beside the tables. */
  readonly overlay = new Overlay()
  readonly #database: DatabaseSync
  readonly #path: string
  readonly #growth: Growth
  readonly #begin: StatementSync
  readonly #end: StatementSync
  readonly #slots: StatementSync
  readonly #at: StatementSync
  readonly #placeAt: StatementSync
  readonly #after: StatementSync
  readonly #leaves: StatementSync
  readonly #nextLeaf: StatementSync
  readonly #slotsOfLeaves: StatementSync
  readonly #keys: StatementSync
  readonly #fact: StatementSync
  readonly #facts: StatementSync

  constructor(path: string) {
    this.#path = path
    this.#database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs })
    this.#database.exec(`PRAGMA cache_size = -${cacheKiB}`)
    this.#growth = new Growth(this.#database, path)
    this.#begin = this.#database.prepare('BEGIN')
    this.#end = this.#database.prepare('COMMIT')
    this.#slots = this.#prepare(
      `SELECT ${columns} FROM row WHERE seq IN (SELECT seq FROM place WHERE key = CAST(? AS TEXT))`,
    )
    this.#at = this.#prepare(`SELECT ${columns} FROM row WHERE seq = ?`)
    this.#placeAt = this.#prepare('SELECT key, lower(hex(slot)) FROM row WHERE seq = ?')
    this.#after = this.#prepare(`SELECT ${columns} FROM row WHERE seq > ? ORDER BY seq LIMIT ?`)
    // A blob as text and back is the same bytes (sqlite.org/lang_expr.html#castexpr): one value a page
    // instead of one a leaf, which costs three times as much.
    const joined = (column: string): string => `CAST(group_concat(${column}, '') AS BLOB)`
    // By a range of sequences: a limit would take a query within, and half as long again.
    this.#leaves = this.#prepare(
      `SELECT CAST(group_concat(seq) AS BLOB), ${joined('key')}, ${joined('digest')}, count(slot) ` +
        'FROM leaf WHERE seq > ? AND seq <= ?',
    )
    this.#nextLeaf = this.#prepare('SELECT min(seq) FROM leaf WHERE seq > ?')
    this.#slotsOfLeaves = this.#prepare(
      'SELECT seq, slot FROM leaf WHERE seq BETWEEN ? AND ? AND slot IS NOT NULL',
    )
    // One seek per key, however many slots a key has.
    const least = (from: string): string =>
      `(SELECT place.key FROM place WHERE place.key ${from} AND place.key < CAST(?2 AS TEXT) ORDER BY place.key LIMIT 1)`
    this.#keys = this.#prepare(
      `WITH RECURSIVE found (key) AS (SELECT ${least('>= CAST(?1 AS TEXT)')} UNION ALL ` +
        `SELECT ${least('> found.key')} FROM found WHERE found.key IS NOT NULL LIMIT ?3) ` +
        'SELECT key FROM found WHERE key IS NOT NULL',
    )
    this.#fact = this.#prepare('SELECT value FROM fact WHERE name = CAST(? AS TEXT)')
    this.#facts = this.#prepare(
      `SELECT CAST(name AS BLOB), value FROM fact
       WHERE name >= CAST(? AS TEXT) AND name < CAST(? AS TEXT) ORDER BY name LIMIT ?`,
    )
  }

  slots(key: string): readonly Row[] {
    const candidates = [...this.overlay.of(key)]
    if (candidates.length === 0) return this.#rows(this.#slots, Buffer.from(key))
    return this.#inOneMoment(() => {
      const rows = this.#rows(this.#slots, Buffer.from(key))
      const seen = new Set(rows.map(row => row.seq))
      const others = candidates.filter(each => !seen.has(each.seq) && this.#isThere(each))
      return [...rows, ...others.flatMap(({ seq }) => this.at(seq) ?? [])]
    })
  }

  at(seq: number): Row | undefined {
    return this.#rows(this.#at, seq)[0]
  }

  after(seq: number, limit: number): readonly Row[] {
    return this.#rows(this.#after, seq, checked(limit))
  }

  *leaves(after = 0, upTo = Number.MAX_SAFE_INTEGER): Generator<LeafBlock> {
    const candidates = this.overlay.between(after, upTo)
    yield* this.#leavesInTable(after, Math.min(upTo, this.overlay.marker))
    for (let at = 0; at < candidates.length; at += leavesPerPage) {
      const page = candidates.slice(at, at + leavesPerPage)
      const there = this.#inOneMoment(() => page.filter(each => this.#isThere(each)))
      if (there.length > 0) yield blockOf(there)
    }
  }

  *#leavesInTable(after: number, upTo: number): Generator<LeafBlock> {
    let span = leavesPerPage
    for (let seq = after; seq < upTo;) {
      const end = Math.min(seq + span, upTo)
      const block = this.#inOneMoment(() => this.#leavesWithin(seq, end))
      if (block === undefined) {
        const [next] = this.#all(this.#nextLeaf, end)[0] as [number | null]
        if (next === null) return
        seq = next - 1
        continue
      }
      yield block
      seq = end
      span = Math.min(Math.ceil((span * leavesPerPage) / block.seqs.length), pageSpanMax)
    }
  }

  keys(prefix: string, from: string, limit: number): readonly string[] {
    if (checked(limit) === 0) return []
    const [low, high] = range(prefix, from)
    const inTable = (): string[] => this.#all(this.#keys, low, high, limit).map(([key]) => key as string)
    if (this.overlay.isEmpty) return inTable()
    const [first, end] = [low, high].map(bytes => Buffer.from(bytes).toString('latin1')) as [string, string]
    return this.#inOneMoment(() => this.#merged(inTable(), this.overlay.keys(first, end), limit))
  }

  /** A damaged one counts as missing: the next start finds it (sqlite-open.ts). */
  fact(name: string): Uint8Array | undefined {
    const bytes = Buffer.from(name)
    const stored = this.#all(this.#fact, bytes)[0]?.[0] as Uint8Array | undefined
    return stored && openFact(bytes, stored)
  }

  facts(prefix: string, limit: number): ReadonlyArray<readonly [name: string, value: Uint8Array]> {
    const found: Array<readonly [name: string, value: Uint8Array]> = []
    const [low, high] = range(prefix, '')
    let from: Uint8Array = low
    for (let wanted = checked(limit); wanted > 0;) {
      const stored = this.#all(this.#facts, from, high, wanted) as unknown as Array<[Uint8Array, Uint8Array]>
      for (const [name, bytes] of stored) {
        const value = openFact(name, bytes)
        if (value !== undefined) found.push([Buffer.from(name).toString(), value])
      }
      const last = stored.at(-1)?.[0]
      if (last === undefined || stored.length < wanted) break
      // Others stand in for those that are damaged: who gets fewer than the limit has seen all.
      wanted = limit - found.length
      from = Buffer.concat([last, Uint8Array.of(0)])
    }
    return found
  }

  /** By how much the database is to grow when its log moves into it. */
  get growthBytes(): number {
    return this.#growth.bytes
  }

  /** Learns what is not indexed from the database itself. */
  load(): void {
    try {
      this.overlay.load(this.#inOneMoment(() => readTrusted(this.#database)))
    } catch (error) {
      throw readError(error, this.#path)
    }
  }

  /**
   * From now on shows the rows of this moment, whatever is committed meanwhile, and answers the newest
   * sequence; for more than rows, `load` must follow. The log cannot be cut until `close`.
   */
  freeze(): number {
    this.#begin.run()
    return Number(this.#all(this.#prepare(newestSeqSql))[0]?.[0])
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close()
  }

  /** Those with a sequence > `after` and ≤ `end`; undefined if there are none. */
  #leavesWithin(after: number, end: number): LeafBlock | undefined {
    const page = this.#all(this.#leaves, after, end)[0] ?? []
    const [listed, keys, digests, slotCount] = page as [Uint8Array | null, Uint8Array, Uint8Array, number]
    if (listed === null) return undefined
    const seqs = numbersOf(listed)
    const [first, last] = [seqs[0] as number, seqs.at(-1) as number]
    const wanted = 32 * seqs.length
    if (keys.length !== wanted || digests.length !== wanted)
      throw new LatticeError('STORE_CORRUPT', `${this.#path}: a leaf near row ${last} has not its length`)
    return { seqs, keys, digests, slots: slotCount === 0 ? noSlots : this.#slotPaths(seqs, first, last) }
  }

  /** Keys of the table with those of the overlay, both ascending, at most `limit`. */
  #merged(inTable: readonly string[], inOverlay: Iterable<string>, limit: number): string[] {
    const [table, merged] = [inTable.map(utf8), [] as string[]]
    let at = 0
    for (const key of inOverlay) {
      while (merged.length < limit && at < table.length && (table[at] as string) <= key)
        merged.push(table[at++] as string)
      if (merged.length >= limit) break
      if (merged.at(-1) === key) continue
      if (this.#hasRow(textOf(key))) merged.push(key)
    }
    return [...merged, ...table.slice(at)].slice(0, limit).map(textOf)
  }

  /** Whether a key of the overlay has a row. */
  #hasRow(key: string): boolean {
    for (const each of this.overlay.of(key)) if (this.#isThere(each)) return true
    return false
  }

  /** Whether the row of a candidate is durable and has no successor. */
  #isThere({ seq, key, slot }: Candidate): boolean {
    const found = this.#all(this.#placeAt, seq)[0]
    return found?.[0] === key && found[1] === slot
  }

  /** Runs reads that must all see the same commits. A read that fails is what counts, not how that ends. */
  #inOneMoment<T>(read: () => T): T {
    if (this.#database.isTransaction) return read()
    try {
      this.#begin.run()
      const found = read()
      this.#end.run()
      return found
    } catch (error) {
      this.#giveUp()
      throw readError(error, this.#path)
    }
  }

  #giveUp(): void {
    try {
      // SQLite has ended it by itself after some failures.
      if (this.#database.isTransaction) this.#end.run()
    } catch {
      // Nothing was written: there is nothing to undo.
    }
  }

  #slotPaths(seqs: Float64Array, first: number, last: number): LeafBlock['slots'] {
    const found = this.#all(this.#slotsOfLeaves, first, last) as unknown as Array<[number, Uint8Array]>
    const indexes = new Map(Array.from(seqs, (seq, index) => [seq, index]))
    return new Map(found.map(([seq, slot]) => [indexes.get(seq) as number, slot]))
  }

  #prepare(sql: string): StatementSync {
    const statement = this.#database.prepare(sql)
    statement.setReturnArrays(true)
    return statement
  }

  #rows(statement: StatementSync, ...values: ReadonlyArray<number | Uint8Array>): Row[] {
    const found = this.#all(statement, ...values) as unknown as Array<
      [number, string, string, Uint8Array, Uint8Array]
    >
    return found.map(([seq, key, slot, digest, bytes]) => ({ seq, key, slot, digest, bytes }))
  }

  #all(statement: StatementSync, ...values: ReadonlyArray<number | Uint8Array>): SQLOutputValue[][] {
    try {
      return statement.all(...values) as unknown as SQLOutputValue[][]
    } catch (error) {
      throw readError(error, this.#path)
    }
  }
}

/** Numbers from their digits, with commas in between: a string for each would cost more. */
function numbersOf(text: Uint8Array): Float64Array {
  const found = new Float64Array((text.length + 1) >> 1)
  let count = 0
  let number = 0
  for (const byte of text) {
    if (byte === comma) {
      found[count++] = number
      number = 0
    } else number = number * 10 + byte - digitZero
  }
  found[count++] = number
  return found.subarray(0, count)
}

function blockOf(rows: readonly Candidate[]): LeafBlock {
  const slotPaths = rows.map(({ path }, index) => [index, path.subarray(32)] as const)
  return {
    seqs: Float64Array.from(rows, ({ seq }) => seq),
    keys: Buffer.concat(rows.map(({ path }) => path.subarray(0, 32))),
    digests: Buffer.concat(rows.map(({ leaf }) => leaf)),
    slots: new Map(slotPaths.filter(([index]) => rows[index]?.slot !== '')),
  }
}

function checked(limit: number): number {
  assert(Number.isSafeInteger(limit) && limit >= 0, `limit ${limit} is not a whole number ≥ 0`)
  return limit
}

/** Bounds, as bytes, of the texts ≥ `from` that start with `prefix`: from the first on, below the second. */
function range(prefix: string, from: string): readonly [low: Uint8Array, high: Uint8Array] {
  const [low, start] = [Buffer.from(prefix), Buffer.from(from)]
  if (low.length === 0) return [start, beyondText]
  const high = Buffer.from(low)
  // UTF-8 has no byte 0xff, so this never carries.
  high[high.length - 1] = (high.at(-1) ?? 0) + 1
  return [Buffer.compare(start, low) > 0 ? start : low, high]
}

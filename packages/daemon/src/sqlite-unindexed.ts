/**
 * Rows that `place` and `leaf` do not know yet: those after the marker (sqlite-schema.ts).
 *
 * A running store has them in memory. After a crash they are read again, and their leaves derived anew from
 * the rows themselves; so each row is held against itself first. What does not match is still given, by what
 * is most likely true of it, so that whoever reads it finds the damage; but it is counted, because nothing
 * else vouches for it. Bytes that have their digest say where they belong, and only that is mended.
 */
import type { DatabaseSync } from 'node:sqlite'
import {
  equalBytes,
  fromHex,
  LatticeError,
  leafDigest,
  parseStored,
  pathOf,
  toHex,
  toUtf8,
  type Row,
} from '@lattice/core'
import { openFact, sealFact } from './fact-check.ts'
import { sha256 } from './host/crypto.ts'
import type { PackedRow } from './sqlite-batch.ts'

/** What the indexes keep of a row. */
export type IndexedRow = Pick<PackedRow, 'seq' | 'key' | 'slot' | 'path' | 'leaf'>

/** What lies after the marker. */
export interface Unindexed {
  /** Sequence up to which all rows are indexed. */
  readonly marker: number
  /** Ascending. */
  readonly rows: readonly IndexedRow[]
  /** How many of them are not what was committed. */
  readonly doubtful: number
  /** How many lay at another place than their bytes say, and are back. */
  readonly mended: number
}

const name = Buffer.from('indexed')

/** Says, in the transaction at hand, that all rows up to `seq` are indexed. */
export function setMarker(database: DatabaseSync, seq: number): void {
  const value = Buffer.alloc(8)
  value.writeDoubleBE(seq)
  database.prepare('INSERT OR REPLACE INTO indexed VALUES (1, ?)').run(sealFact(name, value))
}

/**
 * The sequence up to which all rows are indexed.
 * @throws LatticeError STORE_CORRUPT where nobody can tell
 */
export function readMarker(database: DatabaseSync): number {
  const stored = database.prepare('SELECT marker FROM indexed').get()?.['marker']
  const value = stored instanceof Uint8Array ? openFact(name, stored) : undefined
  if (value?.length !== 8)
    throw new LatticeError('STORE_CORRUPT', `${database.location()}: it does not say how far it is indexed`)
  return Buffer.from(value).readDoubleBE()
}

/** Reads what lies after the marker, some thousand rows at most (sqlite-index.ts); doubts and mends it. */
export function readUnindexed(database: DatabaseSync): Unindexed {
  const marker = readMarker(database)
  const rows: IndexedRow[] = []
  const misplaced: IndexedRow[] = []
  let doubtful = 0
  for (const [seq, key, slot, digest, bytes] of storedAfter(database, marker, 'bytes')) {
    const content = equalBytes(sha256(bytes), digest) ? parseStored(bytes, digest) : undefined
    const row = content === undefined ? { key, slot } : placeOf(content)
    const indexed = indexedRow(seq, row, digest)
    rows.push(indexed)
    if (content === undefined) doubtful++
    else if (!equalBytes(row.key, key) || !equalBytes(row.slot, slot)) misplaced.push(indexed)
  }
  const mend = database.prepare('UPDATE row SET key = CAST(? AS TEXT), slot = ? WHERE seq = ?')
  for (const { seq, key, slot } of misplaced) mend.run(key, slot, seq)
  return { marker, rows, doubtful, mended: misplaced.length }
}

/** The same, where it has been doubted before. */
export function readTrusted(database: DatabaseSync): Pick<Unindexed, 'marker' | 'rows'> {
  const marker = readMarker(database)
  const found = storedAfter(database, marker, "x''")
  return {
    marker,
    rows: Array.from(found, ([seq, key, slot, digest]) => indexedRow(seq, { key, slot }, digest)),
  }
}

type StoredRow = [seq: number, key: Uint8Array, slot: Uint8Array, digest: Uint8Array, bytes: Uint8Array]

function storedAfter(database: DatabaseSync, marker: number, bytes: string): Iterable<StoredRow> {
  const read = database.prepare(
    `SELECT seq, CAST(key AS BLOB), slot, digest, ${bytes} FROM row WHERE seq > ? ORDER BY seq`,
  )
  read.setReturnArrays(true)
  return read.iterate(marker) as unknown as Iterable<StoredRow>
}

function placeOf({ key, slot }: Pick<Row, 'key' | 'slot'>): Pick<IndexedRow, 'key' | 'slot'> {
  return { key: toUtf8(key), slot: fromHex(slot) as Uint8Array }
}

function indexedRow(
  seq: number,
  { key, slot }: Pick<IndexedRow, 'key' | 'slot'>,
  digest: Uint8Array,
): IndexedRow {
  const path = pathOf(Buffer.from(key).toString(), toHex(slot), sha256, sha256(key))
  return { seq, key, slot, path, leaf: leafDigest(path, digest, sha256) }
}

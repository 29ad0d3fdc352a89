/** Rows, batches and keys for tests of stores. */
import type { Batch, Row, Store } from '../ports.ts'
import type { Sequence } from '../units.ts'

/**
 * Keys that break naive stores: object members, wildcards, quotes, numbers as text, and where UTF-16 order
 * lies.
 */
export const hostileKeys: readonly string[] = [
  '__proto__', 'constructor', 'toString', 'hasOwnProperty', '0', '00', '1e3', 'NULL', ' ', ' a', 'a ', 'a', 'A',
  '%', '_', 'a%', 'a_', 'a*', 'a?', '[a]', "'", '"', "';DROP TABLE row;--", '\\', 'é', 'e\u0301', 'ß', 'İ',
  '\u{D7FF}', '\u{E000}', '\u{FFFD}', '\u{FFFF}', '\u{10000}', '\u{1F600}', '\u{10FFFF}', 'k'.repeat(512), '\u{1F600}'.repeat(128),
] // prettier-ignore

const encoder = new TextEncoder()

/** A row whose bytes say where it came from. The digest is arbitrary: a store does not check it. */
export function testRow(
  seq: Sequence,
  key: string,
  slot = '',
  bytes = encoder.encode(`${key}/${slot}@${seq}`),
): Row {
  return { seq, key, slot, digest: Uint8Array.from({ length: 32 }, (_, at) => (seq * 31 + at) & 255), bytes }
}

/** A batch of rows, facts and drops. */
export function testBatch(
  rows: readonly Row[],
  facts: Record<string, string | undefined> = {},
  drops: readonly Sequence[] = [],
): Batch {
  const entries = Object.entries(facts).map(
    ([name, value]) => [name, value === undefined ? undefined : encoder.encode(value)] as const,
  )
  return { rows, facts: new Map(entries), drops }
}

/** Everything a store shows of its rows and facts, in plain comparable form. */
export function contentOf(store: Store): unknown {
  return {
    lastSeq: store.lastSeq,
    rows: store.after(0, 1e6).map(plain),
    facts: store.facts('', 1e6).map(plainFact),
  }
}

/** A row in plain comparable form. */
export const plain = (row: Row): unknown => ({
  ...row,
  digest: row.digest.join(),
  bytes: row.bytes.join(),
})
const plainFact = ([name, value]: readonly [string, Uint8Array]): unknown => [name, [...value]]

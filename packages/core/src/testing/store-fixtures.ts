/** Rows, batches and keys for tests of stores. */
import type { Batch, LeafBlock, NewRow, Row, Store } from '../ports.ts'
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

/** A row whose bytes say where it came from. Digests and path are arbitrary: a store does not check them. */
export function testRow(
  seq: Sequence,
  key: string,
  slot = '',
  bytes = encoder.encode(`${key}/${slot}@${seq}`),
): NewRow {
  const pattern = (length: number, factor: number): Uint8Array =>
    Uint8Array.from({ length }, (_, at) => (seq * factor + at) & 255)
  return { seq, key, slot, digest: pattern(32, 31), bytes, path: pattern(64, 37), leaf: pattern(32, 41) }
}

/** A batch of rows, facts and drops. */
export function testBatch(
  rows: readonly NewRow[],
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
export const plain = ({ seq, key, slot, digest, bytes }: Row): unknown => ({
  seq,
  key,
  slot,
  digest: digest.join(),
  bytes: bytes.join(),
})

/** Leaves in plain comparable form, ascending by sequence. */
export function plainLeaves(blocks: Iterable<LeafBlock>): { seq: Sequence; leaf: string }[] {
  const found = [...blocks].flatMap(({ seqs, keys, slots, digests }) =>
    Array.from(seqs, (seq, index) => {
      const [key, digest] = [keys, digests].map(all => all.subarray(index * 32, index * 32 + 32).join())
      return { seq, leaf: [key, slots.get(index)?.join() ?? 'whole key', digest].join('/') }
    }),
  )
  return found.sort((a, b) => a.seq - b.seq)
}

/** The leaf of a row as `plainLeaves` shows it. */
export function plainLeaf({ seq, slot, path, leaf }: NewRow): { seq: Sequence; leaf: string } {
  const place = [path.subarray(0, 32).join(), slot === '' ? 'whole key' : path.subarray(32).join()]
  return { seq, leaf: [...place, leaf.join()].join('/') }
}
const plainFact = ([name, value]: readonly [string, Uint8Array]): unknown => [name, [...value]]

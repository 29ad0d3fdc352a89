/** Who wins each slot: the committed rows, with what is staged on top. */
import { toUtf8 } from './bytes.ts'
import type { CheckedRows } from './checked-rows.ts'
import type { Entry, VerifiedEntry } from './entry.ts'
import { KeptSlots, parsed, type ParsedRow } from './kept-slots.ts'
import { keyPathNibbles, leafDigest, pathOf, type MerkleTrie } from './merkle.ts'
import type { Hash, NewRow, Row } from './ports.ts'
import type { Origin, StagedRow } from './staged.ts'
import type { Sequence } from './units.ts'

/** A row that may be staged. */
interface Staged extends NewRow {
  readonly entry: VerifiedEntry
}

/** Hashes of keys remembered: twice the largest transaction, about 1 MB with keys of usual length. */
const keyHashesMax = 2_000

/** Looks slots up in both. */
export class Winners<T extends Staged> {
  readonly #rows: CheckedRows
  readonly #trie: MerkleTrie
  readonly #hash: Hash
  readonly #kept = new KeptSlots()
  readonly #staged = new Map<string, Map<string, T>>()
  readonly #keyHashes = new Map<string, Uint8Array>()

  constructor(rows: CheckedRows, trie: MerkleTrie, hash: Hash) {
    this.#rows = rows
    this.#trie = trie
    this.#hash = hash
  }

  /** Puts a row on top. */
  stage(row: T): void {
    const slots = this.#staged.get(row.key) ?? new Map<string, T>()
    this.#staged.set(row.key, slots.set(row.slot, row))
  }

  /** A staged row is durable: it becomes visible in the trie. */
  committed(row: T): void {
    this.#trie.setLeaf(row.path, row.leaf, row.seq)
    this.#kept.committed(row)
    this.unstage(row)
  }

  /** A committed row has gone without a successor. */
  dropped({ key, slot }: Row): void {
    this.#trie.delete(pathOf(key, slot, this.#hash))
    this.#kept.dropped(key, slot)
  }

  /** Takes a row away again, unless another one is on top of it by now. */
  unstage(row: T): void {
    const slots = this.#staged.get(row.key)
    if (slots?.get(row.slot) === row) slots.delete(row.slot)
    if (slots?.size === 0) this.#staged.delete(row.key)
  }

  /** Whether this very row is the staged one of its slot. */
  isStaged(row: T): boolean {
    return this.#staged.get(row.key)?.get(row.slot) === row
  }

  /** Forgets all that is staged. */
  clear(): void {
    this.#staged.clear()
  }

  /** Hash of a key, remembered for a while: a batch needs it at three moments. */
  keyHash(key: string): Uint8Array {
    const known = this.#keyHashes.get(key)
    if (known !== undefined) return known
    if (this.#keyHashes.size >= keyHashesMax) this.#keyHashes.clear()
    const hashed = this.#hash(toUtf8(key))
    this.#keyHashes.set(key, hashed)
    return hashed
  }

  /** The entry that wins a slot, staged or committed. Looks at no other slot: a set may have thousands. */
  current(key: string, slot: string): VerifiedEntry | undefined {
    const staged = this.#staged.get(key)?.get(slot)
    if (staged !== undefined) return staged.entry
    const leaf = this.#trie.get(pathOf(key, slot, this.#hash, this.keyHash(key)))
    const row = leaf && this.#rows.at(leaf, key)
    return row && storedEntry(row)
  }

  /** The row to stage for an entry, with its place in the trie. */
  rowFor(entry: VerifiedEntry, seq: Sequence, origin: Origin): StagedRow {
    return { ...rowOf(entry, seq, this.#hash, this.keyHash(entry.key)), entry, origin }
  }

  /** All entries of a key: the staged ones on top of these rows. */
  slotsOf(key: string, rows = this.rowsOf(key)): Entry[] {
    const staged = this.#staged.get(key)
    if (staged === undefined) return rows.map(storedEntry)
    const below = rows.filter(row => !staged.has(row.slot))
    return [...below.map(storedEntry), ...Array.from(staged.values(), row => row.entry)]
  }

  /**
   * The committed rows of a key. New keys, the dearest reads of a random index, are recognised by the trie;
   * rows that are durable but not in the trie yet are still staged.
   */
  rowsOf(key: string): readonly Row[] {
    const keyHash = this.keyHash(key)
    if (!this.#trie.holds(keyHash, keyPathNibbles)) return []
    const kept = this.#kept.get(key, () => this.#trie.countUnder(keyHash, keyPathNibbles))
    if (kept !== undefined) return kept
    const rows = this.#rows.slots(key)
    this.#kept.keep(key, rows)
    return rows
  }
}

/** The entry of a row that has been checked. */
export function storedEntry(row: Row & Partial<ParsedRow>): VerifiedEntry {
  return row.entry ?? parsed(row).entry
}

/** The row of an entry, with its place in the trie. `keyHash` is the hash of its key, where it is in hand. */
export function rowOf(entry: Entry, seq: Sequence, hash: Hash, keyHash?: Uint8Array): NewRow {
  const { key, slot, digest, bytes } = entry
  const path = pathOf(key, slot, hash, keyHash)
  return { seq, key, slot, digest, bytes, path, leaf: leafDigest(path, digest, hash) }
}

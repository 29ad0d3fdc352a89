/** Who wins each slot: the committed rows, with what is staged on top. */
import { toUtf8 } from './bytes.ts'
import type { Changes } from './changes.ts'
import type { CheckedRows } from './checked-rows.ts'
import { parseStored, type Entry, type VerifiedEntry } from './entry.ts'
import { assert } from './errors.ts'
import { KeptSummaries, slotsMin } from './kept-summaries.ts'
import { follow, summaryOf, type KeySummary } from './key-summary.ts'
import { keyPathNibbles, leafDigest, pathOf, type MerkleTrie } from './merkle.ts'
import type { Hash, NewRow, Row } from './ports.ts'
import { floorOf } from './reading.ts'
import { wholeKey } from './slot.ts'
import type { Origin, StagedRow } from './staged.ts'
import type { Sequence, Version } from './units.ts'

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
  /** What the committed slots of keys that have many come to. */
  readonly #kept = new KeptSummaries()
  /** The same with what is staged on top, before it is signed. */
  readonly #joined = new Map<string, KeySummary>()
  readonly #staged = new Map<string, Map<string, T>>()
  readonly #keyHashes = new Map<string, Uint8Array>()
  /** Latest deletes of keys as they were read last, and as nothing staged since can have made greater. */
  readonly #deletes = new Map<string, Version>()

  constructor(rows: CheckedRows, trie: MerkleTrie, hash: Hash) {
    this.#rows = rows
    this.#trie = trie
    this.#hash = hash
  }

  /** Puts a row on top. */
  stage(row: T): void {
    this.#deletes.delete(row.key)
    const joined = this.#joined.get(row.key)
    const next = joined && follow(joined, this.current(row.key, row.slot), row.entry)
    if (next === undefined) this.#joined.delete(row.key)
    else this.#joined.set(row.key, next)
    const slots = this.#staged.get(row.key) ?? new Map<string, T>()
    this.#staged.set(row.key, slots.set(row.slot, row))
  }

  /** Something of a key is damaged, or comes back: what was told of it before tells nothing any more. */
  lookAgain(key: string): void {
    this.#joined.delete(key)
  }

  /** A batch is durable: it becomes visible in the trie. */
  committed(changes: Omit<Changes<T>, 'stillborn'>): void {
    this.#trie.apply(changes)
    const { rows, drops, keys } = changes
    for (const { key } of drops) {
      this.#joined.delete(key)
      this.#deletes.delete(key)
    }
    for (const row of rows) this.#takeOff(row)
    for (const { key, after } of keys) this.#kept.keep(key, after())
  }

  /** Takes a row away again, unless another one is on top of it by now. */
  unstage(row: T): void {
    this.#takeOff(row)
    this.#deletes.delete(row.key)
    this.#joined.delete(row.key)
  }

  /** Whether this very row is the staged one of its slot. */
  isStaged(row: T): boolean {
    return this.#staged.get(row.key)?.get(row.slot) === row
  }

  /** Forgets all that is staged. */
  clear(): void {
    this.#staged.clear()
    this.#joined.clear()
    this.#deletes.clear()
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

  /** Path of a slot in the trie. */
  pathOf(key: string, slot: string): Uint8Array {
    return pathOf(key, slot, this.#hash, this.keyHash(key))
  }

  /** The entry that wins a slot, staged or committed. Looks at no other slot: a set may have thousands. */
  current(key: string, slot: string): VerifiedEntry | undefined {
    return this.#staged.get(key)?.get(slot)?.entry ?? this.committedEntry(key, slot)
  }

  /** The same of the committed entries alone. */
  committedEntry(key: string, slot: string): VerifiedEntry | undefined {
    const leaf = this.#trie.get(this.pathOf(key, slot))
    const row = leaf && this.#rows.at(leaf, key)
    return row && storedEntry(row)
  }

  /**
   * Version of the latest delete of a key, also of one that a register was written over; 0 if none. Asked
   * with every greeting, of rows that may be large: what one has told is remembered.
   */
  latestDelete(key: string): Version {
    const known = this.#deletes.get(key)
    if (known !== undefined) return known
    const whole = this.current(key, wholeKey)
    if (whole === undefined) return 0n
    if (this.#deletes.size >= keyHashesMax) this.#deletes.clear()
    const deleted = floorOf([whole])
    this.#deletes.set(key, deleted)
    return deleted
  }

  /** The row to stage for an entry, with its place in the trie. */
  rowFor(entry: VerifiedEntry, seq: Sequence, origin: Origin): StagedRow {
    return { ...rowOf(entry, seq, this.#hash, this.keyHash(entry.key)), entry, origin }
  }

  /** What the committed entries of a key come to, if it has many and that is known. */
  kept(key: string): KeySummary | undefined {
    return this.#kept.get(key, () => this.#trie.countUnder(this.keyHash(key), keyPathNibbles))
  }

  /**
   * What all entries of a key come to, with the staged ones on top. What of them ends is told only once they
   * are signed.
   */
  summaryOf(key: string): KeySummary {
    const staged = this.#staged.get(key)
    const known = this.#joined.get(key) ?? this.#followed(key, staged)
    const summary = known ?? summaryOf(this.slotsOf(key))
    if (staged === undefined) this.#kept.keep(key, summary)
    else if (summary.count >= slotsMin) this.#joined.set(key, summary)
    return summary
  }

  /** The same of a key that is kept, unless that takes a look at all of it. */
  #followed(key: string, staged: ReadonlyMap<string, T> = new Map()): KeySummary | undefined {
    let summary = this.kept(key)
    for (const { slot, path, entry } of staged.values()) {
      const old = this.committedEntry(key, slot)
      // Where the staged row is durable already, the one before it has gone and tells nothing any more.
      if (summary === undefined || (old === undefined && this.#trie.get(path) !== undefined)) return undefined
      summary = follow(summary, old, entry)
    }
    return summary
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
    return this.#trie.holds(this.keyHash(key), keyPathNibbles) ? this.#rows.slots(key) : []
  }

  #takeOff(row: T): void {
    const slots = this.#staged.get(row.key)
    if (slots?.get(row.slot) === row) slots.delete(row.slot)
    if (slots?.size !== 0) return
    this.#staged.delete(row.key)
    this.#joined.delete(row.key)
  }
}

/** The entry of a row that has been checked. */
export function storedEntry({ seq, bytes, digest }: Row): VerifiedEntry {
  const entry = parseStored(bytes, digest)
  assert(entry !== undefined, `row ${seq} holds a well-formed entry`)
  return entry
}

/** The row of an entry, with its place in the trie. `keyHash` is the hash of its key, where it is in hand. */
export function rowOf(entry: Entry, seq: Sequence, hash: Hash, keyHash?: Uint8Array): NewRow {
  const { key, slot, digest, bytes } = entry
  const path = pathOf(key, slot, hash, keyHash)
  return { seq, key, slot, digest, bytes, path, leaf: leafDigest(path, digest, hash) }
}

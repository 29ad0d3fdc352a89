/**
 * The committed slots of keys that have many, kept in memory and up to date.
 *
 * Whoever adds to a set builds on all that is in it. To read, check and parse thousands of rows for each
 * element would hold up the engine for a second; the few keys that are so large are kept instead.
 */
import { parseStored, type VerifiedEntry } from './entry.ts'
import { assert } from './errors.ts'
import type { Row } from './ports.ts'

/** Keys with fewer slots are read again. */
const slotsMin = 64

/** Memory for all kept keys, by estimate. */
const bytesMax = 32 * 1024 * 1024

/** What a slot takes beside its signed bytes. */
const slotOverhead = 512

/** A row with what it says. */
export interface ParsedRow extends Row {
  readonly entry: VerifiedEntry
}

/** Keeps keys by their last use; those used longest ago go first. */
export class KeptSlots {
  readonly #keys = new Map<string, Map<string, ParsedRow>>()
  #bytes = 0

  /** The committed rows of a key, if they are kept and as many as there are. */
  get(key: string, count: () => number): readonly ParsedRow[] | undefined {
    const slots = this.#keys.get(key)
    if (slots === undefined) return undefined
    // A damaged row that was taken out of the trie is no longer one of them.
    if (slots.size !== count()) {
      this.#forget(key)
      return undefined
    }
    this.#keys.delete(key)
    this.#keys.set(key, slots)
    return [...slots.values()]
  }

  /** Takes note of all rows of a key, which have just been read. */
  keep(key: string, rows: readonly Row[]): void {
    if (rows.length < slotsMin) return
    this.#keys.set(key, new Map())
    for (const row of rows) this.#put(row)
    for (const oldest of this.#keys.keys()) {
      if (this.#bytes <= bytesMax) return
      this.#forget(oldest)
    }
  }

  /** A row has come. Its bytes are copied, since they may be part of a larger block. */
  committed({ seq, key, slot, digest, bytes }: Row): void {
    if (!this.#keys.has(key)) return
    this.dropped(key, slot)
    this.#put({ seq, key, slot, digest: Uint8Array.from(digest), bytes: Uint8Array.from(bytes) })
  }

  /** A row has gone. */
  dropped(key: string, slot: string): void {
    const slots = this.#keys.get(key)
    const row = slots?.get(slot)
    if (row === undefined) return
    slots?.delete(slot)
    this.#bytes -= bytesOf(row.bytes)
  }

  #put(row: Row): void {
    this.#keys.get(row.key)?.set(row.slot, parsed(row))
    this.#bytes += bytesOf(row.bytes)
  }

  #forget(key: string): void {
    for (const slot of this.#keys.get(key)?.keys() ?? []) this.dropped(key, slot)
    this.#keys.delete(key)
  }
}

/** A row that has been checked, with what it says. */
export function parsed(row: Row): ParsedRow {
  const entry = parseStored(row.bytes, row.digest)
  assert(entry !== undefined, `row ${row.seq} holds a well-formed entry`)
  return { ...row, entry }
}

function bytesOf(bytes: Uint8Array): number {
  return bytes.length + slotOverhead
}

/**
 * What a key is and holds, derived from its slots (contract §5).
 *
 * The *floor* of a key is the version of its latest delete: the tombstone in the whole-key slot, or, once a
 * register has been written over that tombstone, the base the register remembers. A slot written under an
 * older floor is silenced.
 */
import type { Entry } from './entry.ts'
import { compareEntries } from './entry.ts'
import { wholeKey } from './slot.ts'
import type { KeyReading, KeyType, ReadingTag } from './status.ts'
import type { JsonValue, Version } from './units.ts'
import { assert } from './errors.ts'
import { decodeValue } from './value.ts'
import { compareBytes, toHex } from './bytes.ts'

/** Version of the latest delete of the key; 0 if it was never deleted. */
export function floorOf(slots: readonly Entry[]): Version {
  const whole = slots.find(entry => entry.slot === wholeKey)
  if (whole === undefined) return 0n
  return whole.value === undefined ? whole.version : whole.base
}

/** The entries that count: not silenced by a delete of the key. */
export function liveEntries(slots: readonly Entry[]): readonly Entry[] {
  const floor = floorOf(slots)
  return slots.filter(entry => (entry.slot === wholeKey ? entry.value !== undefined : entry.base >= floor))
}

/** The key as readers see it; undefined if it does not exist or was deleted. */
export function readKey(key: string, slots: readonly Entry[]): KeyReading | undefined {
  const live = liveEntries(slots)
  const top = greatest(live)
  if (top === undefined) return undefined
  const own = live.filter(entry => entry.kind === top.kind)
  const reading = { key, value: valueOf(top.kind, own), type: top.kind }
  const mark = top.kind === 'register' ? {} : { mark: markOf(own) }
  return { ...reading, version: top.version, author: top.author, ...mark }
}

/**
 * The exclusive or of the digests of what has a value, so that their order does not matter; the first 8
 * bytes. What was removed ends with a compaction, and that changes nothing.
 */
function markOf(entries: readonly Entry[]): string {
  const mark = new Uint8Array(8)
  for (const { digest, value } of entries)
    if (value !== undefined) mark.forEach((byte, at) => (mark[at] = byte ^ (digest[at] as number)))
  return toHex(mark)
}

/** Whether a reading is one of those that a caller knows. */
export function isOneOf(reading: KeyReading, tags: readonly ReadingTag[]): boolean {
  return tags.some(
    ({ version, mark }) => version === reading.version && (mark === undefined || mark === reading.mark),
  )
}

/**
 * The sum over the live counter slots. Added exactly and rounded once, so that concurrent increments beyond
 * 2^53 read alike on every node, in whatever order its store lists the slots.
 */
export function counterSum(counters: readonly Entry[]): number {
  return Number(counters.reduce((sum, entry) => sum + BigInt(storedValue(entry) as number), 0n))
}

/** The value of an entry that is not a tombstone. It was checked before it was stored. */
export function storedValue(entry: Entry): JsonValue {
  const value = entry.value === undefined ? undefined : decodeValue(entry.value)
  assert(value !== undefined, `the entry of ${entry.key} holds a value`)
  return value
}

function valueOf(kind: KeyType, entries: readonly Entry[]): JsonValue {
  switch (kind) {
    case 'register':
      return storedValue(entries[0] as Entry)
    case 'counter':
      return counterSum(entries)
    case 'set':
      return entries
        .filter(entry => entry.value !== undefined)
        .sort((a, b) => compareBytes(a.value as Uint8Array, b.value as Uint8Array))
        .map(storedValue)
  }
}

/** The greatest of some entries; undefined if there are none. */
export function greatest(entries: readonly Entry[]): Entry | undefined {
  return entries.reduce<Entry | undefined>(
    (best, entry) => (best === undefined || compareEntries(entry, best) > 0 ? entry : best),
    undefined,
  )
}

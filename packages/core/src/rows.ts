/**
 * Entries and journal rows in frames. Entries travel grouped by author, with the author's 32 bytes left out
 * and put back by the reader: the signed bytes arrive exactly as they were.
 */
import { concatBytes, equalBytes, fromHex, toHex } from './bytes.ts'
import { assert } from './errors.ts'
import { entryBytesMax, frameEntriesMax } from './limits.ts'
import type { Locator, Rows, Standing } from './message.ts'
import type { Incarnation } from './units.ts'
import { bytes, fail, list, readIncarnation, uint } from './wire-fields.ts'

/** Bytes of the path in a locator: 2^32 places, so a prefix holds one leaf, rarely two. */
export const locatorPathBytes = 4

/** Bytes of the leaf digest in a locator; with the path 80 bits, and the root is checked afterwards. */
export const locatorDigestBytes = 6

/** Instead of an author: the sender. */
const noName = new Uint8Array(0)

/** Stands in rows of version 2 until the standing has been made out. */
const unnamedLife = '0000000000000000' as Incarnation

const authorStart = 1
const authorEnd = 33

/** What the name of an author takes: its head, and that of the list behind it, at most. */
const authorHeadBytes = 2 + 3

/** What the largest entry may take in a frame. */
export const entryRoom = entryBytesMax + 16

/**
 * Bytes that an entry takes in a frame behind another one, never less than it does: an author is named once
 * for all entries that follow one another.
 */
export function bytesInFrame(entry: Uint8Array, before: Uint8Array | undefined): number {
  const rest = entry.length - (authorEnd - authorStart)
  const headed = rest + (rest < 256 ? 2 : rest < 65_536 ? 3 : 5)
  if (before !== undefined && sameAuthor(entry, before)) return headed
  return headed + (authorEnd - authorStart) + authorHeadBytes
}

/** The same of all of these. */
export function entriesInFrame(entries: readonly Uint8Array[]): number {
  return entries.reduce((sum, entry, index) => sum + bytesInFrame(entry, entries[index - 1]), 0)
}

function sameAuthor(a: Uint8Array, b: Uint8Array): boolean {
  for (let at = authorStart; at < authorEnd; at++) if (a[at] !== b[at]) return false
  return true
}

/** Rows in version 1. */
export function encodeRows(rows: Rows): unknown[] {
  const { incarnation, after, upTo, entries, locators } = rows
  return [fromHex(incarnation), after, upTo, groupByAuthor(entries), packLocators(locators)]
}

/**
 * Rows in version 2: their incarnation is the sender's, and their end where it stands unless they say less.
 */
export function encodeRowsOfStanding(
  rows: Rows,
  standing: Standing | undefined,
  implied: Uint8Array | undefined,
): unknown[] {
  assert(standing !== undefined, 'rows go with a standing')
  const behind = standing.seq - rows.upTo
  const fields = [rows.upTo - rows.after, groupByAuthor(rows.entries, implied)]
  if (rows.locators.length + behind === 0) return fields
  return [...fields, packLocators(rows.locators), ...(behind === 0 ? [] : [behind])]
}

function packLocators(locators: readonly Locator[]): Uint8Array {
  return concatBytes(...locators.flatMap(locator => [locator.path, locator.digest]))
}

/** @param implied the author that needs no name */
export function groupByAuthor(entries: readonly Uint8Array[], implied?: Uint8Array): unknown[] {
  const groups = new Map<string, { author: Uint8Array; rest: Uint8Array[] }>()
  let group: { author: Uint8Array; rest: Uint8Array[] } | undefined
  for (const entry of entries) {
    const author = entry.subarray(authorStart, authorEnd)
    if (group === undefined || !equalBytes(group.author, author)) {
      const name = toHex(author)
      group = groups.get(name) ?? { author, rest: [] }
      groups.set(name, group)
    }
    const rest = new Uint8Array(entry.length - (authorEnd - authorStart))
    rest[0] = entry[0] as number
    rest.set(entry.subarray(authorEnd), authorStart)
    group.rest.push(rest)
  }
  const named = (author: Uint8Array): Uint8Array =>
    implied !== undefined && equalBytes(author, implied) ? noName : author
  return [...groups.values()].flatMap(({ author, rest }) => [named(author), rest])
}

/** Reads rows of version 1. */
export function readRows(value: unknown): Rows {
  const [incarnation, after, upTo, entries, locators] = list(value, 'rows', 8)
  const rows = {
    incarnation: readIncarnation(incarnation),
    after: uint(after, 'rows.after'),
    upTo: uint(upTo, 'rows.upTo'),
    entries: readEntries(entries),
    locators: readLocators(locators),
  }
  return rows.upTo >= rows.after ? rows : fail('rows.upTo')
}

/** Reads rows of version 2; their incarnation is named when the standing has been made out. */
export function readRowsOfStanding(
  value: unknown,
  standing: Standing | undefined,
  sender: Uint8Array | undefined,
): Rows {
  const [span, entries, locators = new Uint8Array(0), behind = 0] = list(value, 'rows', 8)
  const { seq } = standing ?? fail('rows')
  const upTo = seq - uint(behind, 'rows.behind', seq)
  return {
    incarnation: unnamedLife,
    after: upTo - uint(span, 'rows.span', upTo),
    upTo,
    entries: readEntries(entries, sender),
    locators: readLocators(locators),
  }
}

function readLocators(value: unknown): Locator[] {
  const size = locatorPathBytes + locatorDigestBytes
  const packed = bytes(value, 'rows.locators', 0, frameEntriesMax * size)
  if (packed.length % size !== 0) fail('rows.locators')
  return Array.from({ length: packed.length / size }, (_, index) => {
    const at = index * size
    return {
      path: packed.subarray(at, at + locatorPathBytes),
      digest: packed.subarray(at + locatorPathBytes, at + size),
    }
  })
}

/** @param sender the author of entries that name none */
export function readEntries(value: unknown, sender?: Uint8Array): Uint8Array[] {
  const groups = list(value, 'entries', 2 * frameEntriesMax)
  const entries: Uint8Array[] = []
  for (let i = 0; i < groups.length; i += 2) {
    const name = bytes(groups[i], 'entries.author', sender === undefined ? 32 : 0, 32)
    const author = name.length === 0 ? sender : name
    if (author?.length !== 32) fail('entries.author')
    for (const item of list(groups[i + 1], 'entries', frameEntriesMax)) {
      const rest = bytes(item, 'entries.entry', 1, entryBytesMax)
      const entry = new Uint8Array(rest.length + author.length)
      entry[0] = rest[0] as number
      entry.set(author, authorStart)
      entry.set(rest.subarray(authorStart), authorEnd)
      entries.push(entry)
    }
  }
  return entries.length <= frameEntriesMax ? entries : fail('entries')
}

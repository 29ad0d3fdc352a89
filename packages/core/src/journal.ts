/**
 * The journal: commit order as the cheap way to stay equal (contract §5).
 *
 * Rows lie in the store in commit order. A peer that says how far it has applied them gets everything after
 * that in one range scan; an announce that starts where the receiver's cursor stands moves it on.
 */
import { concatBytes, equalBytes, fromHex, toHex, uintToBytes } from './bytes.ts'
import type { CheckedRows } from './checked-rows.ts'
import { sameTransaction, signatureMark, writtenBy } from './entry.ts'
import { frameEntriesMax } from './limits.ts'
import { pathOf, type MerkleTrie } from './merkle.ts'
import type { Locator, Rows } from './message.ts'
import type { Hash, Row } from './ports.ts'
import { isIncarnation, type Incarnation, type NodeId, type Sequence } from './units.ts'
import { bytesInFrame, locatorDigestBytes, locatorPathBytes } from './rows.ts'

/** A position in the journal of one incarnation of a node. */
export interface Cursor {
  readonly incarnation: Incarnation
  readonly seq: Sequence
}

/** A stretch of a journal. */
export type Span = Pick<Rows, 'incarnation' | 'after' | 'upTo'>

/**
 * Rows read from the store at a time: a few at first, then as many as have so many bytes, if they are like
 * those before. A frame may hold one row of 128 KiB, or thousands.
 */
const page = { firstRows: 4, rowsMax: 256, bytes: 128 * 1024 }

/** Rows looked through for one frame: some 50 ms where nearly all of them need no word. */
const rowsLookedMax = 4 * frameEntriesMax

/**
 * The same in bytes: some 20 ms, where ten bytes tell of a large row. Twice as many for the sake of a
 * transaction, which has far fewer unless its author means no good.
 */
const bytesLookedMax = 8 * 1024 * 1024

/** Bytes of a row's locator in a frame. */
export const locatorBytes = locatorPathBytes + locatorDigestBytes

/** Name of the fact that keeps the cursor for a node. */
export function cursorFact(node: NodeId): string {
  return `cursor/${node}`
}

/** A cursor as fact bytes. */
export function encodeCursor(cursor: Cursor): Uint8Array {
  return concatBytes(fromHex(cursor.incarnation) as Uint8Array, uintToBytes(BigInt(cursor.seq)))
}

/** The cursor behind fact bytes; undefined where they are not one. */
export function decodeCursor(bytes: Uint8Array | undefined): Cursor | undefined {
  if (bytes?.length !== 16) return undefined
  const incarnation = toHex(bytes.subarray(0, 8))
  return isIncarnation(incarnation)
    ? { incarnation, seq: Number(BigInt(`0x${toHex(bytes.subarray(8))}`)) }
    : undefined
}

/** Whether two cursors name the same position. */
export function sameCursor(a: Cursor | undefined, b: Cursor | undefined): boolean {
  return a !== undefined && b !== undefined && a.incarnation === b.incarnation && a.seq === b.seq
}

/** Whether everything before a position is applied. */
export function covers(cursor: Cursor | undefined, position: Cursor): boolean {
  return cursor?.incarnation === position.incarnation && cursor.seq >= position.seq
}

/** Whether `rows` go on where the cursor stands, without a gap. A node never heard of starts at 0. */
export function continues(cursor: Cursor | undefined, rows: Pick<Rows, 'incarnation' | 'after'>): boolean {
  if (cursor?.incarnation !== rows.incarnation) return rows.after === 0
  return rows.after <= cursor.seq
}

/** Entries to be recognised by their bytes. */
export interface ReadonlyEntries {
  has(bytes: Uint8Array): boolean
}

/** Recognises these entries; of two with one mark the last. */
export function entriesNamed(entries: readonly Uint8Array[]): ReadonlyEntries {
  const byMark = new Map(entries.map(bytes => [signatureMark(bytes), bytes]))
  const isSame = (bytes: Uint8Array, other = byMark.get(signatureMark(bytes))): boolean =>
    other !== undefined && equalBytes(bytes, other)
  return { has: bytes => isSame(bytes) }
}

/** Which rows go into a frame, and in which form. */
export interface RowsQuery {
  readonly after: Sequence
  /** Newest position to tell of. */
  readonly upTo: Sequence
  readonly bytesMax: number
  /** Rows of other authors as locators, because the receiver probably holds them. */
  readonly locateOthers: boolean
  /** What the receiver sent just now: it needs no word at all. */
  readonly known?: ReadonlyEntries
}

/**
 * The rows after a position, to the last one, read as they are asked for.
 * @param isUsed rows of which nothing is used need no check
 */
export function* rowsAfter(
  rows: Pick<CheckedRows, 'after'>,
  seq: Sequence,
  isUsed?: (row: Row) => boolean,
): Generator<Row> {
  let [after, wanted] = [seq, page.firstRows]
  for (;;) {
    const found = rows.after(after, wanted, isUsed)
    yield* found
    const last = found.at(-1)
    if (last === undefined || found.length < wanted) return
    after = last.seq
    const bytes = found.reduce((sum, row) => sum + row.bytes.length, 0)
    wanted = Math.min(page.rowsMax, Math.max(1, Math.floor((page.bytes * found.length) / bytes)))
  }
}

/**
 * The rows after a position, as many as fit, cut between transactions wherever a transaction fits at all. At
 * least one row is taken, however large; `upTo` says how far they reach.
 */
export function readRows(
  rows: Pick<CheckedRows, 'incarnation' | 'after'>,
  trie: MerkleTrie,
  hash: Hash,
  self: NodeId,
  query: RowsQuery,
): Rows {
  const { incarnation } = rows
  const author = fromHex(self) as Uint8Array
  const isOurs = ({ bytes }: Row): boolean => !query.locateOthers || writtenBy(bytes, author)
  const isTold = (row: Row): boolean => isOurs(row) || query.known?.has(row.bytes) !== true
  const taken: Row[] = []
  let size = 0
  let [looked, bytesLooked] = [0, 0]
  let before: Uint8Array | undefined
  let after = query.after
  for (const row of rowsAfter(rows, query.after, isTold)) {
    if (row.seq > query.upTo) break
    const last = taken.at(-1)
    const isInTransaction = last !== undefined && sameTransaction(last.bytes, row.bytes)
    const isEnough = looked++ >= rowsLookedMax || bytesLooked >= bytesLookedMax
    if (isEnough && (!isInTransaction || bytesLooked >= 2 * bytesLookedMax)) return pack(taken, after)
    bytesLooked += row.bytes.length
    after = row.seq
    if (!isTold(row)) continue
    size += isOurs(row) ? bytesInFrame(row.bytes, before) : locatorBytes
    if (isOurs(row)) before = row.bytes
    const full = taken.length > 0 && (size > query.bytesMax || taken.length >= frameEntriesMax)
    if (full) return pack(cutBetweenTransactions(taken, row))
    taken.push(row)
  }
  return pack(taken, query.upTo)

  function pack(found: readonly Row[], upTo = (found.at(-1) as Row).seq): Rows {
    const others = found.filter(row => !isOurs(row))
    const ours = others.length === 0 ? found : found.filter(isOurs)
    return {
      incarnation,
      after: query.after,
      upTo,
      entries: ours.map(row => row.bytes),
      locators: others.map(locate),
    }
  }

  function locate(row: Row): Locator {
    const path = pathOf(row.key, row.slot, hash)
    const digest = trie.get(path)?.digest ?? row.digest
    return { path: path.subarray(0, locatorPathBytes), digest: digest.subarray(0, locatorDigestBytes) }
  }
}

function cutBetweenTransactions(taken: readonly Row[], next: Row): readonly Row[] {
  let end = taken.length
  let following = next
  while (end > 0 && sameTransaction((taken[end - 1] as Row).bytes, following.bytes))
    following = taken[--end] as Row
  return end === 0 ? taken : taken.slice(0, end)
}

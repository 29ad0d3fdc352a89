/**
 * The entry: one signed, immutable fact about `(key, slot)`.
 *
 * Layout (docs/protocol.md §2), one encoding for one tuple, no room for a second reading:
 *
 *   format 1 | author 32 | version 8 | flags 1 | base 8 if flag 2 | key length 2 | key | slot length 1 | slot
 *   | value | signature 64
 *
 * The signature covers `"lattice/entry/v1\0"` and everything before it (domain separation: it is good for
 * nothing else). Nodes keep and forward these exact bytes; nothing is ever encoded again to be verified.
 */
import {
  compareBytes,
  concatBytes,
  equalBytes,
  fromHex,
  fromUtf8,
  Slab,
  toHex,
  toUtf8,
  writeUtf8,
} from './bytes.ts'
import { assert } from './errors.ts'
import { holdersOf, horizonKey } from './horizon.ts'
import { keyBytesMax } from './limits.ts'
import type { Hash, SignedMessage, Signer } from './ports.ts'
import { elementSlot, slotKind, slotOwner } from './slot.ts'
import type { KeyType } from './status.ts'
import { isNodeId, type NodeId, type Version } from './units.ts'
import { decodeValue } from './value.ts'

/** What an entry says, before it is signed. */
export interface EntryContent {
  readonly key: string
  /** Lower-case hex; `''` for the key itself (core/slot). */
  readonly slot: string
  /** Canonical CBOR; undefined is a tombstone. */
  readonly value: Uint8Array | undefined
  /** Version of the tombstone of the whole key that this was written after; 0 if none. */
  readonly base: Version
  readonly version: Version
}

/** A well-formed entry. Nothing is known yet about its signature. */
export interface Entry extends EntryContent {
  readonly author: NodeId
  readonly kind: KeyType
  /** The exact signed bytes, signature included. */
  readonly bytes: Uint8Array
  /** SHA-256 of `bytes`. */
  readonly digest: Uint8Array
}

declare const verified: unique symbol

/**
 * An entry whose signature and author have been checked. Only `signEntry`, `admit` and the store's reader
 * make it.
 */
export type VerifiedEntry = Entry & { readonly [verified]: true }

const nothing = new Uint8Array(0)
/** Where own entries are written. */
const slab = new Slab()
const domain = toUtf8('lattice/entry/v1\0')
const format = 1
const flagTombstone = 1
const flagBase = 2
const headerBytes = 42
const signatureBytes = 64

/** Why `key` cannot be used, as a phrase; undefined if it can. */
export function keyProblem(key: string): string | undefined {
  if (key.length === 0) return 'the key is empty'
  if (!key.isWellFormed()) return 'the key holds half of a surrogate pair'
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused here
  if (/[\u0000-\u001f\u007f-\u009f]/.test(key)) return 'the key holds a control character'
  // A UTF-16 unit takes three bytes at most.
  if (3 * key.length <= keyBytesMax) return undefined
  const length = toUtf8(key).length
  return length > keyBytesMax
    ? `the key takes ${length} bytes of UTF-8, ${keyBytesMax} are allowed`
    : undefined
}

/** An own entry on its way to a signature: zeros in `bytes`, and no digest yet. */
export interface EntryDraft {
  readonly entry: Entry
  /** What to sign. */
  readonly message: Uint8Array
}

/** The entry of `author` that says `content`. */
export function draftEntry(content: EntryContent, author: NodeId): EntryDraft {
  const block = encodeSigned(content, author)
  const bytes = block.subarray(domain.length)
  const entry = { ...content, author, kind: slotKind(content.slot), bytes, digest: nothing }
  return { entry, message: block.subarray(0, block.length - signatureBytes) }
}

/** Puts the signature in, which must be its author's over the message. The same entry, signed. */
export function finishEntry({ entry }: EntryDraft, signature: Uint8Array, hash: Hash): VerifiedEntry {
  assert(signature.length === signatureBytes, 'a signature has its length')
  entry.bytes.set(signature, entry.bytes.length - signatureBytes)
  return Object.assign(entry, { digest: hash(entry.bytes) }) as VerifiedEntry
}

/** Signs `content` as the node's own entry. */
export function signEntry(content: EntryContent, signer: Signer, hash: Hash): VerifiedEntry {
  const draft = draftEntry(content, signer.nodeId)
  return finishEntry(draft, signer.sign(draft.message), hash)
}

/** What has to be verified before `entry` may be stored. */
export function entrySignature(entry: Entry): SignedMessage {
  const end = entry.bytes.length - signatureBytes
  return {
    author: entry.author,
    message: concatBytes(domain, entry.bytes.subarray(0, end)),
    signature: entry.bytes.subarray(end),
  }
}

/**
 * Marks an entry as verified. To be called only with the verifier's positive verdict in hand, or on our own
 * store.
 */
export function admit(entry: Entry): VerifiedEntry {
  return entry as VerifiedEntry
}

/** Reads entry bytes; undefined where they are malformed in any way. The bytes are kept, not copied. */
export function parseEntry(bytes: Uint8Array, hash: Hash): Entry | undefined {
  const content = parseContent(bytes)
  return content !== undefined && isSound(content, hash)
    ? { ...content, bytes, digest: hash(bytes) }
    : undefined
}

/** Reads the bytes of a row that was verified before it was stored, without decoding its value again. */
export function parseStored(bytes: Uint8Array, digest: Uint8Array): VerifiedEntry | undefined {
  const content = parseContent(bytes)
  return content === undefined ? undefined : ({ ...content, bytes, digest } as VerifiedEntry)
}

/** What the order of entries is told by. */
export type Rank = Pick<Entry, 'version' | 'author' | 'digest'>

/**
 * The total order that decides who wins a slot: version, then author, then digest. Zero only for equal bytes.
 */
export function compareEntries(a: Rank, b: Rank): number {
  if (a.version !== b.version) return a.version < b.version ? -1 : 1
  if (a.author !== b.author) return a.author < b.author ? -1 : 1
  return compareBytes(a.digest, b.digest)
}

/** Whether the entry behind these bytes was written by the node whose id has these 32 bytes. */
export function writtenBy(bytes: Uint8Array, author: Uint8Array): boolean {
  for (let at = 0; at < author.length; at++) if (bytes[1 + at] !== author[at]) return false
  return true
}

/** Six bytes of an entry's signature as a number: to look it up by, before all its bytes are compared. */
export function signatureMark(bytes: Uint8Array): number {
  let mark = 0
  for (let at = bytes.length - signatureBytes; at < bytes.length - signatureBytes + 6; at++)
    mark = mark * 256 + (bytes[at] ?? 0)
  return mark
}

/** Whether two entries belong to one transaction: same author, same version. Reads the headers only. */
export function sameTransaction(a: Uint8Array, b: Uint8Array): boolean {
  return equalBytes(a.subarray(1, 41), b.subarray(1, 41))
}

/** The domain and all of the entry, with zeros for its signature: one piece of memory for both. */
function encodeSigned({ key, slot, value, base, version }: EntryContent, author: NodeId): Uint8Array {
  const slotBytes = fromHex(slot) as Uint8Array
  const valueBytes = value ?? nothing
  const start = domain.length
  const keyAt = start + headerBytes + (base > 0n ? 8 : 0) + 2
  const most = keyAt + 3 * key.length + 1 + slotBytes.length + valueBytes.length + signatureBytes
  const room = slab.reserve(most)
  const view = new DataView(room.buffer, room.byteOffset)
  room.set(domain)
  room[start] = format
  room.set(fromHex(author) as Uint8Array, start + 1)
  view.setBigUint64(start + 33, version)
  room[start + 41] = (value === undefined ? flagTombstone : 0) | (base > 0n ? flagBase : 0)
  if (base > 0n) view.setBigUint64(start + headerBytes, base)
  const slotAt = keyAt + writeUtf8(key, room.subarray(keyAt)) + 1
  view.setUint16(keyAt - 2, slotAt - 1 - keyAt)
  room[slotAt - 1] = slotBytes.length
  room.set(slotBytes, slotAt)
  room.set(valueBytes, slotAt + slotBytes.length)
  return slab.take(slotAt + slotBytes.length + valueBytes.length + signatureBytes)
}

function parseContent(bytes: Uint8Array): Omit<Entry, 'bytes' | 'digest'> | undefined {
  if (bytes.length < headerBytes + 3 + signatureBytes || bytes[0] !== format) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength - signatureBytes)
  const author = toHex(bytes.subarray(1, 33))
  const version = view.getBigUint64(33)
  const flags = bytes[41] as number
  if (flags > (flagTombstone | flagBase) || !isNodeId(author)) return undefined
  let at = headerBytes
  if ((flags & flagBase) !== 0 && at + 8 > view.byteLength) return undefined
  const base = (flags & flagBase) === 0 ? 0n : view.getBigUint64(at)
  at += (flags & flagBase) === 0 ? 0 : 8
  if (at + 3 > view.byteLength) return undefined
  const keyEnd = at + 2 + view.getUint16(at)
  if (keyEnd + 1 > view.byteLength) return undefined
  const slotEnd = keyEnd + 1 + (bytes[keyEnd] as number)
  if (slotEnd > view.byteLength) return undefined
  const key = fromUtf8(bytes.subarray(at + 2, keyEnd))
  if (key === undefined) return undefined
  const slot = toHex(bytes.subarray(keyEnd + 1, slotEnd))
  const rest = bytes.subarray(slotEnd, view.byteLength)
  const tombstone = (flags & flagTombstone) !== 0
  if (tombstone && rest.length > 0) return undefined
  const content = { key, slot, value: tombstone ? undefined : rest, base, version }
  const baseIsFlagged = (flags & flagBase) !== 0
  return baseIsFlagged === base > 0n ? { ...content, author, kind: slotKind(slot) } : undefined
}

/** The rules that every node applies alike before an entry may win anything. */
function isSound(entry: Omit<Entry, 'bytes' | 'digest'>, hash: Hash): boolean {
  const { key, slot, kind, value, base, version, author } = entry
  if (key === horizonKey) return version > 0n && holdersOf(entry) !== undefined
  if (keyProblem(key) !== undefined || version === 0n || base > version) return false
  const owner = slotOwner(slot)
  if (owner === 'malformed' || (owner !== 'anyone' && owner !== author)) return false
  if (value === undefined) return kind === 'set' || (kind === 'register' && base === 0n)
  const decoded = decodeValue(value)
  if (decoded === undefined) return false
  if (kind === 'counter') return Number.isSafeInteger(decoded)
  return kind === 'register' || elementSlot(value, hash) === slot
}

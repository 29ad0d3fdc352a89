/**
 * Digests of one length in one piece of memory, as frames carry them: a byte that says the length of each,
 * then one after the other. A step of a descent has thousands; as objects they would cost more than all else.
 */
import { toHex } from './bytes.ts'

/** The byte that says the length, 1 to 32, then the digests. */
export type DigestList = Uint8Array

/** Bytes that a double holds exactly. */
const numberBytesMax = 6

/** A list of `count` digests that are zeros yet. */
export function createDigestList(count: number, size: number): DigestList {
  const list = new Uint8Array(1 + count * size)
  list[0] = size
  return list
}

/** These digests, which have one length; none are a list of the shortest. */
export function packDigests(digests: readonly Uint8Array[]): DigestList {
  const list = createDigestList(digests.length, digests[0]?.length ?? 1)
  digests.forEach((digest, index) => putDigest(list, index, digest))
  return list
}

/** Bytes of each digest. */
export function digestSize(list: DigestList): number {
  return list[0] as number
}

/** How many there are. */
export function digestCount(list: DigestList): number {
  return (list.length - 1) / digestSize(list)
}

/** Whether the bytes are a list: a length from 1 to 32, and whole digests. */
export function isDigestList(bytes: Uint8Array): boolean {
  const size = bytes[0] ?? 0
  return size > 0 && size <= 32 && (bytes.length - 1) % size === 0
}

/** Puts the first bytes of a digest into its place. */
export function putDigest(list: DigestList, index: number, digest: Uint8Array): void {
  const size = digestSize(list)
  for (let at = 0; at < size; at++) list[1 + index * size + at] = digest[at] as number
}

/** Whether a digest starts with the bytes that the list has in this place. */
export function startsWithDigest(digest: Uint8Array, list: DigestList, index: number): boolean {
  const size = digestSize(list)
  for (let at = 0; at < size; at++) if (digest[at] !== list[1 + index * size + at]) return false
  return true
}

/** What a digest in the list is looked up by. */
export function digestName(list: DigestList, index: number): number | string {
  const size = digestSize(list)
  return nameOf(list, 1 + index * size, size)
}

/** The same of the first `size` bytes of a digest, from `start` on: a number where that is exact. */
export function nameOf(digest: Uint8Array, start: number, size: number): number | string {
  if (size > numberBytesMax) return toHex(digest.subarray(start, start + size))
  let name = 0
  for (let at = start; at < start + size; at++) name = name * 256 + (digest[at] as number)
  return name
}

/** The digests in these places of a list. */
export function pickDigests(list: DigestList, indexes: readonly number[]): DigestList {
  const size = digestSize(list)
  const picked = createDigestList(indexes.length, size)
  indexes.forEach((index, at) => {
    putDigest(picked, at, list.subarray(1 + index * size, 1 + (index + 1) * size))
  })
  return picked
}

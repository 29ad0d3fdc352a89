/**
 * Facts carry a check of their own: nothing else vouches for them, and a clock or a cursor with one bit wrong
 * looks as good as any.
 *
 * The first 8 bytes of H(length of the name ‖ name ‖ value) before the value: damage passes once in 2^64.
 */
import { hash } from 'node:crypto'

/** Bytes of the check before each value. */
const checkBytes = 8

/** The value as it lies on the disk. `name` in UTF-8. */
export function sealFact(name: Uint8Array, value: Uint8Array): Uint8Array {
  return Buffer.concat([checkOf(name, value), value])
}

/** The value of a fact from the disk; undefined where it is damaged. `name` in UTF-8. */
export function openFact(name: Uint8Array, stored: Uint8Array): Uint8Array | undefined {
  if (stored.length < checkBytes) return undefined
  const value = stored.subarray(checkBytes)
  return checkOf(name, value).equals(stored.subarray(0, checkBytes)) ? value : undefined
}

function checkOf(name: Uint8Array, value: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(name.length)
  return hash('sha256', Buffer.concat([length, name, value]), 'buffer').subarray(0, checkBytes)
}

/** What is written: random keys of a given length and values of 100 bytes of canonical CBOR. */
import { randomBytes } from 'node:crypto'
import type { Operation } from '@lattice/core'

/** Bytes of a value as stored: two of CBOR head and 98 of text. */
export const valueBytes = 100

/** `count` random keys of `length` characters, each one byte. */
export function randomKeys(count: number, length: number): string[] {
  return Array.from({ length: count }, () => randomText(length))
}

/** A value that takes `valueBytes` of canonical CBOR. */
export function randomValue(): string {
  return randomText(valueBytes - 2)
}

/** Registers to put, with fresh keys and values. */
export function randomPuts(count: number, keyLength: number): (Operation & { op: 'put' })[] {
  return randomKeys(count, keyLength).map(key => ({ op: 'put', key, value: randomValue() }))
}

function randomText(length: number): string {
  return randomBytes(Math.ceil(length * 0.75))
    .toString('base64url')
    .slice(0, length)
}

/** Byte strings: hexadecimal, comparison, joining. Plain loops, because the core also runs in a browser. */

const hexDigits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const notADigit = 255
/** Value of each ASCII character as a hexadecimal digit. */
const digitValues = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16)
  return Number.isNaN(value) ? notADigit : value
})
const scratch = new DataView(new ArrayBuffer(8))
const scratchBytes = new Uint8Array(scratch.buffer)
const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Lower-case hexadecimal digits of `bytes`. */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += hexDigits[byte]
  return text
}

/** The bytes behind an even number of hexadecimal digits; undefined where `text` is anything else. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    const high = digitValues[text.charCodeAt(2 * i)] ?? notADigit
    const low = digitValues[text.charCodeAt(2 * i + 1)] ?? notADigit
    if (high === notADigit || low === notADigit) return undefined
    bytes[i] = (high << 4) | low
  }
  return bytes
}

/** UTF-8 bytes of `text`. */
export function toUtf8(text: string): Uint8Array {
  return utf8Encoder.encode(text)
}

/** Writes the UTF-8 bytes of `text` to `bytes`, which must have room for three a character; how many. */
export function writeUtf8(text: string, bytes: Uint8Array): number {
  return utf8Encoder.encodeInto(text, bytes).written
}

/** The text behind `bytes`; undefined where they are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8Decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Negative, zero or positive, as `a` sorts before, with or after `b`, byte by byte. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Whether both hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0
}

/** All `parts`, one after the other, in fresh memory. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** `value` as `length` bytes, 8 at most, most significant first; what does not fit is cut off. */
export function uintToBytes(value: bigint, length = 8): Uint8Array {
  scratch.setBigUint64(0, value)
  return scratchBytes.slice(8 - length)
}

/** Bytes that pieces share: those of some hundred entries, which mostly go as they came, together. */
const slabBytes = 64 * 1024

/**
 * Memory for many small byte strings that live about as long as each other: a piece of a shared block costs a
 * tenth of one of its own (measured). A piece keeps its whole block.
 */
export class Slab {
  #block = new Uint8Array(0)
  #at = 0

  /** Room for `most` bytes, to be written to before the next call; all zero if all that was written was taken. */
  reserve(most: number): Uint8Array {
    if (most > this.#block.length - this.#at) {
      this.#block = new Uint8Array(Math.max(slabBytes, most))
      this.#at = 0
    }
    return this.#block.subarray(this.#at, this.#at + most)
  }

  /** The first `length` bytes of the room: taken for good. */
  take(length: number): Uint8Array {
    return this.#block.subarray(this.#at, (this.#at += length))
  }
}

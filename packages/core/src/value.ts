/**
 * JSON values as canonical CBOR (RFC 8949 §4.2): one value, one byte string, whatever the order of object
 * members.
 *
 * Map keys are sorted by their encoding, floats are always 64 bit, integers are within ±(2^53 − 1). What
 * decodes but does not encode to the same bytes again is refused, so that every node judges the same bytes
 * alike.
 */
import { decode, encode, Token, Tokenizer, Type } from 'cborg'
import { equalBytes, Slab, writeUtf8 } from './bytes.ts'
import { LatticeError } from './errors.ts'
import { valueBytesMax, valueDepthMax } from './limits.ts'
import type { JsonValue } from './units.ts'

/** Major type of text, where CBOR has it. */
const textType = 3 << 5

/** Where text is encoded: most of it goes into an entry at once. */
const slab = new Slab()

const decodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
}

/**
 * Canonical bytes of a JSON value. Negative zero becomes zero.
 * @throws LatticeError VALUE_INVALID, VALUE_TOO_DEEP, VALUE_TOO_LARGE
 */
export function encodeValue(value: JsonValue): Uint8Array {
  const problem = problemOf(value, 0)
  if (problem === 'depth') throw new LatticeError('VALUE_TOO_DEEP')
  if (problem !== undefined) throw new LatticeError('VALUE_INVALID', problem)
  const bytes = encodeAscii(value) ?? encode(value, { float64: true })
  if (bytes.length > valueBytesMax) {
    throw new LatticeError(
      'VALUE_TOO_LARGE',
      `the value takes ${bytes.length} bytes, ${valueBytesMax} are allowed`,
    )
  }
  return bytes
}

/**
 * The same bytes for text of ASCII only, the commonest value, at a fifth of the price: a head and the text
 * (RFC 8949 §3.1, major type 3). Undefined for everything else.
 */
function encodeAscii(value: JsonValue): Uint8Array | undefined {
  if (typeof value !== 'string' || value.length >= 2 ** 16) return undefined
  const { length } = value
  const head = length < 24 ? 1 : length < 2 ** 8 ? 2 : 3
  const room = slab.reserve(head + 3 * length)
  if (writeUtf8(value, room.subarray(head)) !== length) return undefined
  room[0] = head === 1 ? textType | length : textType | (22 + head)
  if (head > 1) room[head - 1] = length & 255
  if (head > 2) room[1] = length >> 8
  return slab.take(head + length)
}

/** The value behind canonical bytes; undefined where they are not canonical CBOR of a JSON value. */
export function decodeValue(bytes: Uint8Array): JsonValue | undefined {
  if (bytes.length === 0 || bytes.length > valueBytesMax) return undefined
  try {
    const value = decode(bytes, { ...decodeOptions, tokenizer: exactText(bytes) }) as JsonValue
    return equalBytes(encodeValue(value), bytes) ? value : undefined
  } catch {
    return undefined // whatever the decoder dislikes is not canonical; too deep nesting ends here as well
  }
}

/**
 * The decoder's text decoder swallows a leading byte order mark; in a value it is a character like any other.
 */
function exactText(bytes: Uint8Array): Pick<Tokenizer, 'done' | 'next' | 'pos'> {
  const inner = new Tokenizer(bytes, decodeOptions)
  const next = (): Token => {
    const start = inner.pos()
    const token = inner.next()
    if (!Type.equals(token.type, Type.string)) return token
    const text = start + headBytesOf(bytes[start] as number)
    const marked = byteOrderMark.every((byte, index) => bytes[text + index] === byte)
    return marked && text + byteOrderMark.length <= inner.pos()
      ? new Token(Type.string, `\ufeff${token.value as string}`, token.encodedLength)
      : token
  }
  return { next, done: () => inner.done(), pos: () => inner.pos() }
}

/** U+FEFF in UTF-8. */
const byteOrderMark = [0xef, 0xbb, 0xbf]

/**
 * Length of a CBOR head, from its first byte (RFC 8949 §3): the argument follows in 0, 1, 2, 4 or 8 bytes.
 */
function headBytesOf(first: number): number {
  const minor = first & 31
  return minor < 24 ? 1 : 1 + 2 ** (minor - 24)
}

function problemOf(value: unknown, depth: number): string | undefined {
  if (typeof value === 'boolean' || value === null) return undefined
  if (typeof value === 'string')
    return value.isWellFormed() ? undefined : 'a string holds half of a surrogate pair'
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'a number is not finite'
  if (typeof value !== 'object') return `a ${typeof value} is not JSON`
  return depth < valueDepthMax ? problemInside(value, depth + 1) : 'depth'
}

function problemInside(container: object, depth: number): string | undefined {
  if (Array.isArray(container)) return firstProblem(container, depth)
  const prototype: unknown = Object.getPrototypeOf(container)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return 'an object is not plain'
  const names = Object.keys(container)
  if (!names.every(name => name.isWellFormed())) return 'a member name holds half of a surrogate pair'
  return firstProblem(Object.values(container), depth)
}

function firstProblem(values: readonly unknown[], depth: number): string | undefined {
  for (const value of values) {
    const problem = problemOf(value, depth)
    if (problem !== undefined) return problem
  }
  return undefined
}

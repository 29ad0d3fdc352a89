/**
 * The curve of Ed25519 (RFC 8032 §5.1) in plain arithmetic: slow, and of no use for secrets. For signatures
 * that no honest signer makes, and to judge them by the words of docs/protocol.md alone.
 */
import type { Hash } from '../ports.ts'

/** A point as (x, y). */
export interface Point {
  readonly x: bigint
  readonly y: bigint
}

/** The prime of the field. */
export const fieldPrime = 2n ** 255n - 19n

/** The order of the base point, L. */
export const groupOrder = 2n ** 252n + 27742317777372353535851937790883648493n

const mod = (number: bigint, by = fieldPrime): bigint => ((number % by) + by) % by

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  let square = mod(base)
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = mod(result * square)
    square = mod(square * square)
  }
  return result
}

const inverse = (number: bigint): bigint => power(number, fieldPrime - 2n)
const curve = mod(-121665n * inverse(121666n))
const rootOfMinusOne = power(2n, (fieldPrime - 1n) / 4n)

/** The point (x / z, y / z): sums need no division. */
type Fraction = readonly [x: bigint, y: bigint, z: bigint]

function sum([x1, y1, z1]: Fraction, [x2, y2, z2]: Fraction): Fraction {
  const [x, y, z] = [mod(x1 * x2), mod(y1 * y2), mod(z1 * z2)]
  const twist = mod(curve * x * y)
  const [less, more] = [mod(z * z - twist), mod(z * z + twist)]
  const cross = mod((x1 + y1) * (x2 + y2) - x - y)
  return [mod(z * less * cross), mod(z * more * (x + y)), mod(less * more)]
}

function divided([x, y, z]: Fraction): Point {
  const by = inverse(z)
  return { x: mod(x * by), y: mod(y * by) }
}

/** The sum of two points. */
export function add(one: Point, other: Point): Point {
  return divided(sum([one.x, one.y, 1n], [other.x, other.y, 1n]))
}

/** A point, as many times. */
export function times({ x, y }: Point, count: bigint): Point {
  let total: Fraction = [0n, 1n, 1n]
  let double: Fraction = [x, y, 1n]
  for (let left = count; left > 0n; left >>= 1n) {
    if (left & 1n) total = sum(total, double)
    double = sum(double, double)
  }
  return divided(total)
}

/** The point on the other side: together they are neutral. */
export function opposite({ x, y }: Point): Point {
  return { x: mod(-x), y }
}

/** The number that these bytes are, the lowest first. */
export function numberOf(bytes: Uint8Array): bigint {
  return bytes.reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n)
}

/** A number in 32 bytes, the lowest first. */
export function bytesOf(number: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, at) => Number((number >> BigInt(8 * at)) & 255n))
}

/** The encoding of a point: y, and in the highest bit whether x is odd. */
export function encodePoint({ x, y }: Point): Uint8Array {
  return bytesOf(y | ((x & 1n) << 255n))
}

/** The point behind an encoding, longer spellings included; undefined where there is none on the curve. */
export function decodePoint(bytes: Uint8Array): Point | undefined {
  const number = numberOf(bytes)
  const y = mod(number & (2n ** 255n - 1n))
  const ratio = mod((y * y - 1n) * inverse(curve * y * y + 1n))
  const candidate = power(ratio, (fieldPrime + 3n) / 8n)
  const x = [candidate, mod(candidate * rootOfMinusOne)].find(each => mod(each * each) === ratio)
  if (x === undefined) return undefined
  return (x & 1n) === number >> 255n ? { x, y } : { x: mod(-x), y }
}

/** The point that all others of the main group are multiples of. */
export const basePoint = decodePoint(bytesOf(mod(4n * inverse(5n)))) as Point

/** A point of order 8: with its multiples, all eight points of small order. */
export const torsionPoint = decodePoint(
  bytesOf(0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n),
) as Point

/** The number that the key of a 32-byte seed is (RFC 8032 §5.1.5). */
export function secretNumber(seed: Uint8Array, sha512: Hash): bigint {
  const half = sha512(seed).slice(0, 32)
  half[0] = (half[0] as number) & 248
  half[31] = ((half[31] as number) & 63) | 64
  return numberOf(half)
}

/** Canonical CBOR of JSON: one value, one byte string, and nothing else is accepted. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { decodeValue, encodeValue, fromHex, toHex, valueBytesMax, type JsonValue } from '@lattice/core'
import { anyJson, assertProperty, ownMembers } from '@lattice/core/testing'

/** JSON itself makes -0 from -0; the canonical form has one zero. */
function withoutNegativeZero(value: JsonValue): JsonValue {
  if (value === 0) return 0
  if (Array.isArray(value)) return value.map(withoutNegativeZero)
  if (typeof value !== 'object' || value === null) return value
  return ownMembers(Object.entries(value).map(([name, each]) => [name, withoutNegativeZero(each)] as const))
}

function shuffled(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(shuffled)
  if (typeof value !== 'object' || value === null) return value
  return ownMembers(
    Object.entries(value)
      .reverse()
      .map(([name, each]) => [name, shuffled(each)] as const),
  )
}

function nested(levels: number, inner: JsonValue): JsonValue {
  let value = inner
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

const decodeHex = (hex: string): JsonValue | undefined => decodeValue(fromHex(hex) as Uint8Array)

describe('values', () => {
  it('any JSON value comes back as it was', () => {
    assertProperty(
      fc.property(anyJson, value => {
        expect(decodeValue(encodeValue(value))).toEqual(withoutNegativeZero(value))
      }),
      2000,
    )
  })

  it.each([0, 1, 23, 24, 255, 256, 65_535, 65_536])(
    'text of %i characters is encoded as it is inside of a list',
    length => {
      for (const character of ['a', '\u007f', '\u0080', 'ä', '漢']) {
        const text = 'x'.repeat(Math.max(0, length - 1)) + character.repeat(Math.min(1, length))
        const alone = encodeValue(text)
        expect(toHex(encodeValue([text]))).toBe(`81${toHex(alone)}`)
        expect(decodeValue(alone)).toBe(text)
      }
    },
  )

  it('the order of members makes no difference to the bytes', () => {
    assertProperty(
      fc.property(anyJson, value => {
        expect(toHex(encodeValue(shuffled(value)))).toBe(toHex(encodeValue(value)))
      }),
      1000,
    )
  })

  it('what decodes is canonical: every accepted byte string encodes to itself', () => {
    const mutated = fc.tuple(anyJson, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
      const bytes = encodeValue(value).slice()
      bytes[at % bytes.length] = byte
      return bytes
    })
    assertProperty(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 40 })), bytes => {
        const value = decodeValue(bytes)
        if (value !== undefined) expect(toHex(encodeValue(value))).toBe(toHex(bytes))
      }),
      3000,
    )
  })

  it('keeps a leading byte order mark, in texts and in member names', () => {
    const values: JsonValue[] = ['\ufeff', '\ufeffabc', { '\ufeffk': '\ufeff\ufeff' }, '\ufeff'.repeat(300)]
    for (const value of values) expect(decodeValue(encodeValue(value))).toEqual(value)
  })

  it('a member called __proto__ is an ordinary member', () => {
    const value = JSON.parse('{"__proto__":{"a":1},"constructor":2}') as JsonValue
    const back = decodeValue(encodeValue(value)) as object
    expect(Object.getPrototypeOf(back)).toBe(Object.getPrototypeOf({}))
    expect(Object.getOwnPropertyNames(back).sort()).toEqual(['__proto__', 'constructor'])
    expect(JSON.stringify(back)).toBe('{"__proto__":{"a":1},"constructor":2}')
  })

  it('negative zero is zero', () => expect(toHex(encodeValue(-0))).toBe('00'))

  it('what is not JSON is refused', () => {
    const bad: unknown[] = [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      '\ud800',
      { '\udc00': 1 },
      undefined,
      [undefined],
      { a: undefined },
      Array.from({ length: 1 }),
      1n,
      () => 1,
      Symbol('s'),
      new Date(0),
      new Map(),
      new Uint8Array(1),
      Object.create({ inherited: 1 }) as object,
    ]
    for (const value of bad)
      expect(() => encodeValue(value as JsonValue)).toThrow(
        expect.objectContaining({ code: 'VALUE_INVALID' }),
      )
  })

  it('64 levels of nesting are taken, 65 are not, whatever is innermost', () => {
    for (const inner of [1, [], {}] as JsonValue[]) {
      const levels = typeof inner === 'object' ? 63 : 64
      const deepest = nested(levels, inner)
      expect(decodeValue(encodeValue(deepest))).toEqual(deepest)
      const code = expect.objectContaining({ code: 'VALUE_TOO_DEEP' })
      expect(() => encodeValue(nested(levels + 1, inner))).toThrow(code)
      const bytes = Uint8Array.from([0x81, ...encodeValue(deepest)])
      expect(decodeValue(bytes)).toBeUndefined()
    }
    expect(decodeValue(new Uint8Array(100_000).fill(0x81))).toBeUndefined()
  })

  it('128 KiB of canonical CBOR are taken, one byte more is not', () => {
    const largest = encodeValue('x'.repeat(valueBytesMax - 5))
    expect(largest.length).toBe(valueBytesMax)
    expect(decodeValue(largest)).toHaveLength(valueBytesMax - 5)
    const code = expect.objectContaining({ code: 'VALUE_TOO_LARGE' })
    expect(() => encodeValue('x'.repeat(valueBytesMax - 4))).toThrow(code)
    const tooLong = Uint8Array.from([0x7a, 0, 2, 0, 0, ...new Uint8Array(valueBytesMax).fill(0x61)])
    expect(decodeValue(tooLong)).toBeUndefined()
  })

  it.each([
    ['a half float', 'f93c00'],
    ['a single float', 'fa3fc00000'],
    ['an integer as a float', 'fb3ff0000000000000'],
    ['negative zero', 'fb8000000000000000'],
    ['an integer longer than needed', '1801'],
    ['an integer beyond 2^53 − 1', '1b0020000000000000'],
    ['a negative integer beyond −(2^53 − 1)', '3b001fffffffffffff'],
    ['a big integer', 'c249010000000000000000'],
    ['members out of order', 'a2616201616101'],
    ['a longer name before a shorter one', 'a262616101616201'],
    ['the same member twice', 'a2616101616102'],
    ['an indefinite array', '9f01ff'],
    ['an indefinite text', '7f6161ff'],
    ['a tag', 'c001'],
    ['bytes', '4101'],
    ['undefined', 'f7'],
    ['an unassigned simple value', 'e0'],
    ['not a number', 'fb7ff8000000000000'],
    ['infinity', 'fb7ff0000000000000'],
    ['a name that is no text', 'a10101'],
    ['text that is not UTF-8', '61ff'],
    ['half of a surrogate pair', '63eda080'],
    ['something after the value', '0000'],
    ['nothing', ''],
    ['an array cut short', '8201'],
  ])('%s is refused', (_, hex) => expect(decodeHex(hex)).toBeUndefined())

  it('shortest forms are accepted', () => {
    expect(decodeHex('fb3ff8000000000000')).toBe(1.5)
    expect(decodeHex('1b001fffffffffffff')).toBe(Number.MAX_SAFE_INTEGER)
    expect(decodeHex('fb4340000000000000')).toBe(2 ** 53)
    expect(decodeHex('a2616101616202')).toEqual({ a: 1, b: 2 })
  })
})

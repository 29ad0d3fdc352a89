/**
 * Entries: exact bytes, one reading, signed for one purpose; what is unsound is refused before it is
 * verified.
 */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  compareEntries,
  concatBytes,
  counterSlot,
  elementSlot,
  encodeValue,
  entryBytesMax,
  entrySignature,
  fromHex,
  keyBytesMax,
  keyProblem,
  parseEntry,
  signEntry,
  toHex,
  toUtf8,
  uintToBytes,
  valueBytesMax,
  versionAt,
  type EntryContent,
  type Incarnation,
  type NodeId,
  type Signer,
} from '@lattice/core'
import { anyContent, anyEntry, anyKey, assertProperty, testWall } from '@lattice/core/testing'
import { horizonContent } from '../src/horizon.ts'
import { membersMax } from '../src/limits.ts'
import { alice, bob, carol, sha256, verifies } from './crypto.ts'

const version = versionAt(testWall)
const incarnation = '00000000000000a1' as Incarnation
const one = encodeValue(1)
const plain: EntryContent = { key: 'k', slot: '', value: one, base: 0n, version }

function isAccepted(bytes: Uint8Array): boolean {
  const entry = parseEntry(bytes, sha256)
  return entry !== undefined && verifies(entrySignature(entry))
}

/** Whether every node takes `content` when `signer` signs it as it stands. */
const takes = (content: Partial<EntryContent>, signer: Signer = alice): boolean =>
  isAccepted(signEntry({ ...plain, ...content }, signer, sha256).bytes)

/** Bytes as an author with bad intentions could make them: any body, rightly signed. */
function forge(body: Uint8Array, signer: Signer = alice): Uint8Array {
  return concatBytes(body, signer.sign(concatBytes(toUtf8('lattice/entry/v1\0'), body)))
}

function body(options: {
  format?: number
  flags?: number
  base?: Uint8Array
  key?: Uint8Array
  slot?: Uint8Array
  value?: Uint8Array
}): Uint8Array {
  const { format = 1, flags = 0, base = Uint8Array.of(), key = toUtf8('k'), slot = Uint8Array.of() } = options
  return concatBytes(
    Uint8Array.of(format),
    fromHex(alice.nodeId) as Uint8Array,
    uintToBytes(version),
    Uint8Array.of(flags),
    base,
    Uint8Array.of(key.length >> 8, key.length & 255),
    key,
    Uint8Array.of(slot.length),
    slot,
    options.value ?? one,
  )
}

describe('entries', () => {
  it('come back from their bytes as they were signed', () => {
    assertProperty(
      fc.property(anyContent(alice.nodeId, sha256), content => {
        const signed = signEntry(content, alice, sha256)
        const parsed = parseEntry(signed.bytes, sha256)
        expect(parsed).toEqual({ ...signed })
        expect(toHex(signed.digest)).toBe(toHex(sha256(signed.bytes)))
        expect(verifies(entrySignature(signed))).toBe(true)
      }),
      300,
    )
  })

  it('have one byte string per content and key: Ed25519 leaves nothing to chance', () => {
    assertProperty(
      fc.property(anyContent(alice.nodeId, sha256), content => {
        const [first, second] = [1, 2].map(() => toHex(signEntry({ ...content }, alice, sha256).bytes))
        expect(first).toBe(second)
      }),
      100,
    )
  })

  it('are refused after any change of any single byte, and after any cut', () => {
    const samples: EntryContent[] = [
      plain,
      { ...plain, value: undefined },
      { ...plain, base: 5n },
      { ...plain, slot: counterSlot(alice.nodeId, incarnation), base: version },
      { ...plain, slot: elementSlot(one, sha256) },
    ]
    for (const content of samples) {
      const { bytes } = signEntry(content, alice, sha256)
      expect(isAccepted(bytes)).toBe(true)
      for (let at = 0; at < bytes.length; at++) {
        for (const change of [1, 128]) {
          const changed = bytes.slice()
          changed[at] = (changed[at] as number) ^ change
          expect(isAccepted(changed)).toBe(false)
        }
        expect(isAccepted(bytes.subarray(0, at))).toBe(false)
      }
      expect(isAccepted(concatBytes(bytes, Uint8Array.of(0)))).toBe(false)
    }
  })

  it('random changes never pass either, and never throw', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 })
    assertProperty(
      fc.property(anyEntry([alice, bob], sha256), damage, ({ bytes }, changes) => {
        const changed = bytes.slice()
        for (const [at, byte] of changes) changed[at % changed.length] = byte
        expect(isAccepted(changed)).toBe(toHex(changed) === toHex(bytes))
      }),
      500,
    )
  })

  it('arbitrary bytes never throw', () => {
    assertProperty(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        expect(parseEntry(bytes, sha256)).toBeUndefined()
        expect(parseEntry(concatBytes(Uint8Array.of(1), bytes), sha256) ?? 0).toBeDefined()
      }),
      1000,
    )
  })

  it('keep the bytes they came in, also as a window of a larger buffer', () => {
    const { bytes } = signEntry(plain, alice, sha256)
    const frame = concatBytes(Uint8Array.of(9, 9, 9), bytes, Uint8Array.of(9))
    const window = frame.subarray(3, 3 + bytes.length)
    expect(parseEntry(window, sha256)?.bytes).toBe(window)
    expect(isAccepted(window)).toBe(true)
  })

  it('a signature made for anything else is no signature of an entry', () => {
    const unsigned = body({})
    expect(isAccepted(forge(unsigned))).toBe(true)
    expect(isAccepted(concatBytes(unsigned, alice.sign(unsigned)))).toBe(false)
    const other = concatBytes(toUtf8('lattice/entry/v2\0'), unsigned)
    expect(isAccepted(concatBytes(unsigned, alice.sign(other)))).toBe(false)
    expect(isAccepted(forge(unsigned, bob))).toBe(false)
  })
})

describe('soundness of an entry', () => {
  it('a counter slot is written by its owner only', () => {
    const slot = counterSlot(alice.nodeId, incarnation)
    expect(takes({ slot })).toBe(true)
    expect(takes({ slot }, bob)).toBe(false)
  })

  it('a counter holds a whole number within ±(2^53 − 1), and is never deleted alone', () => {
    const slot = counterSlot(alice.nodeId, incarnation)
    for (const value of [0, -5, Number.MAX_SAFE_INTEGER])
      expect(takes({ slot, value: encodeValue(value) })).toBe(true)
    for (const value of [1.5, 2 ** 53, 'x', null, true, [1]])
      expect(takes({ slot, value: encodeValue(value) })).toBe(false)
    expect(takes({ slot, value: undefined })).toBe(false)
  })

  it('a set slot matches its element; a removal names it by its slot', () => {
    const slot = elementSlot(one, sha256)
    expect(takes({ slot })).toBe(true)
    expect(takes({ slot }, bob)).toBe(true)
    expect(takes({ slot, value: encodeValue(2) })).toBe(false)
    expect(takes({ slot, value: undefined, base: 7n })).toBe(true)
  })

  it('slots of any other shape are refused', () => {
    const counter = counterSlot(alice.nodeId, incarnation)
    const element = elementSlot(one, sha256)
    for (const slot of [
      '00',
      '01',
      '02',
      'ff',
      `03${element.slice(2)}`,
      counter.slice(2),
      `${element}00`,
      `${counter}00`,
      counter.slice(0, -2),
    ])
      for (const value of [one, undefined]) expect(takes({ slot, value })).toBe(false)
  })

  it('the base is not newer than the entry, and a delete of the whole key has none', () => {
    expect(takes({ base: version })).toBe(true)
    expect(takes({ base: version + 1n })).toBe(false)
    expect(takes({ value: undefined })).toBe(true)
    expect(takes({ value: undefined, base: 1n })).toBe(false)
  })

  it('version 0 means never, so no entry has it', () => {
    expect(takes({ version: 0n })).toBe(false)
    expect(takes({ version: 1n })).toBe(true)
    expect(takes({ version: 2n ** 64n - 1n })).toBe(true)
  })

  it('a horizon has a version, and names as many members as a federation has at most', () => {
    const names = (count: number): Map<NodeId, Incarnation> =>
      new Map(
        Array.from({ length: count }, (_, at) => [at.toString(16).padStart(64, '0') as NodeId, incarnation]),
      )
    expect(takes(horizonContent(version, names(membersMax)))).toBe(true)
    expect(takes(horizonContent(version, names(membersMax + 1)))).toBe(false)
    expect(takes(horizonContent(0n, names(1)))).toBe(false)
  })

  it('flags have one spelling: unknown bits, a base of zero and a tombstone with a value are refused', () => {
    expect(isAccepted(forge(body({ flags: 4 })))).toBe(false)
    expect(isAccepted(forge(body({ flags: 128 })))).toBe(false)
    expect(isAccepted(forge(body({ flags: 2, base: uintToBytes(0n) })))).toBe(false)
    expect(isAccepted(forge(body({ flags: 2, base: uintToBytes(1n) })))).toBe(true)
    expect(isAccepted(forge(body({ flags: 1 })))).toBe(false)
    expect(isAccepted(forge(body({ flags: 1, value: Uint8Array.of() })))).toBe(true)
  })

  it('other formats are refused', () => {
    for (const format of [0, 2, 255]) expect(isAccepted(forge(body({ format })))).toBe(false)
  })

  it('values that are not canonical, empty, or too large are refused', () => {
    for (const hex of ['', '1801', 'f93c00', 'f7', 'c001', 'a2616201616101', '0000'])
      expect(isAccepted(forge(body({ value: fromHex(hex) as Uint8Array })))).toBe(false)
    const fits = encodeValue('x'.repeat(valueBytesMax - 5))
    const large = Uint8Array.from([0x7a, 0, 2, 0, 0, ...new Uint8Array(valueBytesMax).fill(0x61)])
    expect(takes({ value: fits })).toBe(true)
    expect(takes({ value: large })).toBe(false)
  })

  it('keys of 1 to 512 bytes of UTF-8 are taken', () => {
    for (const key of ['x', 'x'.repeat(keyBytesMax), 'é'.repeat(256), '__proto__', '\ufeffx', '\u00a0', '😀'])
      expect([key.slice(0, 9), takes({ key }), keyProblem(key)]).toEqual([key.slice(0, 9), true, undefined])
    for (const key of ['', 'x'.repeat(keyBytesMax + 1), 'é'.repeat(256) + 'x']) {
      expect(takes({ key })).toBe(false)
      expect(keyProblem(key)).toEqual(expect.any(String))
    }
  })

  it('control characters and what is no UTF-8 are refused in keys', () => {
    for (const key of ['\u0000', 'a\nb', '\u001f', '\u007f', '\u0080', 'x\u009f'])
      expect(takes({ key })).toBe(false)
    expect(keyProblem('\ud800')).toEqual(expect.any(String))
    for (const hex of ['ff', 'c080', 'eda080', 'f4908080', '6180'])
      expect(isAccepted(forge(body({ key: fromHex(hex) as Uint8Array })))).toBe(false)
  })

  it('the largest entry has entryBytesMax bytes', () => {
    const slot = counterSlot(alice.nodeId, incarnation)
    const content = {
      key: 'x'.repeat(keyBytesMax),
      slot,
      base: 1n,
      version,
      value: new Uint8Array(valueBytesMax),
    }
    expect(signEntry(content, alice, sha256).bytes.length).toBe(entryBytesMax)
  })
})

describe('the order of entries', () => {
  it('is total: antisymmetric, transitive, and zero for equal bytes only', () => {
    const some = anyEntry([alice, bob, carol], sha256, anyKey)
    assertProperty(
      fc.property(some, some, some, (a, b, c) => {
        expect(Math.sign(compareEntries(a, b))).toBe(0 - Math.sign(compareEntries(b, a)))
        expect(compareEntries(a, b) === 0).toBe(toHex(a.bytes) === toHex(b.bytes))
        if (compareEntries(a, b) > 0 && compareEntries(b, c) > 0) expect(compareEntries(a, c) > 0).toBe(true)
      }),
      200,
    )
  })

  it('goes by version, then author, then digest', () => {
    const [low, high] = alice.nodeId < bob.nodeId ? [alice, bob] : [bob, alice]
    const sign = (content: Partial<EntryContent>, by = low) => signEntry({ ...plain, ...content }, by, sha256)
    expect(compareEntries(sign({ version: version + 1n }), sign({}, high))).toBeGreaterThan(0)
    expect(compareEntries(sign({}, high), sign({}))).toBeGreaterThan(0)
    const [a, b] = [sign({ value: encodeValue(1) }), sign({ value: encodeValue(2) })]
    expect(compareEntries(a, b) > 0).toBe(toHex(a.digest) > toHex(b.digest))
  })
})

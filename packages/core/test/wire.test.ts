/** Frames: what is said arrives as it was said, and nothing that arrives can do harm. */
import { describe, expect, it } from '@jest/globals'
import { encode } from 'cborg'
import fc from 'fast-check'
import {
  compareNodesRead,
  concatBytes,
  decodeMessage,
  encodeMessage,
  encodeValue,
  encodeVersionAnswer,
  entryBytesMax,
  frameBytesMax,
  frameEntriesMax,
  fromHex,
  isMalformed,
  membersMax,
  toHex,
  type Incarnation,
  type Message,
} from '@lattice/core'
import { anyEntry, anyMessage, anyShortMessage, assertProperty } from '@lattice/core/testing'
import { alice, bob, carol, sha256 } from './crypto.ts'
import { entryOf } from './replicas.ts'

/** Entries of one author stay in order and come together, authors in the order of their first entry. */
function grouped(entries: readonly Uint8Array[]): Uint8Array[] {
  return [...Map.groupBy(entries, entry => toHex(entry.subarray(1, 33))).values()].flat()
}

function asReceived(message: Message): Message {
  const { rows, entries, ...rest } = message
  return {
    ...rest,
    ...(rows === undefined ? {} : { rows: { ...rows, entries: grouped(rows.entries) } }),
    ...(entries === undefined ? {} : { entries: grouped(entries) }),
  }
}

/** A frame with these sections, as anybody could write it. */
const frame = (sections: readonly (readonly [number, unknown])[], version = 1): Uint8Array =>
  concatBytes(Uint8Array.of(version), encode(new Map(sections)))

const malformed = (sections: readonly (readonly [number, unknown])[], version = 1): string | undefined => {
  const result = decodeMessage(frame(sections, version), alice.nodeId)
  return isMalformed(result) ? result.malformed : undefined
}

const bytes = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill)
const beat = [bytes(8), 5, bytes(32), 3, 1000, null, 20]
const someMessage = anyMessage([alice, bob, carol], sha256)

describe('a message', () => {
  it('arrives as it was sent, its entries to the byte', () => {
    assertProperty(
      fc.property(someMessage, message => {
        expect(decodeMessage(encodeMessage(message))).toEqual(asReceived(message))
      }),
      200,
    )
  })

  it('has one frame: what was received encodes to the same bytes', () => {
    assertProperty(
      fc.property(someMessage, message => {
        const sent = encodeMessage(message)
        expect(toHex(encodeMessage(decodeMessage(sent) as Message))).toBe(toHex(sent))
      }),
      200,
    )
  })

  it('brings every signed byte of every entry through the grouping by author', () => {
    const lists = fc.array(anyEntry([alice, bob, carol], sha256), { maxLength: 12 })
    assertProperty(
      fc.property(lists, entries => {
        const sent = entries.map(entry => toHex(entry.bytes))
        const received = decodeMessage(
          encodeMessage({ entries: entries.map(entry => entry.bytes) }),
        ) as Message
        expect((received.entries ?? []).map(toHex).sort()).toEqual(sent.sort())
      }),
      100,
    )
  })

  it('that says nothing is two bytes, and that it does not leave is not said', () => {
    expect(toHex(encodeMessage({}))).toBe('01a0')
    expect(toHex(encodeMessage({ leaving: false }))).toBe('01a0')
    expect(decodeMessage(encodeMessage({ leaving: true }))).toEqual({ leaving: true })
  })

  it('with the largest entry fits a frame', () => {
    const entry = bytes(entryBytesMax)
    const sent = encodeMessage({ entries: [entry] })
    expect(sent.length).toBeLessThan(frameBytesMax)
    expect((decodeMessage(sent) as Message).entries).toEqual([entry])
  })
})

describe('a message of version 2', () => {
  const short = anyShortMessage([alice, bob, carol], sha256)

  it('arrives as it was sent, and what was received encodes to the same bytes', () => {
    assertProperty(
      fc.property(short, message => {
        const sent = encodeMessage(message, alice.nodeId)
        const received = decodeMessage(sent, alice.nodeId) as Message
        expect(received).toEqual(asReceived(message))
        expect(toHex(encodeMessage(received, alice.nodeId))).toBe(toHex(sent))
      }),
      300,
    )
  })

  it('does not name its sender as the author of entries', () => {
    const entry = entryOf({ tick: 1, value: encodeValue(1) }, alice).bytes
    const named = encodeMessage({ version: 2, entries: [entry] })
    const unnamed = encodeMessage({ version: 2, entries: [entry] }, alice.nodeId)
    expect(named.length - unnamed.length).toBe(33)
    expect(decodeMessage(unnamed, alice.nodeId)).toEqual({ version: 2, entries: [entry] })
    expect(isMalformed(decodeMessage(unnamed))).toBe(true)
    const misread = decodeMessage(unnamed, bob.nodeId) as Message
    expect(toHex(misread.entries?.[0]?.subarray(1, 33) as Uint8Array)).toBe(bob.nodeId)
  })

  it('with damage is a message or malformed, never an error', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    assertProperty(
      fc.property(short, damage, (message, changes) => {
        const damaged = encodeMessage(message, alice.nodeId).slice()
        for (const [at, byte] of changes) damaged[at % damaged.length] = byte
        const result = decodeMessage(damaged, alice.nodeId)
        if (!isMalformed(result)) encodeMessage(result, alice.nodeId)
      }),
      500,
    )
  })

  it('has bounds as well: whole standings, rows within them, as many marks as members', () => {
    const standing = (...tail: number[]): [number, unknown] => [13, Uint8Array.of(...tail)]
    const same = [1 | 2, 7, 7, 7, 7]
    expect(malformed([standing(...same, 100)], 2)).toBeUndefined()
    expect(malformed([standing(...same)], 2)).toBe('standing is malformed')
    expect(malformed([standing(...same, 255, 255, 255, 255, 255, 255, 255, 15)], 2)).toBeUndefined()
    expect(malformed([standing(...same, 255, 255, 255, 255, 255, 255, 255, 16)], 2)).toBe(
      'standing is malformed',
    )
    expect(malformed([standing(...same, 255, 255, 255, 255, 255, 255, 255, 255)], 2)).toBe(
      'standing is malformed',
    )
    expect(malformed([[14, [1, []]]], 2)).toBe('rows is malformed')
    expect(malformed([standing(...same, 9), [14, [9, []]]], 2)).toBeUndefined()
    expect(malformed([standing(...same, 9), [14, [10, []]]], 2)).toBe('rows.span is malformed')
    expect(malformed([standing(...same, 9), [14, [0, [], bytes(0), 10]]], 2)).toBe('rows.behind is malformed')
    expect(malformed([[15, bytes(9 * membersMax)]], 2)).toBeUndefined()
    expect(malformed([[15, bytes(9 * membersMax + 9)]], 2)).toBe('acks is malformed')
  })
})

describe('whatever arrives', () => {
  it('arbitrary bytes are a message or malformed, never an error', () => {
    assertProperty(
      fc.property(fc.uint8Array({ maxLength: 300 }), body => {
        expect(decodeMessage(body)).toBeDefined()
        for (const version of [1, 2])
          expect(decodeMessage(concatBytes(Uint8Array.of(version), body), alice.nodeId)).toBeDefined()
      }),
      3000,
    )
  })

  it('damaged frames are a message or malformed, and a message again can be sent again', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    assertProperty(
      fc.property(someMessage, damage, fc.nat(), (message, changes, cut) => {
        const damaged = encodeMessage(message).slice()
        for (const [at, byte] of changes) damaged[at % damaged.length] = byte
        for (const received of [damaged, damaged.subarray(0, cut % damaged.length)]) {
          const result = decodeMessage(received)
          if (isMalformed(result)) expect(result.malformed.length).toBeGreaterThan(0)
          else expect(isMalformed(decodeMessage(encodeMessage(result)))).toBe(false)
        }
      }),
      500,
    )
  })

  it('any CBOR in any section is a message or malformed', () => {
    const data = fc.anything({ withTypedArray: true, withNullPrototype: true, maxDepth: 3 })
    assertProperty(
      fc.property(fc.integer({ min: 0, max: 12 }), data, (number, value) => {
        let sent: Uint8Array
        try {
          sent = frame([[number, value]])
        } catch {
          return // not every value has an encoding
        }
        expect(decodeMessage(sent)).toBeDefined()
      }),
      1500,
    )
  })

  it('deep and endless structures end at once', () => {
    for (const byte of [0x81, 0xa1, 0xbf, 0x9f, 0x5b, 0x9b, 0xbb, 0xdb]) {
      const bomb = concatBytes(Uint8Array.of(1), bytes(frameBytesMax - 1, byte))
      expect(isMalformed(decodeMessage(bomb))).toBe(true)
    }
    const huge = fromHex('01a1059b001fffffffffffff00') as Uint8Array
    expect(isMalformed(decodeMessage(huge))).toBe(true)
  })

  it('an empty frame and one of more than 256 KiB are malformed', () => {
    expect(isMalformed(decodeMessage(Uint8Array.of()))).toBe(true)
    const fits = frame([[99, bytes(frameBytesMax - 9)]])
    expect(fits.length).toBe(frameBytesMax)
    expect(decodeMessage(fits)).toEqual({})
    expect(isMalformed(decodeMessage(concatBytes(fits, Uint8Array.of(0))))).toBe(true)
  })
})

describe('versions', () => {
  it('sections of a later time are skipped, further items of a known section too', () => {
    const later = [
      [99, { anything: [1] }],
      [9, ['n', 'r', 's', 'more']],
      [1, [...beat, 'more', 2]],
    ] as const
    expect(decodeMessage(frame(later))).toEqual({
      info: { name: 'n', role: 'r', software: 's' },
      beat: {
        incarnation: '0707070707070707',
        seq: 5,
        root: bytes(32),
        count: 3,
        wall: 1000,
        heardMs: { http: 20 },
      },
    })
  })

  it('a frame of another version is malformed and says which', () => {
    for (const version of [3, 9, 255]) expect(decodeMessage(frame([], version))).toMatchObject({ version })
    expect(decodeMessage(Uint8Array.of(0, 1))).toMatchObject({ version: 0 })
  })

  it('the answer to such a frame names the range spoken', () => {
    expect(toHex(encodeVersionAnswer())).toBe('000102')
    expect(decodeMessage(Uint8Array.of(0, 2, 7))).toEqual({
      speaks: [2, 7],
      malformed: 'the peer speaks protocol 2 to 7, this node 1 to 2',
    })
  })
})

describe('bounds', () => {
  const incarnation = '0707070707070707' as Incarnation

  it('of numbers: whole, not negative, exact', () => {
    for (const bad of [-1, 1.5, 'x', null, true, bytes(1)])
      expect(malformed([[1, [bytes(8), bad, bytes(32), 0, 0, null, null]]])).toBe('beat.seq is malformed')
    expect(malformed([[8, 60_000]])).toBeUndefined()
    expect(malformed([[8, 60_001]])).toBe('wait is malformed')
  })

  it('of ids and roots: exact lengths', () => {
    expect(malformed([[1, beat]])).toBeUndefined()
    expect(malformed([[1, [bytes(7), ...beat.slice(1)]]])).toBe('incarnation is malformed')
    expect(malformed([[1, [bytes(8), 5, bytes(31), 3, 1000, null, null]]])).toBe('beat.root is malformed')
    expect(malformed([[2, [[bytes(33), bytes(8), 1]]]])).toBe('node id is malformed')
    expect(malformed([[1, beat.slice(0, 3)]])).toBe('beat.count is malformed')
  })

  it('of acknowledgements: as many as a federation has members', () => {
    const ack = { node: alice.nodeId, incarnation, seq: 1 }
    const acks = (length: number): Message => ({ acks: Array.from({ length }, () => ack) })
    expect(isMalformed(decodeMessage(encodeMessage(acks(membersMax))))).toBe(false)
    expect(isMalformed(decodeMessage(encodeMessage(acks(membersMax + 1))))).toBe(true)
  })

  it('of entries: how many, how large, and with their author', () => {
    const rest = bytes(80)
    const groups = (count: number): unknown[] => [bytes(32), Array.from({ length: count }, () => bytes(1))]
    expect(malformed([[5, groups(frameEntriesMax)]])).toBeUndefined()
    expect(malformed([[5, groups(frameEntriesMax + 1)]])).toBe('entries is malformed')
    expect(malformed([[5, [...groups(frameEntriesMax), bytes(32, 8), [rest]]]])).toBe('entries is malformed')
    expect(malformed([[5, [bytes(32), [bytes(entryBytesMax + 1)]]]])).toBe('entries.entry is malformed')
    expect(malformed([[5, [bytes(31), [rest]]]])).toBe('entries.author is malformed')
    expect(malformed([[5, [bytes(32)]]])).toBe('entries is malformed')
    expect(malformed([[5, [bytes(32), [Uint8Array.of()]]]])).toBe('entries.entry is malformed')
  })

  it('of rows: they do not run backwards, and locators are whole and no more than entries', () => {
    const rows = (after: number, upTo: number, locators = bytes(0)): unknown => [
      bytes(8),
      after,
      upTo,
      [],
      locators,
    ]
    expect(malformed([[3, rows(1, 1, bytes(20))]])).toBeUndefined()
    expect(malformed([[3, rows(2, 1)]])).toBe('rows.upTo is malformed')
    expect(malformed([[3, rows(1, 2, bytes(11))]])).toBe('rows.locators is malformed')
    expect(malformed([[3, rows(1, 2, bytes(10 * frameEntriesMax))]])).toBeUndefined()
    expect(malformed([[3, rows(1, 2, bytes(10 * (frameEntriesMax + 1)))]])).toBe('rows.locators is malformed')
  })

  it('of wants and summaries: how many, digests of 1 to 32 bytes, prefixes of their very length', () => {
    const want = [bytes(1), 2, Uint8Array.of(2, 1, 1)]
    const many = (count: number): unknown[] => Array.from({ length: count }, () => want)
    expect(malformed([[6, many(compareNodesRead)]])).toBeUndefined()
    expect(malformed([[6, many(compareNodesRead + 1)]])).toBe('want is malformed')
    expect(malformed([[7, [6, ...many(compareNodesRead)]]])).toBeUndefined()
    expect(malformed([[7, [6, ...many(compareNodesRead + 1)]]])).toBe('compare is malformed')
    expect(malformed([[6, [[bytes(2), 2, Uint8Array.of(1)]]]])).toBe('prefix is malformed')
    expect(malformed([[6, [[bytes(64), 128, Uint8Array.of(1)]]]])).toBeUndefined()
    expect(malformed([[6, [[bytes(65), 129, Uint8Array.of(1)]]]])).toBe('prefix.length is malformed')
    for (const digests of [[], [0], [33], [2, 1], [2, 1, 1, 1]])
      expect(malformed([[6, [[bytes(1), 2, Uint8Array.from(digests)]]]])).toBe('digests is malformed')
    for (const size of [0, 33]) expect(malformed([[7, [size]]])).toBe('compare.digestBytes is malformed')
  })

  it('of branches: two to sixteen children, as many digests, a depth at or below the prefix', () => {
    const branch = (length: number, depth: number, bitmap: number, digests: number[]): unknown => [
      6,
      [bytes((depth + 1) >> 1), length, Uint8Array.from(digests), depth, bitmap],
    ]
    expect(malformed([[7, branch(2, 2, 0b11, [1, 5, 6])]])).toBeUndefined()
    expect(malformed([[7, branch(2, 5, 0b11, [1, 5, 6])]])).toBeUndefined()
    expect(malformed([[7, branch(3, 2, 0b11, [1, 5, 6])]])).toBe('summary.depth is malformed')
    expect(malformed([[7, branch(2, 128, 0b11, [1, 5, 6])]])).toBe('summary.depth is malformed')
    expect(malformed([[7, branch(2, 2, 0b1, [1, 5])]])).toBe('summary.bitmap is malformed')
    expect(malformed([[7, branch(2, 2, 0b111, [1, 5, 6])]])).toBe('summary.bitmap is malformed')
    expect(malformed([[7, branch(2, 2, 0x1_0001, [1, 5, 6])]])).toBe('summary.bitmap is malformed')
  })

  it('of what is told for people: 256 characters each', () => {
    expect(malformed([[9, ['x'.repeat(256), '', '']]])).toBeUndefined()
    expect(malformed([[9, ['x'.repeat(257), '', '']]])).toBe('info is malformed')
    expect(malformed([[9, ['x', 'y']]])).toBe('info is malformed')
    expect(malformed([[10, false]])).toBe('leaving is malformed')
  })

  it('the same section twice, text as a section number and a list for a frame are malformed', () => {
    for (const hex of ['01a208010802', '0180', '01f6', '0101'])
      expect(isMalformed(decodeMessage(fromHex(hex) as Uint8Array))).toBe(true)
    expect(decodeMessage(fromHex('01a1613801') as Uint8Array)).toEqual({})
  })

  it('node ids come back as they were', () => {
    const entry = entryOf({ tick: 1, value: encodeValue(1) })
    const acks = [{ node: entry.author, incarnation, seq: 0 }]
    const received = decodeMessage(encodeMessage({ acks })) as Message
    expect(received.acks?.[0]?.node).toBe(alice.nodeId)
  })
})

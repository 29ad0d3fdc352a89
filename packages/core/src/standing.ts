/**
 * The standing as bytes: one byte of flags, then what they say follows, numbers as LEB128 (DWARF §7.6).
 *
 * Some forty bytes, thirty-two of them the root: it is in nearly every frame, so it is packed by hand.
 */
import { fromHex } from './bytes.ts'
import { membersMax } from './limits.ts'
import type { AckMark, Standing } from './message.ts'
import { fail, readIncarnation } from './wire-fields.ts'

/** Bytes of an id in a tag or `AckMark`: a frame of another life passes for one of this life once in 2^32. */
export const markBytes = 4

const flag = {
  tag: 1,
  sameRoot: 2,
  ack: 4,
  pull: 8,
  full: 16,
  heard: 32,
  details: 64,
  ahead: 128,
} as const

/** Most bytes of a number up to 2^53 − 1. */
const numberBytesMax = 8

/** Most bytes of a standing: flags, two incarnations, a root and seven numbers. */
const standingBytesMax = 1 + 2 * 8 + 32 + 7 * numberBytesMax

/** Packs a standing. */
export function packStanding(standing: Standing): Uint8Array {
  const { lives, seq, root, ack, pull, ahead, heardMs, details } = standing
  const heard = heardMs.p2p !== undefined || heardMs.http !== undefined
  const flags =
    ('tag' in lives ? flag.tag : 0) |
    (root === 'same' ? flag.sameRoot : 0) |
    (ack === undefined ? 0 : flag.ack) |
    (pull === undefined ? 0 : flag.pull) |
    (pull === 'full' ? flag.full : 0) |
    (heard ? flag.heard : 0) |
    (details === undefined ? 0 : flag.details) |
    (ahead === undefined ? 0 : flag.ahead)
  const writer = new Writer(standingBytesMax)
  writer.byte(flags)
  if ('tag' in lives) writer.put(lives.tag)
  else {
    writer.put(fromHex(lives.own) as Uint8Array)
    if ((ack ?? pull) !== undefined) writer.put(fromHex(lives.yours ?? lives.own) as Uint8Array)
  }
  writer.number(seq)
  if (ack !== undefined) writer.number(ack)
  if (root !== 'same') writer.put(root)
  if (heard) {
    writer.number(ageOf(heardMs.p2p))
    writer.number(ageOf(heardMs.http))
  }
  if (details !== undefined) {
    writer.number(details.count)
    writer.number(details.wall)
  }
  if (ahead !== undefined) writer.number(ahead)
  return writer.written
}

/** Reads a standing; bytes that follow it are of a later time. */
export function unpackStanding(packed: Uint8Array): Standing {
  const reader = new Reader(packed)
  const flags = reader.byte()
  const has = (bit: number): boolean => (flags & bit) !== 0
  const lives = has(flag.tag)
    ? { tag: reader.take(markBytes) }
    : {
        own: readIncarnation(reader.take(8)),
        ...(has(flag.ack | flag.pull) ? { yours: readIncarnation(reader.take(8)) } : {}),
      }
  const seq = reader.number()
  const ack = has(flag.ack) ? reader.number() : undefined
  const root = has(flag.sameRoot) ? 'same' : reader.take(32)
  const [p2p, http] = has(flag.heard) ? [reader.number() - 1, reader.number() - 1] : [-1, -1]
  const details = has(flag.details) ? { count: reader.number(), wall: reader.number() } : undefined
  const ahead = has(flag.ahead) ? reader.number() : undefined
  return {
    lives,
    seq,
    root,
    ...(ack === undefined ? {} : { ack }),
    ...(has(flag.pull) ? { pull: has(flag.full) ? 'full' : 'brief' } : {}),
    ...(ahead === undefined ? {} : { ahead }),
    heardMs: { ...(p2p < 0 ? {} : { p2p }), ...(http < 0 ? {} : { http }) },
    ...(details === undefined ? {} : { details }),
  }
}

/** Packs acknowledgements, one after the other. */
export function packAckMarks(marks: readonly AckMark[]): Uint8Array {
  const writer = new Writer(marks.length * (2 * markBytes + numberBytesMax))
  for (const { node, incarnation, seq } of marks) {
    writer.put(node)
    writer.put(incarnation)
    writer.number(seq)
  }
  return writer.written
}

/** Reads packed acknowledgements, as many as a federation has members at most. */
export function unpackAckMarks(packed: Uint8Array): AckMark[] {
  const reader = new Reader(packed)
  const marks: AckMark[] = []
  while (!reader.atEnd) {
    if (marks.length >= membersMax) fail('acks')
    marks.push({
      node: reader.take(markBytes),
      incarnation: reader.take(markBytes),
      seq: reader.number(),
    })
  }
  return marks
}

/** One more than the milliseconds; 0 says that it never was. */
function ageOf(ms: number | undefined): number {
  return ms === undefined ? 0 : Math.min(ms, Number.MAX_SAFE_INTEGER - 1) + 1
}

/** Puts bytes one after the other into memory of a known size. */
class Writer {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytesMax: number) {
    this.#bytes = new Uint8Array(bytesMax)
  }

  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  byte(byte: number): void {
    this.#bytes[this.#at++] = byte
  }

  put(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  number(number: number): void {
    let rest = number
    for (; rest > 127; rest = Math.floor(rest / 128)) this.byte(128 + (rest % 128))
    this.byte(rest)
  }
}

/** Takes bytes from the front; what is not there makes the frame malformed. */
class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  byte(): number {
    return this.take(1)[0] as number
  }

  take(length: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at + length)
    if (taken.length < length) fail('standing')
    this.#at += length
    return taken
  }

  number(): number {
    let number = 0
    let unit = 1
    for (let read = 0; read < numberBytesMax; read++) {
      const byte = this.byte()
      number += (byte & 127) * unit
      if (byte < 128) return number <= Number.MAX_SAFE_INTEGER ? number : fail('standing')
      unit *= 128
    }
    return fail('standing')
  }
}

/**
 * Frames: one version byte, then the message as CBOR. Malformed is a value, not a throw.
 *
 * Section numbers are append-only; unknown ones are skipped, so newer nodes can say more. Entries travel
 * grouped by author, with the 32 author bytes left out and put back by the reader: the signed bytes arrive
 * exactly as they were. Every length is bounded before it is believed (docs/protocol.md §7). Version 2
 * differs in what nearly every frame carries: beat, acknowledgement, rows and pull (standing.ts).
 */
import { decode, encode } from 'cborg'
import { concatBytes, fromHex, uintToBytes } from './bytes.ts'
import { digestCount, digestSize, isDigestList, type DigestList } from './digest-list.ts'
import { compareNodesRead, frameBytesMax, membersMax } from './limits.ts'
import type {
  Ack,
  Beat,
  Compare,
  FrameVersion,
  HorizonReport,
  Info,
  Message,
  OwnAck,
  Pull,
  Summary,
  Want,
} from './message.ts'
import {
  encodeRows,
  encodeRowsOfStanding,
  groupByAuthor,
  readEntries,
  readRows,
  readRowsOfStanding,
} from './rows.ts'
import { packAckMarks, packStanding, unpackAckMarks, unpackStanding } from './standing.ts'
import { sumBytes } from './subtree-sums.ts'
import type { NodeId, Version } from './units.ts'
import { bytes, fail, list, readIncarnation, readNode, text, uint } from './wire-fields.ts'

/** The newest frame version this build speaks. */
export const protocolVersion = 2

/** The oldest: nodes that speak no other are still understood, and spoken to. */
export const oldestProtocolVersion = 1

/** A frame that was not understood, and why. */
export interface Malformed {
  readonly malformed: string
  /** Set where the frame is of another protocol version: its version byte. */
  readonly version?: number
  /** Set where the frame says which versions its sender speaks. */
  readonly speaks?: readonly [lowest: number, highest: number]
}

/** Number 16 is spent: it stood for a section that nobody sent. */
const section = {
  beat: 1,
  acks: 2,
  rows: 3,
  pull: 4,
  entries: 5,
  want: 6,
  compare: 7,
  waitMs: 8,
  info: 9,
  leaving: 10,
  ack: 11,
  speaks: 12,
  standing: 13,
  rowsOfStanding: 14,
  ackMarks: 15,
  horizon: 17,
  reads: 18,
  answered: 19,
  readsSums: 20,
} as const

/** Leaves told one by one under a prefix: a sender lists some twenty before it descends instead. */
const summaryLeavesMax = 256

/** First byte of the answer to a frame of an unknown version; the range spoken follows as two bytes. */
const versionAnswer = 0

/**
 * The frame that carries `message`. The caller keeps within the budgets; see `frameBytesMax`.
 * @param self the sender: in version 2 its own entries need not name their author
 */
export function encodeMessage(message: Message, self?: NodeId): Uint8Array {
  const sections = new Map<number, unknown>()
  const put = (number: number, value: unknown): unknown => value !== undefined && sections.set(number, value)
  const { version = 1, standing, rows, ack, acks, ackMarks, pull, info, compare, want } = message
  const implied = version === 1 || self === undefined ? undefined : fromHex(self)
  put(section.beat, message.beat && encodeBeat(message.beat))
  put(
    section.acks,
    acks?.map(each => [fromHex(each.node), fromHex(each.incarnation), each.seq]),
  )
  if (version === 1) put(section.rows, rows && encodeRows(rows))
  put(section.ack, ack && [fromHex(ack.incarnation), ack.seq])
  put(section.pull, pull && [fromHex(pull.incarnation), pull.after, pull.full])
  put(section.entries, message.entries && groupByAuthor(message.entries, implied))
  put(
    section.want,
    want?.map(each => [each.prefix, each.length, each.digests]),
  )
  put(section.compare, compare && [compare.digestBytes, ...compare.summaries.map(encodeSummary)])
  put(section.reads, message.reads)
  put(section.answered, message.answered)
  put(section.readsSums, message.readsSums === true ? true : undefined)
  put(section.waitMs, message.waitMs)
  put(section.info, info && [info.name, info.role, info.software])
  put(
    section.horizon,
    message.horizon && [uintToBytes(message.horizon.settled), uintToBytes(message.horizon.floor)],
  )
  put(section.leaving, message.leaving === true ? true : undefined)
  put(section.speaks, message.speaks)
  put(section.standing, standing && packStanding(standing))
  if (version === 2) put(section.rowsOfStanding, rows && encodeRowsOfStanding(rows, standing, implied))
  put(section.ackMarks, ackMarks && packAckMarks(ackMarks))
  return concatBytes(Uint8Array.of(version), encode(sections))
}

/** The answer to a frame of a version we do not speak: names the range that we do. */
export function encodeVersionAnswer(): Uint8Array {
  return Uint8Array.of(versionAnswer, oldestProtocolVersion, protocolVersion)
}

/**
 * Reads a frame.
 * @param from its sender: the author of the entries that name none
 */
export function decodeMessage(frame: Uint8Array, from?: NodeId): Message | Malformed {
  if (frame.length === 0) return { malformed: 'the frame is empty' }
  if (frame.length > frameBytesMax) return { malformed: `the frame takes more than ${frameBytesMax} bytes` }
  const [version, lowest, highest] = frame as Iterable<number> as [number, number, number]
  if (version === versionAnswer && frame.length === 3) {
    const range = `${oldestProtocolVersion} to ${protocolVersion}`
    return {
      malformed: `the peer speaks protocol ${lowest} to ${highest}, this node ${range}`,
      speaks: [lowest, highest],
    }
  }
  if (version !== 1 && version !== 2) return { malformed: `protocol version ${version} is unknown`, version }
  try {
    return readMessage(decode(frame.subarray(1), decodeOptions), version, from)
  } catch (error) {
    // The readers below and the decoder throw on the first thing that is not as specified; nothing else is
    // called.
    return { malformed: Error.isError(error) ? error.message : 'the frame is malformed' }
  }
}

/** Whether `decodeMessage` failed. */
export function isMalformed(result: Message | Malformed): result is Malformed {
  return 'malformed' in result
}

const decodeOptions = {
  strict: true,
  useMaps: true,
  rejectDuplicateMapKeys: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
}

function encodeBeat(beat: Beat): unknown[] {
  const { p2p, http } = beat.heardMs
  return [fromHex(beat.incarnation), beat.seq, beat.root, beat.count, beat.wall, p2p ?? null, http ?? null]
}

function encodeSummary({ prefix, length, digests, depth, bitmap, sums }: Summary): unknown[] {
  if (sums) return [prefix, length, digests, depth, bitmap, true]
  return bitmap === undefined ? [prefix, length, digests] : [prefix, length, digests, depth, bitmap]
}

function readMessage(value: unknown, version: FrameVersion, from: NodeId | undefined): Message {
  if (!(value instanceof Map)) return fail('the frame')
  const read = <T>(number: number, reader: (value: unknown) => T): T | undefined =>
    value.has(number) ? reader(value.get(number)) : undefined
  const readIn = <T>(only: FrameVersion, number: number, reader: (value: unknown) => T): T | undefined =>
    version === only ? read(number, reader) : undefined
  const sender = version === 1 || from === undefined ? undefined : fromHex(from)
  const standing = readIn(2, section.standing, packed =>
    unpackStanding(bytes(packed, 'standing', 1, frameBytesMax)),
  )
  return present({
    version: version === 1 ? undefined : version,
    beat: readIn(1, section.beat, readBeat),
    acks: readIn(1, section.acks, acks => list(acks, 'acks', membersMax).map(readAck)),
    ack: readIn(1, section.ack, readOwnAck),
    rows:
      readIn(1, section.rows, readRows) ??
      readIn(2, section.rowsOfStanding, rows => readRowsOfStanding(rows, standing, sender)),
    pull: readIn(1, section.pull, readPull),
    entries: read(section.entries, entries => readEntries(entries, sender)),
    want: read(section.want, wants => list(wants, 'want', compareNodesRead).map(readWant)),
    compare: read(section.compare, readCompare),
    reads: read(section.reads, reads => uint(reads, 'reads')),
    answered: read(section.answered, answered => uint(answered, 'answered')),
    readsSums: read(section.readsSums, reads => reads === true || fail('readsSums')),
    waitMs: read(section.waitMs, wait => uint(wait, 'wait', 60_000)),
    info: read(section.info, readInfo),
    horizon: read(section.horizon, readHorizon),
    leaving: read(section.leaving, leaving => leaving === true || fail('leaving')),
    speaks: readIn(1, section.speaks, speaks => uint(speaks, 'speaks', 255)),
    standing,
    ackMarks: readIn(2, section.ackMarks, marks => unpackAckMarks(bytes(marks, 'acks', 0, frameBytesMax))),
  })
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

function present<T extends object>(object: T): Partial<Defined<T>> {
  const defined: Record<string, unknown> = {}
  for (const name in object) if (object[name] !== undefined) defined[name] = object[name]
  return defined as Partial<Defined<T>>
}

function readBeat(value: unknown): Beat {
  const [incarnation, seq, root, count, wall, p2p, http] = list(value, 'beat', 16)
  return {
    incarnation: readIncarnation(incarnation),
    seq: uint(seq, 'beat.seq'),
    root: bytes(root, 'beat.root', 32, 32),
    count: uint(count, 'beat.count'),
    wall: uint(wall, 'beat.wall'),
    heardMs: {
      ...(p2p == null ? {} : { p2p: uint(p2p, 'beat.heard') }),
      ...(http == null ? {} : { http: uint(http, 'beat.heard') }),
    },
  }
}

function readAck(value: unknown): Ack {
  const [node, incarnation, seq] = list(value, 'ack', 8)
  return { node: readNode(node), incarnation: readIncarnation(incarnation), seq: uint(seq, 'ack.seq') }
}

function readOwnAck(value: unknown): OwnAck {
  const [incarnation, seq] = list(value, 'ack', 8)
  return { incarnation: readIncarnation(incarnation), seq: uint(seq, 'ack.seq') }
}

function readPull(value: unknown): Pull {
  const [incarnation, after, full] = list(value, 'pull', 8)
  return { incarnation: readIncarnation(incarnation), after: uint(after, 'pull.after'), full: full === true }
}

function readWant(value: unknown): Want {
  const [prefix, length, digests] = list(value, 'want', 8)
  return { ...readPrefix(prefix, length), digests: readDigests(digests) }
}

function readCompare(value: unknown): Compare {
  const [digestBytes, ...summaries] = list(value, 'compare', compareNodesRead + 1)
  const size = uint(digestBytes, 'compare.digestBytes', 32)
  return {
    digestBytes: size === 0 ? fail('compare.digestBytes') : size,
    summaries: summaries.map(readSummary),
  }
}

function readSummary(value: unknown): Summary {
  const [prefix, length, digests, depth, bitmap, sums] = list(value, 'summary', 8)
  const place = readPrefix(prefix, length, depth)
  const told = { ...place, digests: readDigests(digests) }
  const count = digestCount(told.digests)
  if (bitmap === undefined) return count <= summaryLeavesMax ? told : fail('summary.leaves')
  const bits = uint(bitmap, 'summary.bitmap', 0xffff)
  if (bitCount(bits) !== count || count < (sums === true ? 1 : 2)) fail('summary.bitmap')
  const branch = { ...told, depth: uint(depth, 'summary.depth', 127), bitmap: bits }
  if (sums === undefined) return branch
  return sums === true && digestSize(told.digests) === sumBytes ? { ...branch, sums } : fail('summary.sums')
}

function bitCount(bits: number): number {
  let count = 0
  for (let left = bits; left !== 0; left &= left - 1) count++
  return count
}

function readPrefix(
  prefix: unknown,
  length: unknown,
  depth?: unknown,
): { prefix: Uint8Array; length: number } {
  const nibbles = uint(length, 'prefix.length', 128)
  const reach = depth === undefined ? nibbles : uint(depth, 'summary.depth', 127)
  if (reach < nibbles) fail('summary.depth')
  const size = (reach + 1) >> 1
  return { prefix: bytes(prefix, 'prefix', size, size), length: nibbles }
}

function readDigests(value: unknown): DigestList {
  const list = bytes(value, 'digests', 1, frameBytesMax)
  return isDigestList(list) ? list : fail('digests')
}

function readInfo(value: unknown): Info {
  const [name, role, software] = list(value, 'info', 8)
  return { name: text(name), role: text(role), software: text(software) }
}

function readHorizon(value: unknown): HorizonReport {
  const [settled, floor] = list(value, 'horizon', 8)
  return { settled: readVersion(settled), floor: readVersion(floor) }
}

function readVersion(value: unknown): Version {
  const packed = bytes(value, 'version', 8, 8)
  return new DataView(packed.buffer, packed.byteOffset).getBigUint64(0)
}

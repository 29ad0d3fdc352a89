/**
 * Frames: one version byte, then the message as CBOR. Malformed is a value, not a throw.
 *
 * Section numbers are append-only; unknown ones are skipped, so newer nodes can say more. Entries travel
 * grouped by author, with the 32 author bytes left out and put back by the reader: the signed bytes arrive
 * exactly as they were. Every length is bounded before it is believed (docs/protocol.md §4).
 */
import { decode, encode } from 'cborg'
import { concatBytes, equalBytes, fromHex, toHex } from './bytes.ts'
import { compareNodesMax, frameBytesMax, frameEntriesMax, entryBytesMax, membersMax } from './limits.ts'
import type {
  Ack,
  Beat,
  Compare,
  Info,
  Locator,
  Message,
  OwnAck,
  Pull,
  Rows,
  Summary,
  Want,
} from './message.ts'
import { isIncarnation, isNodeId, type Incarnation, type NodeId } from './units.ts'

/** The one protocol version this build speaks. */
export const protocolVersion = 1

/** Bytes of the path in a locator: 2^32 places, so a prefix holds one leaf, rarely two. */
export const locatorPathBytes = 4

/** Bytes of the leaf digest in a locator; with the path 80 bits, and the root is checked afterwards. */
export const locatorDigestBytes = 6

/** A frame that was not understood, and why. */
export interface Malformed {
  readonly malformed: string
  /**
   * Set where the frame is of another protocol version: the versions its sender names, or the version byte.
   */
  readonly version?: number
}

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
} as const

/** Leaves told one by one under a prefix: a sender lists some twenty before it descends instead. */
const summaryLeavesMax = 256

/** First byte of the answer to a frame of an unknown version; the range spoken follows as two bytes. */
const versionAnswer = 0

const authorStart = 1
const authorEnd = 33

/** The frame that carries `message`. The caller keeps within the budgets; see `frameBytesMax`. */
export function encodeMessage(message: Message): Uint8Array {
  const sections = new Map<number, unknown>()
  const put = (number: number, value: unknown): unknown => value !== undefined && sections.set(number, value)
  put(section.beat, message.beat && encodeBeat(message.beat))
  put(
    section.acks,
    message.acks?.map(ack => [fromHex(ack.node), fromHex(ack.incarnation), ack.seq]),
  )
  put(section.rows, message.rows && encodeRows(message.rows))
  const { ack, pull, info, compare } = message
  put(section.ack, ack && [fromHex(ack.incarnation), ack.seq])
  put(section.pull, pull && [fromHex(pull.incarnation), pull.after, pull.full])
  put(section.entries, message.entries && groupByAuthor(message.entries))
  put(
    section.want,
    message.want?.map(want => [want.prefix, want.length, joinDigests(want.digests)]),
  )
  put(section.compare, compare && [compare.digestBytes, ...compare.summaries.map(encodeSummary)])
  put(section.waitMs, message.waitMs)
  put(section.info, info && [info.name, info.role, info.software])
  put(section.leaving, message.leaving === true ? true : undefined)
  return concatBytes(Uint8Array.of(protocolVersion), encode(sections))
}

/** The answer to a frame of a version we do not speak: names the range that we do. */
export function encodeVersionAnswer(): Uint8Array {
  return Uint8Array.of(versionAnswer, protocolVersion, protocolVersion)
}

/** Reads a frame. */
export function decodeMessage(frame: Uint8Array): Message | Malformed {
  if (frame.length === 0) return { malformed: 'the frame is empty' }
  if (frame.length > frameBytesMax) return { malformed: `the frame takes more than ${frameBytesMax} bytes` }
  const version = frame[0] as number
  if (version === versionAnswer && frame.length === 3) {
    const range = `${frame[1]} to ${frame[2]}`
    return {
      malformed: `the peer speaks protocol ${range}, this node ${protocolVersion}`,
      version: frame[2] as number,
    }
  }
  if (version !== protocolVersion) return { malformed: `protocol version ${version} is unknown`, version }
  try {
    return readMessage(decode(frame.subarray(1), decodeOptions))
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

function encodeRows(rows: Rows): unknown[] {
  const locators = concatBytes(...rows.locators.flatMap(locator => [locator.path, locator.digest]))
  return [fromHex(rows.incarnation), rows.after, rows.upTo, groupByAuthor(rows.entries), locators]
}

function groupByAuthor(entries: readonly Uint8Array[]): unknown[] {
  const groups = new Map<string, { author: Uint8Array; rest: Uint8Array[] }>()
  for (const entry of entries) {
    const author = entry.subarray(authorStart, authorEnd)
    const name = toHex(author)
    const group = groups.get(name) ?? { author, rest: [] }
    groups.set(name, group)
    group.rest.push(concatBytes(entry.subarray(0, authorStart), entry.subarray(authorEnd)))
  }
  return [...groups.values()].flatMap(({ author, rest }) => [author, rest])
}

function encodeSummary(summary: Summary): unknown[] {
  const { prefix, length, children, depth, leaves } = summary
  if (children === undefined) return [prefix, length, joinDigests(leaves ?? [])]
  const bitmap = [...children.keys()].reduce((bits, nibble) => bits | (1 << nibble), 0)
  const inOrder = [...children].sort(([a], [b]) => a - b).map(([, digest]) => digest)
  return [prefix, length, joinDigests(inOrder), depth, bitmap]
}

/** Digests of one length, one after the other, behind one byte that says that length. */
function joinDigests(digests: readonly Uint8Array[]): Uint8Array {
  return concatBytes(Uint8Array.of(digests[0]?.length ?? 1), ...digests)
}

function fail(what: string): never {
  throw new RangeError(`${what} is malformed`)
}

function readMessage(value: unknown): Message {
  if (!(value instanceof Map)) return fail('the frame')
  const read = <T>(number: number, reader: (value: unknown) => T): T | undefined =>
    value.has(number) ? reader(value.get(number)) : undefined
  return present({
    beat: read(section.beat, readBeat),
    acks: read(section.acks, acks => list(acks, 'acks', membersMax).map(readAck)),
    ack: read(section.ack, readOwnAck),
    rows: read(section.rows, readRows),
    pull: read(section.pull, readPull),
    entries: read(section.entries, readEntries),
    want: read(section.want, wants => list(wants, 'want', compareNodesMax).map(readWant)),
    compare: read(section.compare, readCompare),
    waitMs: read(section.waitMs, wait => uint(wait, 'wait', 60_000)),
    info: read(section.info, readInfo),
    leaving: read(section.leaving, leaving => leaving === true || fail('leaving')),
  })
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

function present<T extends object>(object: T): Partial<Defined<T>> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<
    Defined<T>
  >
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

function readRows(value: unknown): Rows {
  const [incarnation, after, upTo, entries, locators] = list(value, 'rows', 8)
  const size = locatorPathBytes + locatorDigestBytes
  const packed = bytes(locators, 'rows.locators', 0, frameBytesMax)
  if (packed.length % size !== 0) fail('rows.locators')
  const readLocator = (_: unknown, index: number): Locator => {
    const at = index * size
    return {
      path: packed.subarray(at, at + locatorPathBytes),
      digest: packed.subarray(at + locatorPathBytes, at + size),
    }
  }
  const rows = {
    incarnation: readIncarnation(incarnation),
    after: uint(after, 'rows.after'),
    upTo: uint(upTo, 'rows.upTo'),
    entries: readEntries(entries),
    locators: Array.from({ length: packed.length / size }, readLocator),
  }
  return rows.upTo >= rows.after ? rows : fail('rows.upTo')
}

function readPull(value: unknown): Pull {
  const [incarnation, after, full] = list(value, 'pull', 8)
  return { incarnation: readIncarnation(incarnation), after: uint(after, 'pull.after'), full: full === true }
}

function readEntries(value: unknown): Uint8Array[] {
  const groups = list(value, 'entries', 2 * frameEntriesMax)
  const entries: Uint8Array[] = []
  for (let i = 0; i < groups.length; i += 2) {
    const author = bytes(groups[i], 'entries.author', 32, 32)
    for (const item of list(groups[i + 1], 'entries', frameEntriesMax)) {
      const rest = bytes(item, 'entries.entry', 1, entryBytesMax)
      entries.push(concatBytes(rest.subarray(0, authorStart), author, rest.subarray(authorStart)))
    }
  }
  return entries.length <= frameEntriesMax ? entries : fail('entries')
}

function readWant(value: unknown): Want {
  const [prefix, length, digests] = list(value, 'want', 8)
  return { ...readPrefix(prefix, length), digests: splitDigests(digests) }
}

function readCompare(value: unknown): Compare {
  const [digestBytes, ...summaries] = list(value, 'compare', compareNodesMax + 1)
  const size = uint(digestBytes, 'compare.digestBytes', 32)
  return {
    digestBytes: size === 0 ? fail('compare.digestBytes') : size,
    summaries: summaries.map(readSummary),
  }
}

function readSummary(value: unknown): Summary {
  const [prefix, length, digests, depth, bitmap] = list(value, 'summary', 8)
  const place = readPrefix(prefix, length, depth)
  const parts = splitDigests(digests)
  if (bitmap === undefined)
    return parts.length <= summaryLeavesMax ? { ...place, leaves: parts } : fail('summary.leaves')
  const bits = uint(bitmap, 'summary.bitmap', 0xffff)
  const nibbles = Array.from({ length: 16 }, (_, nibble) => nibble).filter(
    nibble => (bits & (1 << nibble)) !== 0,
  )
  if (nibbles.length !== parts.length || nibbles.length < 2) fail('summary.bitmap')
  const children = new Map(nibbles.map((nibble, index) => [nibble, parts[index] as Uint8Array]))
  return { ...place, children, depth: uint(depth, 'summary.depth', 127) }
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

function splitDigests(value: unknown): Uint8Array[] {
  const joined = bytes(value, 'digests', 1, frameBytesMax)
  const size = joined[0] as number
  if (size === 0 || size > 32 || (joined.length - 1) % size !== 0) fail('digests')
  return Array.from({ length: (joined.length - 1) / size }, (_, i) =>
    joined.subarray(1 + i * size, 1 + (i + 1) * size),
  )
}

function readInfo(value: unknown): Info {
  const [name, role, software] = list(value, 'info', 8)
  return { name: text(name), role: text(role), software: text(software) }
}

function readNode(value: unknown): NodeId {
  const id = toHex(bytes(value, 'node id', 32, 32))
  return isNodeId(id) ? id : fail('node id')
}

function readIncarnation(value: unknown): Incarnation {
  const id = toHex(bytes(value, 'incarnation', 8, 8))
  return isIncarnation(id) ? id : fail('incarnation')
}

function list(value: unknown, what: string, lengthMax: number): unknown[] {
  return Array.isArray(value) && value.length <= lengthMax ? value : fail(what)
}

function bytes(value: unknown, what: string, lengthMin: number, lengthMax: number): Uint8Array {
  const fits = value instanceof Uint8Array && value.length >= lengthMin && value.length <= lengthMax
  return fits ? value : fail(what)
}

function uint(value: unknown, what: string, max = Number.MAX_SAFE_INTEGER): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max
    ? value
    : fail(what)
}

function text(value: unknown): string {
  return typeof value === 'string' && value.length <= 256 ? value : fail('info')
}

/** Whether `digest` starts with `short`. */
export function matchesShort(digest: Uint8Array, short: Uint8Array): boolean {
  return equalBytes(digest.subarray(0, short.length), short)
}

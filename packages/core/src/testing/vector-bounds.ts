/**
 * The bounds of vectors/: what is as large as may be, and what is just beyond. Written in pieces, `hex` or
 * `hex*times` with blanks between them, since most of it is filling.
 */
import { toHex, uintToBytes } from '../bytes.ts'
import { signEntry, type EntryContent } from '../entry.ts'
import { versionAt } from '../hlc.ts'
import { horizonContent } from '../horizon.ts'
import {
  compareNodesRead,
  entryBytesMax,
  frameBytesMax,
  frameEntriesMax,
  futureToleranceMs,
  keyBytesMax,
  membersMax,
  valueBytesMax,
  valueDepthMax,
} from '../limits.ts'
import { counterSlot, elementSlot } from '../slot.ts'
import type { Incarnation, NodeId } from '../units.ts'
import { encodeValue } from '../value.ts'
import { testWall } from './arbitraries.ts'
import type { VectorKeys } from './vector-files.ts'

/** What is bounded, in words; the greatest (or least) that is accepted; what is beyond. */
type Bound = readonly [bound: string, accepted: string, refused: string]

const life = '00000000000000a1' as Incarnation
const version = versionAt(testWall) + 5n
const safeMax = 2 ** 53 - 1

/** CBOR: the head of an item, in hex. */
function head(major: number, argument: number): string {
  if (argument < 24) return toHex(Uint8Array.of((major << 5) | argument))
  const size = [1, 2, 4, 8].find(bytes => argument < 2 ** (8 * bytes)) as number
  const first = (major << 5) | (24 + Math.log2(size))
  return toHex(Uint8Array.of(first)) + toHex(uintToBytes(BigInt(argument), size))
}

const uint = (number: number): string => head(0, number)
const zeros = (length: number): string => `${head(2, length)} 00*${length}`
const filled = (byte: string, head: string, times: number): string => `${head} ${byte}*${times}`
const section = (number: number, content: string, version = 1): string =>
  `0${version}a1${uint(number)}${content}`

/** The same with a list of so many equal items in it. */
function listed(number: number, before: readonly string[], item: string, count: number): string {
  const items = `${item.replaceAll(' ', '')}*${count}`
  return `${section(number, head(4, before.length + count) + before.join(''))} ${items}`
}

/** Bytes in pieces: long runs of one byte are told by their length. */
function inPieces(bytes: Uint8Array): string {
  let pieces = ''
  for (let at = 0, end = 0; at < bytes.length; at = end) {
    while (end < bytes.length && bytes[end] === bytes[at]) end++
    const run = toHex(bytes.subarray(at, end))
    pieces += run.length < 128 ? run : ` ${run.slice(0, 2)}*${end - at} `
  }
  return pieces.trim()
}

function values(): readonly Bound[] {
  const text = (length: number): string => filled('78', `7a${toHex(uintToBytes(BigInt(length), 4))}`, length)
  const nested = (depth: number): string => `81*${depth} 00`
  return [
    ['bytes of a value: 131,072', text(valueBytesMax - 5), text(valueBytesMax - 4)],
    ['levels of a value: 64', nested(valueDepthMax), nested(valueDepthMax + 1)],
    ['whole number: 2^53 - 1', '1b001fffffffffffff', '1b0020000000000000'],
    ['whole number: -(2^53 - 1)', '3b001ffffffffffffe', '3b001fffffffffffff'],
  ]
}

function entries({ hash, alice }: VectorKeys): readonly Bound[] {
  const plain: EntryContent = { key: 'k', slot: '', value: encodeValue(1), base: 0n, version }
  const signed = (content: Partial<EntryContent>): string =>
    inPieces(signEntry({ ...plain, ...content }, alice, hash).bytes)
  const text = (length: number): Uint8Array => {
    const bytes = new Uint8Array(length).fill(0x78)
    bytes.set([0x7a, ...uintToBytes(BigInt(length - 5), 4)])
    return bytes
  }
  const slot = counterSlot(alice.nodeId, life)
  const removed = { slot: elementSlot(encodeValue(1), hash), value: undefined }
  const holders = (count: number): Map<NodeId, Incarnation> =>
    new Map(Array.from({ length: count }, (_, at) => [at.toString(16).padStart(64, '0') as NodeId, life]))
  return [
    ['bytes of a key: 512', signed({ key: 'x'.repeat(keyBytesMax) }), signed({ key: 'x'.repeat(keyBytesMax + 1) })],
    ['bytes of a key: 1', signed({ key: 'x' }), signed({ key: '' })],
    ['characters of a key: not U+009F', signed({ key: '\u00a0' }), signed({ key: '\u009f' })],
    ['bytes of a value: 131,072', signed({ value: text(valueBytesMax) }), signed({ value: text(valueBytesMax + 1) })],
    ['bytes of a slot: 41', signed({ slot }), signed({ slot: `${slot}00` })],
    [
      'total of a counter: 2^53 - 1',
      signed({ slot, value: encodeValue(safeMax) }),
      signed({ slot, value: encodeValue(safeMax + 1) }),
    ],
    ['base: the version', signed({ ...removed, base: version }), signed({ ...removed, base: version + 1n })],
    ['version: 1', signed({ version: 1n }), signed({ version: 0n })],
    [
      'holders of a horizon: 64',
      signed(horizonContent(version, holders(membersMax))),
      signed(horizonContent(version, holders(membersMax + 1))),
    ],
  ] // prettier-ignore
}

function content({ alice }: VectorKeys): readonly Bound[] {
  const author = `5820${alice.nodeId}`
  const one = '4100'
  const groups = (count: number): string =>
    `${section(5, head(4, 4) + author + head(4, 2048))} ${one}*2048 ${author}${head(4, count)} ${one}*${count}`
  const rest = (length: number): string => `${section(5, `82${author}81`)}${zeros(length)}`
  const locators = (count: number): string => `${section(3, `8548${life}000080`)}${zeros(10 * count)}`
  const rows = (after: number, upTo: number): string =>
    section(3, `8548${life}${uint(after)}${uint(upTo)}8040`)
  return [
    ['bytes of a frame: 262,144', section(99, zeros(frameBytesMax - 9)), section(99, zeros(frameBytesMax - 8))],
    ['version of a frame: 2', '02a0', '03a0'],
    [
      'entries of one author: 4096',
      `${section(5, `82${author}${head(4, frameEntriesMax)}`)} ${one}*${frameEntriesMax}`,
      `${section(5, `82${author}${head(4, frameEntriesMax + 1)}`)} ${one}*${frameEntriesMax + 1}`,
    ],
    ['entries of all authors: 4096', groups(2048), groups(2049)],
    ['bytes of an entry without its author: 131,742', rest(entryBytesMax), rest(entryBytesMax + 1)],
    ['bytes of an entry without its author: 1', rest(1).replace(' 00*1', '00'), rest(0).replace(' 00*0', '')],
    ['bytes of an author: 32', section(5, `82${author}80`), section(5, `82581f${alice.nodeId.slice(2)}80`)],
    ['locators: 4096', locators(frameEntriesMax), locators(frameEntriesMax + 1)],
    ['rows: upTo not below after', rows(3, 3), rows(3, 2)],
    [
      'acks: 64',
      listed(2, [], `835820${alice.nodeId}48${life}00`, membersMax),
      listed(2, [], `835820${alice.nodeId}48${life}00`, membersMax + 1),
    ],
    ['acks of version 2: 64', marks(membersMax), marks(membersMax + 1)],
    ['wait: 60,000 ms', section(8, uint(60_000)), section(8, uint(60_001))],
    ['characters of a name: 256', info('61', 256, 1), info('61', 257, 1)],
    ['UTF-16 units of a name: 256', info('f09f9880', 128, 4), info('f09f9880', 129, 4)],
    ['speaks: 255', section(12, uint(255)), section(12, uint(256))],
    ['number: 2^53 - 1', section(11, `8248${life}${uint(safeMax)}`), section(11, `8248${life}${uint(safeMax + 1)}`)],
    ['items of a beat: 16', beat(16), beat(17)],
    ['items of any other list: 8', pull(8), pull(9)],
  ] // prettier-ignore
}

const marks = (count: number): string => `${section(15, head(2, 9 * count), 2)} 00*${9 * count}`
const pull = (items: number): string => `${section(4, `${head(4, items)}48${life}00f4`)} f6*${items - 3}`
const beat = (items: number): string =>
  `${section(1, `${head(4, items)}48${life}005820`)} 00*34 f6*${items - 5}`
const info = (character: string, count: number, bytes: number): string =>
  `${section(9, `83${head(3, bytes * count)}`)} ${character}*${count} 6060`

function descents(): readonly Bound[] {
  const nothing = '8340004101'
  const leaves = (count: number): string =>
    `${section(7, `820183400059${toHex(uintToBytes(BigInt(count + 1), 2))}01`)} 00*${count}`
  const digest = (size: number): string =>
    `${section(6, `81834000${head(2, size + 1)}${toHex(Uint8Array.of(size))}`)} 00*${size}`
  const branch = (children: number, bitmap: number): string =>
    `${section(7, `8201854000${head(2, children + 1)}01`)} 00*${children} 00${uint(bitmap)}`
  const deep = (depth: number): string => `${section(7, '8201855840')} 00*64 0043010000${uint(depth)}03`
  const long = (length: number): string =>
    `${section(7, `820183${zeros((length + 1) >> 1)}`)} ${uint(length)}4101`
  return [
    ['wants: 8192, of which every node reads 1024', listed(6, [], nothing, compareNodesRead), listed(6, [], nothing, compareNodesRead + 1)],
    ['summaries: 8192, of which every node reads 1024', listed(7, ['06'], nothing, compareNodesRead), listed(7, ['06'], nothing, compareNodesRead + 1)],
    ['leaves of a summary: 256', leaves(256), leaves(257)],
    ['bytes of each digest in a list: 32', digest(32), digest(33)],
    ['bytes of each digest in a list: 1', digest(1), digest(0)],
    ['bytes of a digest in a step: 32', section(7, '811820'), section(7, '811821')],
    ['bytes of a digest in a step: 1', section(7, '8101'), section(7, '8100')],
    ['children of a branch: 2', branch(2, 3), branch(1, 1)],
    ['subtrees told as sums: 1', '01a10782038640004504000000000001f5', '01a107820386400041040000f5'],
    ['children of a branch: 16', branch(16, 0xffff), branch(17, 0x1_ffff)],
    ['children of a branch: as many as bits', branch(3, 7), branch(3, 3)],
    ['depth of a branch: 127', deep(127), deep(128)],
    ['length of a prefix: 128', long(128), long(129)],
    ['length of a prefix: the depth', section(7, '82018541ab02430100000203'), section(7, '82018541ab03430100000203')],
  ] // prettier-ignore
}

function standings(): readonly Bound[] {
  const root = '00'.repeat(32)
  const standing = (seq: string): string => `00${life}${seq}${root}`
  const at = (seq: string): string => section(13, head(2, standing(seq).length / 2) + standing(seq), 2)
  const rows = (span: number, behind: number): string =>
    `02a20d${head(2, 42)}${standing('07')}0e84${uint(span)}8040${uint(behind)}`
  return [
    ['number in a standing: 2^53 - 1', at('ffffffffffffff0f'), at('8080808080808010')],
    ['bytes of a number in a standing: 8', at('8080808080808001'), at('808080808080808001')],
    ['rows: behind not above seq', rows(0, 7), rows(0, 8)],
    ['rows: span not above upTo', rows(4, 3), rows(5, 3)],
    ['bytes of a standing: all that its flags say', at('07'), at('')],
  ]
}

/** What waits and what does not, by a clock. */
function clock({ hash, alice }: VectorKeys): unknown {
  const at = (ms: number, counter: bigint): string => {
    const content = { key: 'k', slot: '', value: encodeValue(1), base: 0n, version: versionAt(ms) + counter }
    return toHex(signEntry(content, alice, hash).bytes)
  }
  const horizon = (ms: number): string =>
    toHex(signEntry(horizonContent(versionAt(ms), new Map()), alice, hash).bytes)
  return {
    wall: testWall,
    taken: [at(testWall + futureToleranceMs, 65_535n), horizon(testWall - futureToleranceMs)],
    waits: [at(testWall + futureToleranceMs + 1, 0n), horizon(testWall - futureToleranceMs + 1)],
  }
}

/** All bounds, by what they are of. */
export function bounds(keys: VectorKeys): unknown {
  const told = (all: readonly Bound[]): unknown =>
    all.map(([bound, accepted, refused]) => ({ bound, accepted, refused }))
  return {
    values: told(values()),
    entries: told(entries(keys)),
    frames: told([...content(keys), ...descents(), ...standings()]),
    clock: clock(keys),
  }
}

/** The bytes that pieces stand for, as hex. */
export function piecesToHex(pieces: string): string {
  return pieces
    .split(' ')
    .map(piece => piece.split('*'))
    .map(([hex = '', times = '1']) => hex.repeat(Number(times)))
    .join('')
}

/** Frames, read by the words of docs/protocol.md §7 alone; only such as are known to be good. */

type Fields = Record<string, unknown>
type Item = number | boolean | null | string | Buffer | Item[] | Map<Item, Item>

/** Takes bytes from the front. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  take(length: number): Buffer {
    return this.#bytes.subarray(this.#at, (this.#at += length))
  }

  /** LEB128. */
  number(): number {
    for (let number = 0, unit = 1; ; unit *= 128) {
      const byte = this.take(1).readUInt8()
      number += (byte & 127) * unit
      if (byte < 128) return number
    }
  }

  /** An item of CBOR. */
  item(): Item {
    const first = this.take(1).readUInt8()
    if (first >= 0xf4) return [false, true, null][first - 0xf4] as Item
    const minor = first & 31
    const argument = minor < 24 ? minor : Number(`0x${this.take(2 ** (minor - 24)).toString('hex')}`)
    const major = first >> 5
    if (major === 2) return this.take(argument)
    if (major === 3) return this.take(argument).toString('utf8')
    if (major === 4) return Array.from({ length: argument }, () => this.item())
    if (major === 5)
      return new Map(Array.from({ length: argument }, () => [this.item(), this.item()] as const))
    return argument
  }
}

const hex = (bytes: unknown): string => (bytes as Buffer).toString('hex')
const big = (bytes: unknown): bigint => (bytes as Buffer).readBigUInt64BE()

/** All that is not `undefined`. */
const told = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

/** What a frame says, in the words of message.ts. */
export function readFrame(frame: Buffer, sender: string): Fields {
  const version = frame.readUInt8()
  const sections = new Reader(frame.subarray(1)).item() as Map<number, Item[]>
  const read = (number: number, reader: (content: Item[]) => unknown): unknown => {
    const content = sections.get(number)
    return content === undefined ? undefined : reader(content)
  }
  const common = {
    entries: read(5, content => entriesOf(content, sender)),
    want: read(6, list => list.map(each => placeOf(each as Item[]))),
    compare: read(7, ([digestBytes, ...summaries]) => ({
      digestBytes,
      summaries: summaries.map(each => placeOf(each as Item[])),
    })),
    waitMs: read(8, ms => ms),
    info: read(9, ([name, role, software]) => ({ name, role, software })),
    leaving: read(10, isLeaving => isLeaving),
    horizon: read(17, ([settled, floor]) => ({ settled: big(settled), floor: big(floor) })),
    reads: read(18, count => count),
    answered: read(19, count => count),
    readsSums: read(20, isRead => isRead),
  }
  if (version === 2) {
    const standing = read(13, content => standingOf(content as unknown as Buffer)) as Fields | undefined
    const rows = read(14, content => rowsBeside(content, Number(standing?.['seq']), sender))
    const ackMarks = read(15, content => marksOf(content as unknown as Buffer))
    return told({ ...common, version, standing, rows, ackMarks })
  }
  return told({
    ...common,
    beat: read(1, beatOf),
    acks: read(2, list =>
      (list as Item[][]).map(([node, life, seq]) => ({ node: hex(node), incarnation: hex(life), seq })),
    ),
    rows: read(3, ([life, after, upTo, entries, locators]) => ({
      incarnation: hex(life),
      after,
      upTo,
      entries: entriesOf(entries as Item[], sender),
      locators: locatorsOf(locators as Buffer),
    })),
    pull: read(4, ([life, after, full]) => ({ incarnation: hex(life), after, full })),
    ack: read(11, ([life, seq]) => ({ incarnation: hex(life), seq })),
    speaks: read(12, newest => newest),
  })
}

function beatOf([life, seq, root, count, wall, p2p, http]: Item[]): Fields {
  const heardMs = told({ p2p: p2p ?? undefined, http: http ?? undefined })
  return { incarnation: hex(life), seq, root, count, wall, heardMs }
}

function entriesOf(content: Item[], sender: string): Buffer[] {
  return content.flatMap((item, at) => {
    if (at % 2 === 0) return []
    const name = content[at - 1] as Buffer
    const author = name.length === 0 ? Buffer.from(sender, 'hex') : name
    return (item as Buffer[]).map(rest => Buffer.concat([rest.subarray(0, 1), author, rest.subarray(1)]))
  })
}

function locatorsOf(packed: Buffer): Fields[] {
  return Array.from({ length: packed.length / 10 }, (_, at) => ({
    path: packed.subarray(10 * at, 10 * at + 4),
    digest: packed.subarray(10 * at + 4, 10 * at + 10),
  }))
}

function placeOf([prefix, length, digests, depth, bitmap, sums]: Item[]): Fields {
  return told({ prefix, length, digests, depth, bitmap, sums })
}

function rowsBeside([span, entries, locators, behind]: Item[], seq: number, sender: string): Fields {
  const upTo = seq - Number(behind ?? 0)
  return {
    after: upTo - Number(span),
    upTo,
    entries: entriesOf(entries as Item[], sender),
    locators: locatorsOf((locators ?? Buffer.alloc(0)) as Buffer),
  }
}

function standingOf(packed: Buffer): Fields {
  const reader = new Reader(packed)
  const flags = reader.take(1).readUInt8()
  const has = (flag: number): boolean => (flags & flag) !== 0
  const life = (): string => hex(reader.take(8))
  const lives = has(1)
    ? { tag: reader.take(4) }
    : told({ own: life(), yours: has(4) || has(8) ? life() : undefined })
  const seq = reader.number()
  const ack = has(4) ? reader.number() : undefined
  const root = has(2) ? 'same' : reader.take(32)
  const age = (): number | undefined => {
    const told = reader.number()
    return told === 0 ? undefined : told - 1
  }
  const heardMs = has(32) ? told({ p2p: age(), http: age() }) : {}
  const details = has(64) ? { count: reader.number(), wall: reader.number() } : undefined
  const ahead = has(128) ? reader.number() : undefined
  const pull = has(8) ? (has(16) ? 'full' : 'brief') : undefined
  return told({ lives, seq, ack, root, heardMs, details, ahead, pull })
}

function marksOf(packed: Buffer): Fields[] {
  const reader = new Reader(packed)
  const marks: Fields[] = []
  while (!reader.atEnd)
    marks.push({ node: reader.take(4), incarnation: reader.take(4), seq: reader.number() })
  return marks
}

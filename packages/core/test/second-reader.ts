/**
 * A second reader of the protocol, written from docs/protocol.md alone and sharing no code with the first: it
 * shows where document and code differ.
 */
import { createPublicKey, hash, verify } from 'node:crypto'

/** SHA-256 of what is put together. */
export function sha256(...parts: Uint8Array[]): Buffer {
  return hash('sha256', Buffer.concat(parts), 'buffer')
}

/** An entry, field by field (§3). */
export interface ReadEntry {
  readonly author: Buffer
  readonly version: bigint
  readonly base: bigint
  readonly key: Buffer
  readonly slot: Buffer
  /** Empty: a tombstone. */
  readonly value: Buffer
  readonly digest: Buffer
  readonly path: Buffer
}

/** Reads the bytes of an entry that is known to be good. */
export function readEntry(bytes: Buffer): ReadEntry {
  const flags = bytes.readUInt8(41)
  const keyAt = (flags & 2) === 0 ? 44 : 52
  const slotAt = keyAt + bytes.readUInt16BE(keyAt - 2) + 1
  const valueAt = slotAt + bytes.readUInt8(slotAt - 1)
  const key = bytes.subarray(keyAt, slotAt - 1)
  const slot = bytes.subarray(slotAt, valueAt)
  return {
    author: bytes.subarray(1, 33),
    version: bytes.readBigUInt64BE(33),
    base: (flags & 2) === 0 ? 0n : bytes.readBigUInt64BE(42),
    key,
    slot,
    value: bytes.subarray(valueAt, -64),
    digest: sha256(bytes),
    path: Buffer.concat([sha256(key), sha256(slot)]),
  }
}

/** Whether the author has signed it, for honest signatures. */
export function isSigned(bytes: Buffer): boolean {
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), bytes.subarray(1, 33)])
  const message = Buffer.concat([Buffer.from('lattice/entry/v1\0'), bytes.subarray(0, -64)])
  return verify(
    null,
    message,
    createPublicKey({ key: spki, format: 'der', type: 'spki' }),
    bytes.subarray(-64),
  )
}

/** The order of entries (§3): above 0 where `one` is greater. */
export function compare(one: ReadEntry, other: ReadEntry): number {
  if (one.version !== other.version) return one.version > other.version ? 1 : -1
  return Buffer.compare(one.author, other.author) || Buffer.compare(one.digest, other.digest)
}

/** The winners of all slots (§3). */
export function winnersOf(entries: readonly ReadEntry[]): ReadEntry[] {
  const winners = new Map<string, ReadEntry>()
  for (const entry of entries) {
    const name = entry.path.toString('hex')
    const best = winners.get(name)
    if (best === undefined || compare(entry, best) > 0) winners.set(name, entry)
  }
  return [...winners.values()]
}

/** A leaf as the trie has it: its path in nibbles, and its digest. */
export interface PlacedLeaf {
  readonly path: Buffer
  readonly digest: Buffer
}

/** Digest of the topmost node over these leaves (§5); `digest` of a leaf is that of its entry. */
export function rootOf(leaves: readonly PlacedLeaf[]): Buffer {
  return leaves.length === 0 ? sha256(Buffer.of(2)) : nodeOf(leaves)
}

function nodeOf(leaves: readonly PlacedLeaf[]): Buffer {
  const [first] = leaves as [PlacedLeaf]
  if (leaves.length === 1) return sha256(Buffer.of(0), first.path, first.digest)
  const paths = leaves.map(({ path }) => path.toString('hex'))
  let depth = 0
  while (paths.every(path => path[depth] === paths[0]?.[depth])) depth++
  const children = new Map<number, Buffer>()
  for (let nibble = 0; nibble < 16; nibble++) {
    const below = leaves.filter((_, at) => paths[at]?.[depth] === nibble.toString(16))
    if (below.length > 0) children.set(nibble, nodeOf(below))
  }
  return branchDigest(paths[0] ?? '', depth, leaves.length, children)
}

/** Digest of a branch (§5), whose children are told by nibble. */
export function branchDigest(
  path: string,
  depth: number,
  count: number,
  children: ReadonlyMap<number, Buffer>,
): Buffer {
  const nibbles = [...children.keys()].toSorted((a, b) => a - b)
  const head = Buffer.alloc(8)
  head.writeUIntBE(count, 0, 6)
  head.writeUInt16BE(
    nibbles.reduce((bits, nibble) => bits + 2 ** nibble, 0),
    6,
  )
  const prefix = path.slice(0, depth) + (depth % 2 === 0 ? '' : '0')
  const digests = nibbles.map(nibble => children.get(nibble) as Buffer)
  return sha256(Buffer.of(1, depth), Buffer.from(prefix, 'hex'), head, ...digests)
}

/** What a key reads as (§4), with the CBOR of its value; undefined where it does not exist. */
export function readKey(slots: readonly ReadEntry[]): Reading | undefined {
  const floor = floorOf(slots)
  const live = slots.filter(({ slot, base, value }) => (slot.length === 0 ? value.length > 0 : base >= floor))
  const [greatest] = live.toSorted((a, b) => compare(b, a))
  if (greatest === undefined) return undefined
  const own = live.filter(({ slot }) => slot[0] === greatest.slot[0])
  const { version, author } = greatest
  const stamp = { version: hex64(version), author: author.toString('hex') }
  if (greatest.slot.length === 0) return { type: 'register', value: readCbor(greatest.value), ...stamp }
  if (greatest.slot[0] === 1) {
    const totals = own.map(({ value }) => BigInt(readCbor(value) as number))
    return { type: 'counter', value: Number(totals.reduce((sum, total) => sum + total)), ...stamp }
  }
  const present = own.map(({ value }) => value).filter(({ length }) => length > 0)
  return { type: 'set', value: present.toSorted((a, b) => Buffer.compare(a, b)).map(readCbor), ...stamp }
}

/** A key as readers see it. */
export interface Reading {
  readonly type: string
  readonly value: unknown
  readonly version: string
  readonly author: string
}

/** The floor of a key (§4). */
export function floorOf(slots: readonly ReadEntry[]): bigint {
  const whole = slots.find(({ slot }) => slot.length === 0)
  if (whole === undefined) return 0n
  return whole.value.length === 0 ? whole.version : whole.base
}

/** A version as it is written. */
export function hex64(version: bigint): string {
  return version.toString(16).padStart(16, '0')
}

/** The JSON behind canonical CBOR that is known to be good (§2). */
export function readCbor(bytes: Buffer): unknown {
  let at = 0
  const take = (length: number): Buffer => bytes.subarray(at, (at += length))
  const read = (): unknown => {
    const first = take(1).readUInt8()
    if (first >= 0xf4) return first === 0xfb ? take(8).readDoubleBE() : [false, true, null][first - 0xf4]
    const minor = first & 31
    const argument = minor < 24 ? minor : Number(`0x${take(2 ** (minor - 24)).toString('hex')}`)
    const many = <T>(one: () => T): T[] => Array.from({ length: argument }, one)
    switch (first >> 5) {
      case 0:
        return argument
      case 1:
        return -1 - argument
      case 3:
        return take(argument).toString('utf8')
      case 4:
        return many(read)
      default:
        return Object.fromEntries(many(() => [read() as string, read()]))
    }
  }
  return read()
}

/** Canonical CBOR of a JSON value (§2). */
export function writeCbor(value: unknown): Buffer {
  if (value === null) return Buffer.of(0xf6)
  if (typeof value === 'boolean') return Buffer.of(value ? 0xf5 : 0xf4)
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(writeCbor)])
  if (typeof value === 'object') {
    const members = Object.entries(value).map(([name, each]) => [writeCbor(name), writeCbor(each)])
    const sorted = members.toSorted(([a], [b]) => Buffer.compare(a as Buffer, b as Buffer))
    return Buffer.concat([head(5, members.length), ...sorted.flat()])
  }
  const number = value as number
  if (Number.isSafeInteger(number)) return number < 0 ? head(1, -1 - number) : head(0, number)
  const float = Buffer.alloc(9, 0xfb)
  float.writeDoubleBE(number, 1)
  return float
}

function head(major: number, argument: number): Buffer {
  if (argument < 24) return Buffer.of((major << 5) | argument)
  const size = [1, 2, 4, 8].find(each => argument < 2 ** (8 * each)) as number
  const bytes = Buffer.from(argument.toString(16).padStart(2 * size, '0'), 'hex')
  return Buffer.concat([Buffer.of((major << 5) | (24 + Math.log2(size))), bytes])
}

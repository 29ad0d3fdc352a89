/**
 * Archives that every system can open: the ustar format of POSIX.1-1988, plain files only
 * (pubs.opengroup.org, utility pax, section "ustar Interchange Format").
 *
 * Our own, and not a package: a backup is read by place (the manifest first, then only what it vouches for),
 * while `tar-stream` and `tar` read in order, the latter unpacking whatever compression comes by, and bring
 * four or five packages each. Nothing here makes a file: names are looked up and never become paths, and
 * links, directories and devices are no members.
 */
import { open, stat, type FileHandle } from 'node:fs/promises'

/** A member that lies in memory, or in a file. */
export interface TarSource {
  readonly name: string
  readonly from: Uint8Array | { readonly file: string }
}

/** Where a member lies within an archive. */
export interface TarMember {
  readonly name: string
  readonly at: number
  readonly bytes: number
}

const blockBytes = 512
const chunkBytes = 256 * 1024
/** Members of an archive of ours; a foreign one is not walked without end. */
const membersMax = 64
/** Offset and length of the header fields that are read or written here. */
const field = {
  name: [0, 100],
  size: [124, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 6],
} as const
/** Twelve octal digits of a size hold less than this; one more would run into the next field. */
const memberBytesEnd = 8 ** 12
/** Type flag of a plain file; anything else is none of ours. */
const plainFile = '0'

/** The bytes of an archive, in order. `mtime` in seconds stands on every member. */
export async function* tarOf(sources: readonly TarSource[], mtime: number): AsyncGenerator<Uint8Array> {
  for (const { name, from } of sources) {
    const bytes = from instanceof Uint8Array ? from.length : (await stat(from.file)).size
    yield headerOf(name, bytes, mtime)
    if (from instanceof Uint8Array) yield from
    else yield* contentOf(from.file, bytes)
    yield Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes)
  }
  yield Buffer.alloc(2 * blockBytes)
}

/** The members of an archive; undefined where the file is none, or one cut short. */
export async function tarIndex(file: FileHandle): Promise<readonly TarMember[] | undefined> {
  const { size: length } = await file.stat()
  const members: TarMember[] = []
  for (let at = 0; at + blockBytes <= length && members.length < membersMax;) {
    const { buffer: head } = await file.read(Buffer.alloc(blockBytes), 0, blockBytes, at)
    if (head.every(byte => byte === 0)) return members
    const bytes = octal(head, field.size)
    if (!isHeader(head) || bytes === undefined || at + blockBytes + bytes > length) return undefined
    members.push({ name: text(head, field.name), at: at + blockBytes, bytes })
    at += blockBytes + Math.ceil(bytes / blockBytes) * blockBytes
  }
  return undefined
}

/** The content of a member, in pieces. */
export async function* tarContent(file: FileHandle, member: TarMember): AsyncGenerator<Uint8Array> {
  const end = member.at + member.bytes
  for (let at = member.at; at < end;) {
    const want = Math.min(chunkBytes, end - at)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(want), 0, want, at)
    if (bytesRead === 0) throw new Error(`${member.name} ends too early`)
    yield buffer.subarray(0, bytesRead)
    at += bytesRead
  }
}

async function* contentOf(path: string, bytes: number): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r')
  try {
    yield* tarContent(file, { name: path, at: 0, bytes })
  } finally {
    await file.close()
  }
}

function headerOf(name: string, bytes: number, mtime: number): Uint8Array {
  if (bytes >= memberBytesEnd) throw new Error(`${name} is larger than an archive can hold, which is 64 GiB`)
  const head = Buffer.alloc(blockBytes)
  const digits = (value: number, at: number, length: number): void => {
    head.write(value.toString(8).padStart(length - 1, '0'), at, 'ascii')
  }
  head.write(name, 0, 100, 'utf8')
  digits(0o600, 100, 8)
  digits(0, 108, 8)
  digits(0, 116, 8)
  digits(bytes, ...field.size)
  digits(mtime, 136, 12)
  head.write(plainFile, field.type[0])
  head.write('ustar\u000000', field.magic[0], 'latin1')
  head.write(`${checksum(head).toString(8).padStart(6, '0')}\u0000 `, field.checksum[0], 'latin1')
  return head
}

/** The sum of all bytes of the header, the checksum itself read as blanks. */
function checksum(head: Uint8Array): number {
  const [at, length] = field.checksum
  return head.reduce((sum, byte, index) => sum + (index >= at && index < at + length ? 0x20 : byte), 0)
}

function isHeader(head: Buffer): boolean {
  if (text(head, field.magic) !== 'ustar' || text(head, field.type) !== plainFile) return false
  return octal(head, field.checksum) === checksum(head)
}

function text(head: Buffer, [at, length]: readonly [number, number]): string {
  return head.toString('utf8', at, at + length).replace(/\u0000.*$/s, '')
}

function octal(head: Buffer, place: readonly [number, number]): number | undefined {
  const digits = text(head, place).trim()
  return /^[0-7]{1,12}$/.test(digits) ? Number.parseInt(digits, 8) : undefined
}

/**
 * One snapshot as a file: a header line, then frames of signed entries, each behind its length.
 *
 * The name holds the hash of the content, so a torn or damaged file is recognised before anything of it is
 * used. Entries keep their signatures and are verified on the way in: a bucket that lies can withhold, never
 * forge. Bytes: docs/snapshots.md.
 */
import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setImmediate as others } from 'node:timers/promises'

import { decodeMessage, encodeMessage, frameBytesMax, isMalformed } from '@lattice/core'
import type { Row, Sequence, Store } from '@lattice/core'

import { sentence } from '../failure.ts'

/** What the header says; for people, and to choose between files. */
export interface SnapshotHeader {
  readonly node: string
  readonly incarnation: string
  readonly seq: Sequence
  /** Merkle root of these very entries, 64 hex digits. */
  readonly root: string
  /** Unix milliseconds. */
  readonly wall: number
}

const magic = 'lattice-snapshot/1 '
const headerBytesMax = 1024
const lengthBytes = 4

/** Rows read at once: a few milliseconds of work before others get their turn. */
const sliceRows = 128

/** Entry bytes in one frame; what is around them fits into the rest of `frameBytesMax`. */
const frameEntryBytes = 192 * 1024

const namePattern = /^snap-(\d{1,16})-([0-9a-f]{64})\.cbor$/

/** Stands before the name of a snapshot that no start could use; the node neither reads nor deletes it. */
export const unusedPrefix = 'unused-'

/** The sequence a file name speaks of; undefined for files that are no snapshots. */
export function snapshotSeq(name: string): Sequence | undefined {
  const seq = namePattern.exec(name)?.[1]
  return seq === undefined ? undefined : Number(seq)
}

/**
 * Writes all rows to a new file in `directory` and returns its name. The file is whole and flushed on return;
 * rejects with the system's error or the signal's reason, and leaves `snap-….part` behind then.
 *
 * @param rows those of one moment: among rows that go on changing this would never come to an end
 */
export async function writeSnapshot(
  directory: string,
  header: SnapshotHeader,
  rows: Pick<Store, 'after'>,
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly part: string; readonly bytes: number }> {
  const part = join(directory, `snap-${header.seq}.part`)
  const file = await open(part, 'w', 0o600)
  const hash = createHash('sha256')
  let bytes = 0
  const put = async (block: Uint8Array): Promise<void> => {
    hash.update(block)
    bytes += block.length
    await file.writeFile(block)
  }
  try {
    await put(Buffer.from(`${magic}${JSON.stringify(header)}\n`))
    for (const entries of frames(rows)) {
      const frame = encodeMessage({ entries })
      const length = Buffer.alloc(lengthBytes)
      length.writeUInt32BE(frame.length)
      await put(Buffer.concat([length, frame]))
      await others()
      // Before the next rows are read: who gives up lets go of them.
      signal.throwIfAborted()
    }
    await file.sync()
  } finally {
    await file.close()
  }
  return { name: `snap-${header.seq}-${hash.digest('hex')}.cbor`, part, bytes }
}

/** The bytes of all entries in commit order, in portions that fit a frame. */
function* frames(source: Pick<Store, 'after'>): Generator<readonly Uint8Array[]> {
  let after: Sequence = 0
  let portion: Uint8Array[] = []
  let size = 0
  for (;;) {
    const rows: readonly Row[] = source.after(after, sliceRows)
    for (const { bytes, seq } of rows) {
      if (size + bytes.length > frameEntryBytes) {
        yield portion
        ;[portion, size] = [[], 0]
      }
      portion.push(bytes)
      size += bytes.length
      after = seq
    }
    if (rows.length === 0) break
  }
  if (portion.length > 0) yield portion
}

/** Why a file cannot be used as the snapshot its name promises. */
export class SnapshotDamage extends Error {
  override readonly name = 'SnapshotDamage'

  /** Whether the system did not give its content, so that nobody knows whether it is damaged. */
  get isUnread(): boolean {
    return this.cause !== undefined
  }
}

/**
 * Reads a snapshot: the header first, then the entries of each frame as they were signed. Throws
 * `SnapshotDamage` where it cannot: before the first entry when the content is not what the name promises.
 */
export async function* readSnapshot(path: string): AsyncGenerator<SnapshotHeader | readonly Uint8Array[]> {
  try {
    yield* partsOf(path)
  } catch (error) {
    if (error instanceof SnapshotDamage) throw error
    throw new SnapshotDamage(`it cannot be read: ${sentence(error)}`, { cause: error })
  }
}

async function* partsOf(path: string): AsyncGenerator<SnapshotHeader | readonly Uint8Array[]> {
  const file = await open(path, 'r')
  try {
    const promised = namePattern.exec(basename(path))?.[2]
    if ((await hashOf(file)) !== promised) throw new SnapshotDamage('its content does not match its name')
    let at = 0
    const take = async (length: number): Promise<Buffer> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at)
      at += bytesRead
      return buffer.subarray(0, bytesRead)
    }
    const head = await take(headerBytesMax)
    const end = head.indexOf('\n')
    at = end + 1
    yield headerOf(head.subarray(0, Math.max(0, end)).toString('utf8'))
    for (;;) {
      const length = await take(lengthBytes)
      if (length.length === 0) return
      const size = length.length === lengthBytes ? length.readUInt32BE() : Number.POSITIVE_INFINITY
      if (size > frameBytesMax) throw new SnapshotDamage('a frame is longer than any can be')
      const frame = await take(size)
      const message = frame.length === size ? decodeMessage(frame) : undefined
      if (message === undefined || isMalformed(message)) throw new SnapshotDamage('a frame cannot be read')
      yield message.entries ?? []
    }
  } finally {
    await file.close()
  }
}

async function hashOf(file: FileHandle): Promise<string> {
  const hash = createHash('sha256')
  const block = Buffer.alloc(frameBytesMax)
  let at = 0
  for (;;) {
    const { bytesRead } = await file.read(block, 0, block.length, at)
    if (bytesRead === 0) return hash.digest('hex')
    hash.update(block.subarray(0, bytesRead))
    at += bytesRead
  }
}

function headerOf(line: string): SnapshotHeader {
  let parsed: unknown
  try {
    parsed = line.startsWith(magic) ? JSON.parse(line.slice(magic.length)) : undefined
  } catch {
    parsed = undefined
  }
  if (typeof parsed !== 'object' || parsed === null) throw new SnapshotDamage('it has no header of version 1')
  return parsed as SnapshotHeader
}

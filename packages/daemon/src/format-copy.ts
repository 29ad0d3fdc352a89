/**
 * Keeps a store as it was before an upgrade: the way back to the version that wrote it (docs/storage.md). A
 * copy from an earlier upgrade stays beside it; it may hold what the store has lost since.
 */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { flushDirectory } from './incarnation-file.ts'

/** Bytes compared at a time. */
const blockBytes = 1024 * 1024

/**
 * Copies the whole database to `path`, or to a numbered name where another copy lies; where it lies now. An
 * upgrade that was cut off and begins anew leaves one copy. Throws the system's error, or SQLite's.
 */
export function keepCopy(database: DatabaseSync, path: string): string {
  const made = `${path}.new`
  try {
    fs.writeFileSync(made, '', { mode: 0o600 })
    database.prepare('VACUUM INTO ?').run(made)
    const place = placeFor(made, path)
    fs.renameSync(made, place)
    flushDirectory(dirname(place))
    return place
  } catch (error) {
    fs.rmSync(made, { force: true })
    throw error
  }
}

/** The first name at which nothing lies, or the very same. */
function placeFor(made: string, path: string): string {
  for (let [number, place] = [2, path]; ; place = `${path}.${number++}`)
    if (!fs.existsSync(place) || isSame(made, place)) return place
}

function isSame(one: string, other: string): boolean {
  const files = [fs.openSync(one, 'r'), fs.openSync(other, 'r')]
  try {
    for (;;) {
      const [a, b] = files.map(readBlock) as [Buffer, Buffer]
      if (!a.equals(b)) return false
      if (a.length < blockBytes) return true
    }
  } finally {
    files.forEach(file => fs.closeSync(file))
  }
}

function readBlock(file: number): Buffer {
  const block = Buffer.alloc(blockBytes)
  let length = 0
  for (let read = -1; read !== 0 && length < blockBytes; length += read)
    read = fs.readSync(file, block, length, blockBytes - length, null)
  return block.subarray(0, length)
}

/**
 * Whether there is room on the disk for more than deletes. What comes from peers would take the last of it as
 * well as what clients write, so the writer itself keeps the reserve; and so would the log, when it moves
 * into the database, which grows by that.
 */
import { statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { storeReserveBytes } from '@lattice/core'

/** What a transaction takes beside its rows, about: a page for each table and index that it touches. */
const transactionBytes = 32 * 1024

/** The disk is looked at again after so many bytes, a quarter of the reserve: a look takes some 10 µs. */
const lookEveryBytes = storeReserveBytes / 4

/** By how much the file of a database is to grow. */
export class Growth {
  readonly #path: string
  readonly #size: StatementSync

  constructor(database: DatabaseSync, path: string) {
    this.#path = path
    this.#size = database.prepare('SELECT page_count * page_size FROM pragma_page_count, pragma_page_size')
    this.#size.setReturnArrays(true)
  }

  /** Bytes that are in the log alone. */
  get bytes(): number {
    const [size] = this.#size.get() as unknown as [number]
    return Math.max(0, size - statSync(this.#path).size)
  }
}

/** The room under one database. */
export class Room {
  readonly #directory: string
  readonly #growth: Growth
  readonly #reserveBytes: number
  #unlooked = lookEveryBytes
  #isShort = false

  /** @param reserveBytes what is to stay free; tests make it large */
  constructor(database: DatabaseSync, path: string, reserveBytes = storeReserveBytes) {
    this.#directory = dirname(path)
    this.#growth = new Growth(database, path)
    this.#reserveBytes = reserveBytes
  }

  /** Whether less than the reserve is left, before so many bytes are written. */
  isShort(bytes: number): boolean {
    this.#unlooked += transactionBytes + bytes
    if (this.#unlooked < lookEveryBytes && !this.#isShort) return false
    this.#unlooked = 0
    const { bavail, blocks, bsize } = statfsSync(this.#directory)
    // Some file systems do not tell: then the disk itself refuses.
    this.#isShort = blocks > 0 && bavail * bsize - this.#growth.bytes < this.#reserveBytes
    return this.#isShort
  }
}

/** A copy of the whole state: its keys in the order of their bytes, and hardly any of it in memory. */
import type { KeyReading } from '@lattice/core'
import { NoScratchRoom, onScratch, openScratch, scratchFreeBytes } from '../scratch-database.ts'

/** Memory for the pages of one: those that are read or written next. */
const cacheKiB = 4 * 1024

/** What a copy leaves free on the disk, which may be that of the store: readers need no token. */
const leftFreeBytes = 64 * 1024 * 1024

/** The disk is looked at again after so many characters. */
const lookEveryChars = 1024 * 1024

/** Keys read at once. */
const pageKeys = 256

/** What a key takes besides its value, counted as characters. */
const overheadChars = 100

/** A key as it was copied. */
export interface CopiedKey {
  readonly key: string
  readonly type: string
  /** Its value as JSON. */
  readonly text: string
}

type StoredKey = Omit<CopiedKey, 'key'> & { readonly key: Uint8Array }

/** Filled at first, then read by many. What it holds is gone once it is closed. */
export class StateCopy implements Disposable {
  readonly #database = openScratch(
    'CREATE TABLE copied (key BLOB PRIMARY KEY, type TEXT NOT NULL, text TEXT NOT NULL) STRICT, WITHOUT ROWID',
    cacheKiB,
  )
  readonly #insert = this.#database.prepare(
    'INSERT INTO copied VALUES (?1, ?2, ?3) ON CONFLICT (key) DO NOTHING',
  )
  readonly #update = this.#database.prepare('UPDATE copied SET type = ?2, text = ?3 WHERE key = ?1')
  readonly #delete = this.#database.prepare('DELETE FROM copied WHERE key = ?')
  readonly #after = this.#database.prepare(
    'SELECT key, type, text FROM copied WHERE key > ? ORDER BY key LIMIT ?',
  )
  #count = 0
  #chars = 0
  #lookAtChars = lookEveryChars
  readonly #leftFreeBytes: number

  /** @param leftFree what stays free, in bytes; tests make it large */
  constructor(leftFree = leftFreeBytes) {
    this.#leftFreeBytes = leftFree
  }

  /** How many keys there are. */
  get count(): number {
    return this.#count
  }

  /** What it takes, in characters. A key that was set anew counts as often. */
  get chars(): number {
    return this.#chars
  }

  /** @throws NoScratchRoom where no disk takes what is too much for memory */
  set({ key, type, value }: Pick<KeyReading, 'key' | 'type' | 'value'>): void {
    const row = [Buffer.from(key), type, JSON.stringify(value)] as const
    this.#chars += row[2].length + overheadChars
    this.#look()
    onScratch(() => {
      if (this.#insert.run(...row).changes === 1) this.#count += 1
      else this.#update.run(...row)
    })
  }

  delete(key: string): void {
    onScratch(() => {
      if (this.#delete.run(Buffer.from(key)).changes === 1) this.#count -= 1
    })
  }

  /** All keys, as `write` writes them. */
  *texts(write: (copied: CopiedKey) => string): Generator<string> {
    for (let last: Uint8Array | undefined = new Uint8Array(0); last !== undefined;) {
      const page = this.#pageAfter(last)
      for (const { key, type, text } of page) yield write({ key: Buffer.from(key).toString(), type, text })
      last = page.at(-1)?.key
    }
  }

  #look(): void {
    if (this.#chars < this.#lookAtChars) return
    this.#lookAtChars = this.#chars + lookEveryChars
    const free = scratchFreeBytes()
    if (free === undefined || free >= this.#leftFreeBytes) return
    const [left, leave] = [free, this.#leftFreeBytes].map(bytes => Math.round(bytes / 2 ** 20))
    throw new NoScratchRoom(`a copy of the state must leave ${leave} MiB of the disk, and ${left} are free`)
  }

  #pageAfter(key: Uint8Array): readonly StoredKey[] {
    return onScratch(() => this.#after.all(key, pageKeys)) as unknown as StoredKey[]
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close()
  }
}

/** A copy of the whole state: a text for each key, in the order of their bytes, and hardly in memory. */
import { onScratch, openScratch } from '../scratch-database.ts'

/** Memory for the pages of one: those that are read or written next. */
const cacheKiB = 4 * 1024

/** Texts read at once. */
const pageTexts = 256

/** Filled at first, then read by many. What it holds is gone once it is closed. */
export class StateCopy implements Disposable {
  readonly #database = openScratch(
    'CREATE TABLE member (key BLOB PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID',
    cacheKiB,
  )
  readonly #insert = this.#database.prepare('INSERT INTO member VALUES (?, ?) ON CONFLICT (key) DO NOTHING')
  readonly #update = this.#database.prepare('UPDATE member SET text = ? WHERE key = ?')
  readonly #delete = this.#database.prepare('DELETE FROM member WHERE key = ?')
  readonly #after = this.#database.prepare('SELECT key, text FROM member WHERE key > ? ORDER BY key LIMIT ?')
  #count = 0

  /** How many keys there are. */
  get count(): number {
    return this.#count
  }

  /** @throws NoScratchRoom where no disk takes what is too much for memory; so do all that follow */
  set(key: string, text: string): void {
    const name = Buffer.from(key)
    onScratch(() => {
      if (this.#insert.run(name, text).changes === 1) this.#count += 1
      else this.#update.run(text, name)
    })
  }

  delete(key: string): void {
    onScratch(() => {
      if (this.#delete.run(Buffer.from(key)).changes === 1) this.#count -= 1
    })
  }

  /** All texts. */
  *texts(): Generator<string> {
    for (let last: Uint8Array | undefined = new Uint8Array(0); last !== undefined;) {
      const page = onScratch(() => this.#after.all(last as Uint8Array, pageTexts))
      for (const { text } of page) yield text as string
      last = page.at(-1)?.['key'] as Uint8Array | undefined
    }
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close()
  }
}

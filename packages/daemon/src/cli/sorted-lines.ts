/** Lines in the order of their keys' UTF-8 bytes, however many there are and however they come. */
import { leisurely, onScratch, openScratch } from '../scratch-database.ts'

/** Lines with keys. */
export class SortedLines implements Disposable {
  readonly #database = openScratch('CREATE TABLE line (key BLOB NOT NULL, line TEXT NOT NULL) STRICT')
  readonly #insert = this.#database.prepare('INSERT INTO line VALUES (?, ?)')
  #count = 0

  /** How many there are. */
  get count(): number {
    return this.#count
  }

  add(key: string, line: string): void {
    onScratch(() => this.#insert.run(Buffer.from(key), line))
    this.#count += 1
  }

  /** All of them; until `signal` fires. */
  async *sorted(signal: AbortSignal): AsyncGenerator<string> {
    const sorted = this.#database.prepare('SELECT line FROM line ORDER BY key')
    for await (const { line } of leisurely(sorted.iterate(), signal)) yield line as string
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}

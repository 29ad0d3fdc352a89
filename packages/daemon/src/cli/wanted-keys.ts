/** The keys that an import is to make read as they stand in its file, however many and in whatever order. */
import { problemsMax, readLine, toldKey, type ExportedKey } from './exported-keys.ts'
import type { WantedKey } from './import-plan.ts'
import { leisurely, onScratch, openScratch } from '../scratch-database.ts'

const tables =
  'CREATE TABLE key (key BLOB PRIMARY KEY, wanted TEXT NOT NULL, present TEXT) STRICT, WITHOUT ROWID'

/** Keys to be written, and how they read now. */
export class WantedKeys implements Disposable {
  readonly #database = openScratch(tables)
  readonly #insert = this.#database.prepare(
    'INSERT INTO key (key, wanted) VALUES (?, ?) ON CONFLICT (key) DO NOTHING',
  )
  readonly #setPresent = this.#database.prepare('UPDATE key SET present = ? WHERE key = ?')

  /** False where the key is there already. */
  add(wanted: ExportedKey): boolean {
    const { changes } = onScratch(() => this.#insert.run(Buffer.from(wanted.key), JSON.stringify(wanted)))
    return changes === 1
  }

  /** Takes in the lines of an export; what is wrong with them, the first problems of all. */
  async addExport(lines: AsyncIterable<string>): Promise<readonly string[]> {
    const problems: string[] = []
    let number = 0
    for await (const line of lines) {
      number += 1
      if (line.trim() === '') continue
      const read = readLine(line)
      if (typeof read === 'string') problems.push(`line ${number}: ${read}`)
      else if (!this.add(read))
        problems.push(`line ${number}: the key ${JSON.stringify(read.key)} stands there twice`)
      if (problems.length === problemsMax) break
    }
    return problems
  }

  /** Takes in how they read, from all that a node tells: a line for each of its keys. */
  async addPresent(lines: AsyncIterable<string>): Promise<void> {
    for await (const line of lines) {
      const { key } = toldKey(line)
      onScratch(() => this.#setPresent.run(line, Buffer.from(key)))
    }
  }

  /** All of them, in the order of their UTF-8 bytes; until `signal` fires. */
  async *all(signal: AbortSignal): AsyncGenerator<WantedKey> {
    const rows = this.#database.prepare('SELECT wanted, present FROM key ORDER BY key').iterate()
    for await (const { wanted, present } of leisurely(rows, signal))
      yield {
        wanted: JSON.parse(wanted as string) as ExportedKey,
        present: present === null ? undefined : toldKey(present as string),
      }
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}

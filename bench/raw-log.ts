/** The limit of a disk: a file that only grows, flushed after each transaction. Finds nothing again. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import type { Pair } from './bare-sqlite.ts'

/** One open log. */
export class RawLog {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'ax')
  }

  /** One durable transaction. */
  write(pairs: readonly Pair[]): void {
    writeSync(this.#file, pairs.map(({ key, value }) => `${key}${value}\n`).join(''))
    fdatasyncSync(this.#file)
  }

  close(): void {
    closeSync(this.#file)
  }
}

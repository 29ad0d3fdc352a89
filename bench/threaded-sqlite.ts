/**
 * Bare SQLite in a thread of its own, awaited: what a process pays that must go on while a flush takes
 * seconds. This file is both sides.
 */
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { BareSqlite, type Pair } from './bare-sqlite.ts'

/** One open table, as it comes. */
export class ThreadedSqlite {
  readonly #worker: Worker

  constructor(path: string) {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: { threadedSqlite: path } })
  }

  /** One durable transaction. */
  async write(pairs: readonly Pair[]): Promise<void> {
    const written = once(this.#worker, 'message')
    this.#worker.postMessage(pairs)
    await written
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}

const { threadedSqlite } = (workerData ?? {}) as { readonly threadedSqlite?: string }
if (!isMainThread && threadedSqlite !== undefined) {
  const table = new BareSqlite(threadedSqlite, 'as it comes')
  parentPort?.on('message', (pairs: readonly Pair[]) => {
    table.write(pairs)
    parentPort?.postMessage('written')
  })
}

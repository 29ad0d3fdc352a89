/**
 * The durable `Store`: SQLite in WAL mode, read in this thread, written by one worker thread.
 *
 * `commit` resolves after the worker's COMMIT has returned with `synchronous = FULL`, that is after the log was
 * flushed to disk. Why a thread: docs of the seam `Store` in ports.ts; a flush may take seconds.
 */
import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import {
  amnesiaFact,
  LatticeError,
  type Batch,
  type Incarnation,
  type NewRow,
  type Row,
  type Sequence,
  type Store,
  type StoreRemedy,
} from '@lattice/core'
import { packBatch } from './sqlite-batch.ts'
import { openError } from './sqlite-error.ts'
import type { IndexLag } from './sqlite-index.ts'
import type { StoreNote } from './sqlite-open.ts'
import { SqliteReader } from './sqlite-reader.ts'
import type { WriterFailure, WriterOptions, WriterReply, WriterRequest } from './sqlite-requests.ts'
import { storeFiles } from './sqlite-schema.ts'

/** What `openSqliteStore` takes. */
export interface SqliteStoreOptions {
  /** Called for what an operator should read; never after `close` has resolved. */
  readonly log?: (level: StoreNote['level'], text: string) => void
  /** What the store needs that was found out to be not what it should be. */
  readonly remedy?: StoreRemedy
  /** How far the indexes lag behind; tests make it small. */
  readonly lag?: IndexLag
  /** What stays free on the disk for deletes; tests make it large. */
  readonly reserveBytes?: number
}

/**
 * The rows of one moment, whatever is committed meanwhile. Until it is disposed, which may be done twice, the
 * log of the store cannot be cut; and it must be before the store is closed.
 */
export interface FrozenRows extends Pick<Store, 'after' | 'lastSeq'>, Disposable {}

/** A durable store. */
export interface SqliteStore extends Store {
  /** The database file. */
  readonly path: string
  /**
   * The directory had a store before and its data is gone or another's: this node must learn from its peers
   * before it claims to be complete. Stands over restarts until a commit removes the fact `amnesiaFact`.
   */
  readonly amnesia: boolean
  /** Bytes of the disk that are free still, and will be taken by what is durable already. */
  readonly growthBytes: number
  /**
   * Mends what the index of keys says of the rows with a sequence > `after` and ≤ `upTo`; how many that were.
   * @throws LatticeError STORE_CORRUPT, STORE_SUSPECT
   */
  mendPlaces(after: Sequence, upTo: Sequence): Promise<number>
  /** The rows as they are on the disk now, in a connection of their own. */
  freeze(): FrozenRows
}

/**
 * Opens the store in `directory`, which must exist; the caller holds its lock (state-dir.ts).
 *
 * @throws LatticeError STATE_DIR_UNUSABLE, STORE_FOREIGN, STORE_NEWER, STORE_LOCKED, STORE_UNAVAILABLE
 */
export async function openSqliteStore(
  directory: string,
  options: SqliteStoreOptions = {},
): Promise<SqliteStore> {
  const bell = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const { log, ...wanted } = options
  const workerData: WriterOptions = { role: 'sqlite-writer', directory, bell, ...wanted }
  // The same extension as this file: .ts in a checkout, .js once built.
  const script = new URL(`./sqlite-writer${extname(import.meta.url)}`, import.meta.url)
  const worker = new Worker(script, { workerData, name: 'sqlite-writer' })
  const opened = await firstReply(worker)
  if (opened.kind !== 'opened') {
    await worker.terminate()
    throw opened.kind === 'failed'
      ? errorOf(opened.failure)
      : new Error(`the writer began with ${opened.kind}`)
  }
  for (const note of opened.notes) log?.(note.level, note.text)
  const path = join(directory, storeFiles.database)
  try {
    const reader = new SqliteReader(path)
    reader.load()
    return new ThreadedStore({ worker, bell }, reader, path, opened)
  } catch (error) {
    await worker.terminate()
    throw openError(error, path)
  }
}

/** The writer thread and what wakes it. */
interface WriterLine {
  readonly worker: Worker
  readonly bell: WriterOptions['bell']
}

interface Pending {
  readonly lastSeq: Sequence | undefined
  readonly resolve: () => void
  readonly reject: (reason: Error) => void
}

class ThreadedStore implements SqliteStore {
  readonly path: string
  readonly incarnation: Incarnation
  readonly amnesia: boolean
  readonly #writer: WriterLine
  readonly #reader: SqliteReader
  readonly #ended = Promise.withResolvers<void>()
  #pending: Pending[] = []
  #mends: PromiseWithResolvers<number>[] = []
  /** Rows that the writer has already. */
  #prepared: NewRow[] = []
  #lastSeq: Sequence
  #refusal: LatticeError | undefined
  #closing: Promise<void> | undefined

  constructor(
    writer: WriterLine,
    reader: SqliteReader,
    path: string,
    opened: WriterReply & { kind: 'opened' },
  ) {
    this.#writer = writer
    const { worker } = writer
    this.#reader = reader
    this.path = path
    this.incarnation = opened.incarnation
    this.#lastSeq = opened.lastSeq
    this.amnesia = reader.fact(amnesiaFact) !== undefined
    worker.on('message', (reply: WriterReply) => {
      if (reply.kind === 'committed') this.#settle(reply)
      else if (reply.kind === 'mended') this.#mended(reply)
    })
    worker.on('error', error => this.#fail(`the writer thread failed: ${String(error)}`))
    worker.on('exit', () => {
      this.#fail('the writer thread has ended')
      this.#ended.resolve()
    })
  }

  get lastSeq(): Sequence {
    return this.#lastSeq
  }

  get growthBytes(): number {
    return this.#reader.growthBytes
  }

  slots(key: string): readonly Row[] {
    return this.#reader.slots(key)
  }

  at(seq: Sequence): Row | undefined {
    return this.#reader.at(seq)
  }

  after(seq: Sequence, limit: number): readonly Row[] {
    return this.#reader.after(seq, limit)
  }

  leaves(after?: Sequence, upTo?: Sequence): ReturnType<Store['leaves']> {
    return this.#reader.leaves(after, upTo)
  }

  keys(prefix: string, from: string, limit: number): readonly string[] {
    return this.#reader.keys(prefix, from, limit)
  }

  fact(name: string): Uint8Array | undefined {
    return this.#reader.fact(name)
  }

  facts(prefix: string, limit: number): ReadonlyArray<readonly [name: string, value: Uint8Array]> {
    return this.#reader.facts(prefix, limit)
  }

  freeze(): FrozenRows {
    const reader = new SqliteReader(this.path)
    // No bound function: V8 of Node 24 takes none for `using`.
    const close = (): void => reader.close()
    try {
      return { lastSeq: reader.freeze(), after: reader.after.bind(reader), [Symbol.dispose]: close }
    } catch (error) {
      close()
      throw error
    }
  }

  prepare(rows: readonly NewRow[]): void {
    if (this.#refusal) return
    const part = packBatch({ rows, facts: new Map() })
    this.#prepared.push(...rows)
    this.#send({ part }, [part.buffer])
  }

  commit(batch: Batch): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#refusal) throw this.#refusal
      const known = this.#prepared.every((row, at) => row === batch.rows[at]) ? this.#prepared.length : 0
      const block = packBatch({ ...batch, rows: batch.rows.slice(known) })
      if (known < this.#prepared.length) this.#send('discard')
      this.#prepared = []
      this.#pending.push({ lastSeq: batch.rows.at(-1)?.seq, resolve, reject })
      this.#reader.overlay.add(batch)
      this.#send(block, [block.buffer])
    })
  }

  mendPlaces(after: Sequence, upTo: Sequence): Promise<number> {
    if (this.#refusal) return Promise.resolve(0)
    const mend = Promise.withResolvers<number>()
    this.#mends.push(mend)
    this.#send({ places: { after, upTo } })
    return mend.promise
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown()
    return this.#closing
  }

  async #shutDown(): Promise<void> {
    this.#refusal ??= new LatticeError('STORE_UNAVAILABLE', 'the store is closed')
    // The last connection to close moves the log into the database; that must be the writer.
    this.#reader.close()
    this.#send('close')
    await this.#ended.promise
  }

  #send(request: WriterRequest, moved: ArrayBuffer[] = []): void {
    const { worker, bell } = this.#writer
    worker.postMessage(request, moved)
    Atomics.add(bell, 0, 1)
    Atomics.notify(bell, 0)
  }

  #settle({ verdicts, marker }: WriterReply & { kind: 'committed' }): void {
    const settled = this.#pending.splice(0, verdicts.length)
    for (const failure of verdicts) this.#reader.overlay.settle(failure === undefined)
    this.#reader.overlay.trim(marker)
    settled.forEach(({ lastSeq, resolve, reject }, at) => {
      const failure = verdicts[at]
      if (failure) return reject(errorOf(failure))
      if (lastSeq !== undefined) this.#lastSeq = lastSeq
      resolve()
    })
  }

  /** On a disk that is full, or while others hold the file, the next scrub comes by again. */
  #mended({ count, failure }: WriterReply & { kind: 'mended' }): void {
    const mend = this.#mends.shift()
    if (failure?.code === 'STORE_CORRUPT' || failure?.code === 'STORE_SUSPECT') mend?.reject(errorOf(failure))
    else mend?.resolve(count)
  }

  /** Without a writer nothing is kept any more, and what it had is in doubt; a store opened anew has one. */
  #fail(why: string): void {
    this.#refusal ??= new LatticeError('STORE_SUSPECT', why)
    for (const { reject } of this.#pending.splice(0)) reject(this.#refusal)
    for (const { resolve } of this.#mends.splice(0)) resolve(0)
  }
}

function errorOf({ code, message }: WriterFailure): Error {
  return code === undefined ? new Error(message) : new LatticeError(code, message)
}

function firstReply(worker: Worker): Promise<WriterReply> {
  const { promise, resolve, reject } = Promise.withResolvers<WriterReply>()
  const failed = (error: unknown): void => reject(Error.isError(error) ? error : new Error(String(error)))
  const ended = (): void => reject(new Error('the writer thread ended before it had opened the store'))
  worker.once('message', resolve).once('error', failed).once('exit', ended)
  return promise.finally(() => worker.off('message', resolve).off('error', failed).off('exit', ended))
}

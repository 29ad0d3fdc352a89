/**
 * The writer thread: the only connection that writes. Commits what has queued up as one transaction (group
 * commit).
 *
 * A slow flush blocks this thread alone; heartbeats and `/health` go on. Answers come in the order of the
 * requests.
 */
import { join } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import {
  isMainThread,
  parentPort,
  receiveMessageOnPort,
  workerData,
  type MessagePort,
} from 'node:worker_threads'
import { assert, isLatticeError, LatticeError, type Incarnation } from '@lattice/core'
import { writeSentinel } from './incarnation-file.ts'
import { frees, unpackBatch } from './sqlite-batch.ts'
import { commitError, isFlushFailure } from './sqlite-error.ts'
import { FactWriter } from './sqlite-facts.ts'
import { LaggingIndex } from './sqlite-index.ts'
import { busyTimeoutMs, openDatabase, type OpenedDatabase } from './sqlite-open.ts'
import { PlaceCheck, type RowRange } from './sqlite-places.ts'
import type { WriterFailure, WriterOptions, WriterReply, WriterRequest } from './sqlite-requests.ts'
import { Room } from './sqlite-room.ts'
import { newestSeqSql, storeFiles } from './sqlite-schema.ts'

/**
 * A group ends here, so that the first of it does not wait too long for the last: about 50 ms of random
 * inserts.
 */
const groupBytesMax = 1024 * 1024

/**
 * Pages in the log before they move to the database. Bulk: 16 MB, so that index pages changed often are
 * written once (a third more rows/s). Small commits: 4 MB, because a log that grows costs each flush twice
 * what reusing it does.
 */
const checkpointPages = { small: 1000, bulk: 4000 } as const
/** A group from this size on counts as bulk: about 60 rows of 500 B. */
const bulkBytes = 32 * 1024

/** Longest wait for readers before the log is cut on a full disk: all but a backup are done by then. */
const cutWithinMs = 100

/** How often the sentinel is told: two flushes a minute, and an old copy is older than that. */
const noteEveryMs = 60_000

/** A transaction under way. */
interface Begun {
  /** The newest sequence before it. */
  readonly before: number
  /** Why it has ended already. */
  failure: WriterFailure | undefined
  /** What has been prepared in it, in case it must be begun anew. */
  readonly parts: Uint8Array[]
}

/** Applies packed batches to the database. */
class Writer {
  readonly #database: DatabaseSync
  readonly #directory: string
  readonly #index: LaggingIndex
  readonly #places: PlaceCheck
  readonly #facts: FactWriter
  readonly #room: Room
  readonly #beginTransaction: StatementSync
  readonly #endTransaction: StatementSync
  readonly #insertRow: StatementSync
  readonly #deleteRow: StatementSync
  readonly #incarnation: Incarnation
  #lastSeq: number
  /** Set while the next batch is being prepared. */
  #begun: Begun | undefined
  #bulk = false
  #suspect: LatticeError | undefined
  #notedSeq = 0
  #noteAt = performance.now() + noteEveryMs

  constructor(
    { database, incarnation, unindexed }: OpenedDatabase,
    { directory, lag, reserveBytes }: WriterOptions,
  ) {
    this.#database = database
    this.#room = new Room(database, join(directory, storeFiles.database), reserveBytes)
    this.#directory = directory
    this.#incarnation = incarnation
    this.#insertRow = database.prepare('INSERT INTO row VALUES (?, CAST(? AS TEXT), ?, ?, ?)')
    this.#deleteRow = database.prepare('DELETE FROM row WHERE seq = ?')
    this.#beginTransaction = database.prepare('BEGIN IMMEDIATE')
    this.#endTransaction = database.prepare('COMMIT')
    this.#lastSeq = Number(database.prepare(newestSeqSql).get()?.['seq'])
    this.#facts = new FactWriter(database)
    this.#index = new LaggingIndex(database, unindexed, this.#lastSeq, lag)
    this.#places = new PlaceCheck(database, this.#index)
    // So nobody doubts them again, and nobody believes them who does not.
    const failure = unindexed.doubtful > 0 ? this.#indexAll() : undefined
    if (failure) throw new LatticeError(failure.code ?? 'STORE_UNAVAILABLE', failure.message)
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  /** Whether the next batch must be committed alone, because it has been prepared. */
  get isPreparing(): boolean {
    return this.#begun !== undefined
  }

  /** Sequence up to which all rows are indexed. */
  get marker(): number {
    return this.#index.marker
  }

  /**
   * One transaction for all, which brings the indexes on; where that fails one for each, so that every batch
   * gets a verdict of its own, and none fails for what came before it or for the indexes, unless these are
   * overdue; deletes not even then. One that has been prepared comes alone, and is not whole here.
   */
  commit(blocks: readonly Uint8Array[]): Array<WriterFailure | undefined> {
    const prepared = this.#begun?.parts
    if (!prepared) this.#expect(blocks.reduce((bytes, block) => bytes + block.length, 0) >= bulkBytes)
    const failure = this.#commit(blocks, true)
    if (failure === undefined || isDamage(failure)) return blocks.map(() => failure)
    if (failure.code === 'STORE_FULL') this.#cutLog()
    return blocks.map(block => {
      const parts = [...(prepared ?? []), block]
      return this.#commit(parts, this.#index.isOverdue && !parts.every(frees))
    })
  }

  /**
   * Brings the indexes on while nobody waits, in a transaction of its own. It is not flushed: what a power
   * cut takes of it is written once more, and nothing that comes later is kept without it.
   */
  bringOn(): void {
    if (!this.#index.isDue || this.isPreparing) return
    this.#database.exec('PRAGMA synchronous = NORMAL')
    try {
      this.#finish(this.#begin(true), () => undefined)
    } finally {
      this.#database.exec('PRAGMA synchronous = FULL')
    }
  }

  /** Writes the first rows of the next batch, unseen until its commit, which begins anew if that fails. */
  prepare(part: Uint8Array): void {
    if (this.#begun === undefined) this.#expect(true)
    const begun = (this.#begun ??= this.#begin(true))
    begun.parts.push(part)
    begun.failure ??= this.#attempt(begun.before, () => this.#apply(part))
  }

  /** Drops what has been prepared. */
  discard(): void {
    if (this.#begun === undefined) return
    this.#rollBack(this.#begun.before)
    this.#begun = undefined
  }

  /** Mends the places of rows; of what has been prepared, with its commit. */
  mendPlaces(range: RowRange): WriterReply {
    let count = 0
    const begun = this.#begun
    // Its transaction has ended: the next scrub comes by again.
    if (begun?.failure) return { kind: 'mended', count, failure: undefined }
    const work = (): void => {
      const astray = this.#places.find(range)
      this.#places.mend(astray)
      count = astray.length
    }
    const failure =
      begun === undefined ? this.#finish(this.#begin(false), work) : this.#attempt(begun.before, work)
    if (begun !== undefined) begun.failure ??= failure
    return { kind: 'mended', count: failure === undefined ? count : 0, failure }
  }

  /** Tells the sentinel now and then how far the store has come: an old copy of it is recognised by that. */
  note(): void {
    if (performance.now() < this.#noteAt || this.isPreparing) return
    this.#noteAt = performance.now() + noteEveryMs
    this.#noteNow()
  }

  close(): void {
    this.discard()
    this.#indexAll()
    this.#noteNow()
    this.#database.close()
  }

  #noteNow(): void {
    if (this.#suspect !== undefined || this.#notedSeq === this.#lastSeq) return
    try {
      writeSentinel(this.#directory, this.#incarnation, this.#lastSeq)
      this.#notedSeq = this.#lastSeq
    } catch {
      // A full or failing disk shows in commits; the note of before is still true.
    }
  }

  #expect(bulk: boolean): void {
    if (bulk === this.#bulk) return
    this.#bulk = bulk
    this.#database.exec(`PRAGMA wal_autocheckpoint = ${bulk ? checkpointPages.bulk : checkpointPages.small}`)
  }

  /** Moves the log into the database, where the disk has room for that: both may hold the same. */
  #cutLog(): void {
    try {
      this.#database.exec(`PRAGMA busy_timeout = ${cutWithinMs}; PRAGMA wal_checkpoint(TRUNCATE)`)
    } catch {
      // The disk is full: the verdict of the commits says so.
    } finally {
      this.#database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`)
    }
  }

  /** Brings the indexes up to the newest row. After a failure they lag as before. */
  #indexAll(): WriterFailure | undefined {
    let failure: WriterFailure | undefined
    while (this.#index.lags && failure === undefined)
      failure = this.#finish(this.#begin(false), () => this.#index.catchUp(this.#lastSeq))
    return failure
  }

  /** Commits all in one transaction, begun before or now; why it has changed nothing, if so. */
  #commit(blocks: readonly Uint8Array[], isIndexing: boolean): WriterFailure | undefined {
    const begun = this.#begun ?? this.#begin(isIndexing)
    this.#begun = undefined
    return this.#finish(begun, () => {
      for (const block of blocks) this.#apply(block)
    })
  }

  #finish({ before, failure }: Begun, work: () => void): WriterFailure | undefined {
    const finish = (): void => {
      work()
      this.#endTransaction.run()
      this.#index.committed(this.#lastSeq)
    }
    return failure ?? this.#attempt(before, finish)
  }

  #begin(isIndexing: boolean): Begun {
    const before = this.#lastSeq
    const failure = this.#attempt(before, () => {
      if (this.#suspect) throw this.#suspect
      this.#beginTransaction.run()
      if (isIndexing) this.#index.advance()
    })
    // On a disk that is nearly full it is the indexes that wait; damage that a slice meets is not hidden.
    const mayWait = failure && !isDamage(failure) && isIndexing && !this.#index.isOverdue
    return mayWait === true ? this.#begin(false) : { before, failure, parts: [] }
  }

  /** Does a part of a transaction; a failure ends it. */
  #attempt(before: number, work: () => void): WriterFailure | undefined {
    try {
      work()
      return undefined
    } catch (error) {
      this.#rollBack(before)
      const failure = commitError(error, this.#directory)
      if (isFlushFailure(error) && isLatticeError(failure)) this.#suspect = failure
      return failureOf(failure)
    }
  }

  #rollBack(before: number): void {
    this.#lastSeq = before
    // SQLite has rolled back by itself after some failures.
    if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
    this.#index.rolledBack()
    this.#facts.rolledBack()
  }

  #apply(block: Uint8Array): void {
    if (this.#room.isShort(block.length) && !frees(block))
      throw new LatticeError('STORE_FULL', `${this.#directory}: the disk is nearly full`)
    const { rows, facts, drops } = unpackBatch(block)
    for (const { seq, key, slot, digest, bytes } of rows) {
      assert(seq > this.#lastSeq, `sequence ${seq} must be above ${this.#lastSeq}`)
      this.#lastSeq = seq
      this.#insertRow.run(seq, key, slot, digest, bytes)
    }
    for (const seq of this.#index.put(rows)) this.#deleteRow.run(seq)
    for (const seq of drops) {
      assert(seq !== this.#lastSeq, 'the newest row is never dropped')
      this.#index.drop(seq)
      this.#deleteRow.run(seq)
    }
    for (const [name, value] of facts) this.#facts.put(name, value)
  }
}

/** Whether what lies on the disk is in doubt: then another try would only hide it. */
function isDamage({ code }: WriterFailure): boolean {
  return code === 'STORE_CORRUPT' || code === 'STORE_SUSPECT'
}

function failureOf(error: unknown): WriterFailure {
  const message = Error.isError(error) ? error.message : String(error)
  return isLatticeError(error) ? { code: error.code, message } : { message }
}

/** Opens the database, reports, and serves until told to close. */
function run(port: MessagePort, options: WriterOptions): void {
  const { directory, bell, remedy } = options
  const reply = (message: WriterReply): void => port.postMessage(message)
  let writer: Writer
  try {
    const opened = openDatabase(directory, remedy)
    const { incarnation, notes } = opened
    writer = new Writer(opened, options)
    reply({ kind: 'opened', incarnation, lastSeq: writer.lastSeq, notes })
  } catch (error) {
    reply({ kind: 'failed', failure: failureOf(error) })
    return
  }
  for (let open = true; open;) {
    const group: Uint8Array[] = []
    let request: WriterRequest | undefined = nextRequest(port, bell)
    for (let bytes = 0; request instanceof Uint8Array;) {
      group.push(request)
      bytes += request.length
      request = bytes < groupBytesMax && !writer.isPreparing ? queuedRequest(port) : undefined
    }
    if (group.length > 0) reply({ kind: 'committed', verdicts: writer.commit(group), marker: writer.marker })
    if (request === 'discard') writer.discard()
    else if (typeof request === 'object')
      if ('part' in request) writer.prepare(request.part)
      else if ('places' in request) reply(writer.mendPlaces(request.places))
    writer.note()
    writer.bringOn()
    open = request !== 'close'
  }
  writer.close()
}

function queuedRequest(port: MessagePort): WriterRequest | undefined {
  return receiveMessageOnPort(port)?.message as WriterRequest | undefined
}

/**
 * Sleeps until there is a request. The thread has nothing else to do, and waking from a wait on shared memory
 * costs a third of waking an event loop (measured: 9 µs against 23 µs there and back), which a lone commit
 * feels.
 */
function nextRequest(port: MessagePort, bell: WriterOptions['bell']): WriterRequest {
  for (;;) {
    // Read before looking: a ring in between makes the wait return at once.
    const rings = Atomics.load(bell, 0)
    const request = queuedRequest(port)
    if (request !== undefined) return request
    Atomics.wait(bell, 0, rings)
  }
}

const given = workerData as Partial<WriterOptions> | null
if (!isMainThread && parentPort && given?.role === 'sqlite-writer') run(parentPort, given as WriterOptions)

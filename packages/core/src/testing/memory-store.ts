/**
 * The `Store` port in memory, for tests and the simulator: same promises as a disk, and time under the test's
 * control.
 *
 * The image is the disk; it outlives the store, so that a reopen and a crash can be played.
 */
import { concatBytes } from '../bytes.ts'
import { LatticeError, assert } from '../errors.ts'
import type { Batch, LeafBlock, NewRow, Row, Store } from '../ports.ts'
import type { Incarnation, Sequence } from '../units.ts'
import { compareUtf8 } from './utf8-order.ts'

/** Leaves told together, as a disk does: far fewer than arguments fit a call. */
const leavesPerBlock = 1_000

/** What a memory store leaves behind when it is closed or crashes. */
export interface MemoryImage {
  readonly incarnation: Incarnation
  lastSeq: Sequence
  /** Live rows; insertion order is ascending sequence. */
  readonly rows: Map<Sequence, NewRow>
  readonly facts: Map<string, Uint8Array>
}

/** What `createMemoryStore` takes. */
export interface MemoryStoreOptions {
  /** Of the fresh image; ignored where `image` is given. */
  readonly incarnation?: Incarnation
  /** Disk to open; a fresh empty one otherwise. */
  readonly image?: MemoryImage
  /** The first commit fails with this. */
  readonly failNext?: LatticeError
}

/** A store in memory with levers for tests. */
export interface MemoryStore extends Store {
  readonly image: MemoryImage
  /** Commits wait from now on. */
  hold(): void
  /**
   * Commits the first `count` waiting batches and holds on; without a count all of them, and ends the hold.
   */
  release(count?: number): void
  /** The next commit that has its turn fails, with STORE_UNAVAILABLE unless told otherwise. */
  failNext(error?: LatticeError): void
  /** Batches waiting for their turn. */
  readonly waiting: number
  /** Power cut: what waits is lost and never settles; the image holds what was committed. */
  crash(): void
}

interface Waiting {
  readonly batch: Batch
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** An empty disk. */
export function createMemoryImage(incarnation: Incarnation): MemoryImage {
  return { incarnation, lastSeq: 0, rows: new Map(), facts: new Map() }
}

/** Opens a store on `image`, or on a fresh one. */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const image = options.image ?? createMemoryImage(options.incarnation ?? ('0000000000000001' as Incarnation))
  return new ImageStore(image, options.failNext)
}

class ImageStore implements MemoryStore {
  readonly image: MemoryImage
  readonly #places = new Map<string, Map<string, NewRow>>()
  #sequences: Sequence[] = []
  #sortedKeys: readonly string[] | undefined
  #queue: Waiting[] = []
  #failure: LatticeError | undefined
  #held = false
  #open = true

  constructor(image: MemoryImage, failure: LatticeError | undefined) {
    this.image = image
    this.#failure = failure
    for (const row of image.rows.values()) this.#index(row)
  }

  get incarnation(): Incarnation {
    return this.image.incarnation
  }

  get lastSeq(): Sequence {
    return this.image.lastSeq
  }

  get waiting(): number {
    return this.#queue.length
  }

  slots(key: string): readonly Row[] {
    return [...(this.#places.get(key)?.values() ?? [])]
  }

  at(seq: Sequence): Row | undefined {
    return this.image.rows.get(seq)
  }

  after(seq: Sequence, limit: number): readonly Row[] {
    const found: Row[] = []
    for (
      let at = firstAbove(this.#sequences, seq);
      at < this.#sequences.length && found.length < limit;
      at += 1
    ) {
      const row = this.image.rows.get(this.#sequences[at] ?? 0)
      if (row) found.push(row)
    }
    return found
  }

  *leaves(after = 0, upTo = Number.MAX_SAFE_INTEGER): Iterable<LeafBlock> {
    const rows = [...this.image.rows.values()].filter(({ seq }) => seq > after && seq <= upTo)
    for (let from = 0; from < rows.length; from += leavesPerBlock)
      yield blockOf(rows.slice(from, from + leavesPerBlock))
  }

  keys(prefix: string, from: string, limit: number): readonly string[] {
    this.#sortedKeys ??= [...this.#places.keys()].sort(compareUtf8)
    const found: string[] = []
    for (const key of this.#sortedKeys) {
      if (found.length >= limit) break
      if (compareUtf8(key, from) >= 0 && key.startsWith(prefix)) found.push(key)
    }
    return found
  }

  fact(name: string): Uint8Array | undefined {
    return this.image.facts.get(name)
  }

  facts(prefix: string, limit: number): ReadonlyArray<readonly [name: string, value: Uint8Array]> {
    return [...this.image.facts]
      .filter(([name]) => name.startsWith(prefix))
      .sort(([a], [b]) => compareUtf8(a, b))
      .slice(0, limit)
  }

  commit(batch: Batch): Promise<void> {
    if (!this.#open) return Promise.reject(new LatticeError('STORE_UNAVAILABLE', 'the store is closed'))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#queue.push({ batch: copyOf(batch), resolve, reject })
    queueMicrotask(() => {
      if (!this.#held) this.#perform(1)
    })
    return promise
  }

  hold(): void {
    this.#held = true
  }

  release(count?: number): void {
    this.#held = count !== undefined
    this.#perform(count ?? this.#queue.length)
  }

  failNext(error?: LatticeError): void {
    this.#failure = error ?? new LatticeError('STORE_UNAVAILABLE')
  }

  crash(): void {
    this.#open = false
    this.#queue = []
  }

  close(): Promise<void> {
    this.release()
    this.#open = false
    return Promise.resolve()
  }

  #perform(count: number): void {
    for (const { batch, resolve, reject } of this.#queue.splice(0, count)) {
      try {
        const failure = this.#failure
        this.#failure = undefined
        if (failure) throw failure
        this.#apply(batch)
        resolve()
      } catch (error) {
        reject(error)
      }
    }
  }

  #apply(batch: Batch): void {
    let newest = this.image.lastSeq
    for (const { seq } of batch.rows) {
      assert(
        Number.isSafeInteger(seq) && seq > newest,
        `sequence ${seq} must be a whole number above ${newest}`,
      )
      newest = seq
    }
    for (const row of batch.rows) {
      const superseded = this.#places.get(row.key)?.get(row.slot)
      if (superseded) this.image.rows.delete(superseded.seq)
      this.image.rows.set(row.seq, row)
      this.#index(row)
    }
    for (const seq of batch.drops ?? []) this.#drop(seq, newest)
    this.image.lastSeq = newest
    for (const [name, value] of batch.facts) {
      if (value === undefined) this.image.facts.delete(name)
      else this.image.facts.set(name, value)
    }
    if (this.#sequences.length > 2 * this.image.rows.size + 64) this.#sequences = [...this.image.rows.keys()]
  }

  #drop(seq: Sequence, newest: Sequence): void {
    assert(seq !== newest, 'the newest row is never dropped')
    const row = this.image.rows.get(seq)
    if (!row) return
    this.image.rows.delete(seq)
    const slots = this.#places.get(row.key)
    if (slots?.get(row.slot) === row) slots.delete(row.slot)
    if (slots?.size !== 0) return
    this.#places.delete(row.key)
    this.#sortedKeys = undefined
  }

  #index(row: NewRow): void {
    this.#sequences.push(row.seq)
    const slots = this.#places.get(row.key)
    if (slots) slots.set(row.slot, row)
    else {
      this.#places.set(row.key, new Map([[row.slot, row]]))
      this.#sortedKeys = undefined
    }
  }
}

/**
 * The caller may reuse its buffers once `commit` has returned. `slice` would not do: that of a Node Buffer
 * shares memory.
 */
function copyOf(batch: Batch): Batch {
  const copy = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)
  return {
    rows: batch.rows.map(row => ({
      ...row,
      digest: copy(row.digest),
      bytes: copy(row.bytes),
      path: copy(row.path),
      leaf: copy(row.leaf),
    })),
    drops: [...(batch.drops ?? [])],
    facts: new Map([...batch.facts].map(([name, value]) => [name, value && copy(value)])),
  }
}

/** Index of the first element > `seq` in an ascending list. */
function firstAbove(sequences: readonly Sequence[], seq: Sequence): number {
  let low = 0
  let high = sequences.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sequences[middle] ?? 0) > seq) high = middle
    else low = middle + 1
  }
  return low
}

function blockOf(rows: readonly NewRow[]): LeafBlock {
  const slots = rows.flatMap(({ slot, path }, index) =>
    slot === '' ? [] : [[index, path.slice(32)] as const],
  )
  return {
    seqs: Float64Array.from(rows, row => row.seq),
    keys: concatBytes(...rows.map(row => row.path.subarray(0, 32))),
    slots: new Map(slots),
    digests: concatBytes(...rows.map(row => row.leaf)),
  }
}

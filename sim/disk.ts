/**
 * A disk: what is on it survives the process, what was on its way there may or may not have arrived.
 *
 * A batch is on it as a whole or not at all, torn or not: that is the store's promise (write-ahead log with
 * checksums), kept by the real one and tested there.
 */
import {
  amnesiaFact,
  LatticeError,
  type Batch,
  type Incarnation,
  type NewRow,
  type Row,
  type Store,
} from '@lattice/core'
import {
  createMemoryImage,
  createMemoryStore,
  type MemoryImage,
  type MemoryStore,
} from '@lattice/core/testing'
import type { Dice } from './dice.ts'
import type { Life } from './life.ts'
import type { Timeline } from './timeline.ts'

/** How the disk works right now. */
export interface DiskHealth {
  /** Time a commit takes, in ms; each takes between half of it and one and a half. */
  commitMs: number
  /** Every commit is refused: disk full. */
  full: boolean
}

/** One machine's disk. */
export class Disk {
  readonly health: DiskHealth
  readonly #timeline: Timeline
  readonly #dice: Dice
  readonly #damaged = new WeakSet<Row>()
  #image: MemoryImage
  #open: MemoryStore | undefined
  #backup: MemoryImage

  constructor(timeline: Timeline, dice: Dice, commitMs: number) {
    this.#timeline = timeline
    this.#dice = dice
    this.health = { commitMs, full: false }
    this.#image = createMemoryImage(this.#newIncarnation())
    this.#backup = this.#copyOf(this.#image)
  }

  /** What is durable. */
  get image(): MemoryImage {
    return this.#image
  }

  /** What is durable and was not damaged since. */
  get intactRows(): NewRow[] {
    return [...this.#image.rows.values()].filter(row => !this.#damaged.has(row))
  }

  /** The durable row at a place. */
  row(key: string, slot: string): Row | undefined {
    return this.slots(key).find(row => row.slot === slot)
  }

  /** The rows of a key that are on it. */
  slots(key: string): readonly Row[] {
    return this.#open?.slots(key) ?? []
  }

  /** Batches handed over and not settled. */
  get waiting(): number {
    return this.#open?.waiting ?? 0
  }

  /** Whether a row is not what was written. */
  isDamaged(row: Row): boolean {
    return this.#damaged.has(row)
  }

  /**
   * The disk is lost and replaced by an empty one. Only between two lives. `isTold`: beside the database
   * something is left that says so.
   */
  replace(isTold: boolean): void {
    this.#image = createMemoryImage(this.#newIncarnation())
    if (isTold) this.#image.facts.set(amnesiaFact, new Uint8Array(0))
  }

  /** Keeps a copy of the database. */
  backUp(): void {
    this.#backup = this.#copyOf(this.#image)
  }

  /**
   * The database is replaced by the last copy, and the store finds that it is not the one last used here.
   * Only between two lives.
   */
  restore(): void {
    this.rollBack()
    this.beginLife()
  }

  /** Another machine's database as it is there now, with the name of its life. Only between two lives. */
  clone(other: Disk): void {
    this.#image = this.#copyOf(other.image)
    for (const [seq, row] of other.image.rows)
      if (other.isDamaged(row)) this.#damaged.add(this.#image.rows.get(seq) as Row)
  }

  /** All that the machine has of the database, the name of its life too, is as it was at the last copy. */
  rollBack(): void {
    this.#image = this.#copyOf(this.#backup)
  }

  /** The database goes on as one that does not know what it has lost. Only between two lives. */
  beginLife(): void {
    this.#image = { ...this.#image, incarnation: this.#newIncarnation() }
    this.#image.facts.set(amnesiaFact, new Uint8Array(0))
  }

  /** One bit of a row turns over, as it may on any medium; the row as it was, if there is one. */
  corrupt(): NewRow | undefined {
    const rows = this.intactRows
    if (rows.length === 0) return undefined
    const row = this.#dice.pick(rows)
    const before = { ...row, bytes: row.bytes.slice(), digest: row.digest.slice() }
    const victim = this.#dice.chance(0.8) ? row.bytes : row.digest
    const at = this.#dice.below(victim.length)
    victim[at] = (victim[at] as number) ^ (1 << this.#dice.below(8))
    this.#damaged.add(row)
    return before
  }

  /** Opens the store for one process. */
  mount(life: Life): Store {
    const inner = createMemoryStore({ image: this.#image })
    inner.hold()
    this.#open = inner
    return withCommit(inner, batch => this.#commit(inner, batch, life))
  }

  /** The process is gone. Of what waits, a part may have reached the disk; nobody will be told. */
  unmount(): void {
    const inner = this.#open
    this.#open = undefined
    if (inner === undefined) return
    inner.release(this.#dice.below(inner.waiting + 1))
    inner.crash()
  }

  #commit(inner: MemoryStore, batch: Batch, life: Life): Promise<void> {
    const { commitMs } = this.health
    const tookMs = commitMs * this.#dice.between(0.5, 1.5)
    const done = inner.commit(batch)
    this.#timeline.after(tookMs, () =>
      life.enter(() => {
        if (this.#open !== inner) return
        if (this.health.full) inner.failNext(new LatticeError('STORE_UNAVAILABLE', 'no space left on device'))
        inner.release(1)
      }),
    )
    return new Promise((resolve, reject) => {
      done.then(
        () => life.enter(resolve),
        (error: LatticeError) => life.enter(() => reject(error)),
      )
    })
  }

  /** A copy of a damaged row is as damaged. */
  #copyOf({ incarnation, lastSeq, rows, facts }: MemoryImage): MemoryImage {
    const copy = (row: NewRow): NewRow => {
      const [bytes, digest] = [new Uint8Array(row.bytes), new Uint8Array(row.digest)]
      const copied = { ...row, bytes, digest }
      if (this.#damaged.has(row)) this.#damaged.add(copied)
      return copied
    }
    return {
      incarnation,
      lastSeq,
      rows: new Map([...rows].map(([seq, row]) => [seq, copy(row)])),
      facts: new Map(facts),
    }
  }

  #newIncarnation(): Incarnation {
    return Buffer.from(this.#dice.bytes(8)).toString('hex') as Incarnation
  }
}

/** The same store with another way to commit. */
export function withCommit(inner: Store, commit: Store['commit']): Store {
  return {
    get incarnation() {
      return inner.incarnation
    },
    get lastSeq() {
      return inner.lastSeq
    },
    slots: key => inner.slots(key),
    at: seq => inner.at(seq),
    after: (seq, limit) => inner.after(seq, limit),
    leaves: (after, upTo) => inner.leaves(after, upTo),
    keys: (prefix, from, limit) => inner.keys(prefix, from, limit),
    fact: name => inner.fact(name),
    facts: (prefix, limit) => inner.facts(prefix, limit),
    commit,
    close: () => inner.close(),
  }
}

/**
 * A disk: what is on it survives the process, what was on its way there may or may not have arrived.
 *
 * A batch is on it as a whole or not at all, torn or not: that is the store's promise (write-ahead log with
 * checksums), kept by the real one and tested there.
 */
import { LatticeError, type Batch, type Incarnation, type Row, type Store } from '@lattice/core'
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
  #image: MemoryImage
  #open: MemoryStore | undefined

  constructor(timeline: Timeline, dice: Dice, commitMs: number) {
    this.#timeline = timeline
    this.#dice = dice
    this.health = { commitMs, full: false }
    this.#image = createMemoryImage(this.#newIncarnation())
  }

  /** What is durable. */
  get image(): MemoryImage {
    return this.#image
  }

  /** The durable row at a place. */
  row(key: string, slot: string): Row | undefined {
    return this.#open?.slots(key).find(row => row.slot === slot)
  }

  /** Batches handed over and not settled. */
  get waiting(): number {
    return this.#open?.waiting ?? 0
  }

  /** The disk is lost and replaced by an empty one. Only between two lives. */
  replace(): void {
    this.#image = createMemoryImage(this.#newIncarnation())
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
    leaves: () => inner.leaves(),
    keys: (prefix, from, limit) => inner.keys(prefix, from, limit),
    fact: name => inner.fact(name),
    facts: (prefix, limit) => inner.facts(prefix, limit),
    commit,
    close: () => inner.close(),
  }
}

/** The batch that is forming, and the one that is closed and on its way to the disk. */
import { toHex } from './bytes.ts'
import { assert } from './errors.ts'
import { horizonKey } from './horizon.ts'
import type { Leaf } from './merkle.ts'
import type { Batch, NewRow, Row } from './ports.ts'
import type { Signing } from './signing.ts'
import type { Committed, StagedRow } from './staged.ts'
import type { Sequence, Version } from './units.ts'

/** What a batch is made of before it is closed. */
export interface Forming {
  readonly rows: StagedRow[]
  readonly facts: Map<string, Uint8Array | undefined>
  /** Committed rows to be dropped, because those who know better do not have them. */
  readonly disowned: Map<Sequence, Row>
}

interface Sealed {
  readonly changes: Committed
  /** Rows without a leaf, to be dropped as well. */
  readonly spent: readonly Sequence[]
  readonly facts: () => Batch['facts']
}

/** Rows that are worth handing out before the rest of their batch is signed. */
const partMin = 128

/** Both batches: one at a time is on its way. */
export class Batches {
  readonly #signing: Signing
  #forming = emptyForming()
  #sealed: Sealed | undefined
  /** Paths of what the closed batch supersedes, and sequences of what it drops, once somebody has asked. */
  #leaving: ReadonlySet<string | Sequence> | undefined
  #isTaken = false
  /** Rows of the closed batch that have been handed out. */
  #prepared = 0
  #nextSeq: Sequence

  /** @param lastSeq the newest committed sequence */
  constructor(signing: Signing, lastSeq: Sequence) {
    this.#signing = signing
    this.#nextSeq = lastSeq + 1
  }

  /** What has been staged since the last `close`; to be added to. */
  get forming(): Forming {
    return this.#forming
  }

  /** Whether that is anything. */
  get hasForming(): boolean {
    const { rows, facts, disowned } = this.#forming
    return rows.length > 0 || facts.size > 0 || disowned.size > 0
  }

  /** Whether a closed batch waits for its verdict. */
  get isCommitting(): boolean {
    return this.#sealed !== undefined
  }

  /** What the batch that has been handed out will have changed, once it is durable. */
  get taken(): Committed | undefined {
    return this.#isTaken ? this.#sealed?.changes : undefined
  }

  /** Whether either batch brings an entry at or below a version, beside a horizon. */
  bringsUpTo(version: Version): boolean {
    const isOld = ({ entry, key }: StagedRow): boolean => entry.version <= version && key !== horizonKey
    return this.#forming.rows.some(isOld) || this.#sealed?.changes.rows.some(isOld) === true
  }

  /** Whether the closed batch takes the row of this leaf away, for another one or for none. */
  isLeaving({ path, seq }: Pick<Leaf, 'path' | 'seq'>): boolean {
    if (this.#sealed === undefined) return false
    const { rows, drops } = this.#sealed.changes
    this.#leaving ??= new Set([...rows.map(row => toHex(row.path)), ...drops.map(row => row.seq)])
    return this.#leaving.has(seq) || this.#leaving.has(toHex(path))
  }

  /** The place of the next row in the commit order. */
  nextSeq(): Sequence {
    return this.#nextSeq++
  }

  /**
   * The forming batch takes no more, and comes to this; `facts` is asked once all of it is signed.
   * @param spent rows that nothing vouches for any more, to be dropped with it
   */
  close(changes: Committed, facts: () => Batch['facts'], spent: readonly Sequence[] = []): void {
    this.#signing.close()
    this.#sealed = { changes, facts, spent }
    this.#leaving = undefined
    this.#isTaken = false
    this.#prepared = 0
    this.#forming = emptyForming()
  }

  /** The closed batch, once, as soon as all of it is signed. */
  take(): Batch | undefined {
    if (this.#sealed === undefined || this.#isTaken || !this.#signing.isComplete) return undefined
    const { facts, changes, spent } = this.#sealed
    this.#isTaken = true
    return { rows: changes.rows, drops: [...changes.drops.map(({ seq }) => seq), ...spent], facts: facts() }
  }

  /** The next rows of the closed batch that are signed, where they are many: for `Store.prepare`. */
  takePart(): readonly NewRow[] | undefined {
    if (this.#sealed === undefined || this.#isTaken) return undefined
    const { rows } = this.#sealed.changes
    const unsigned = rows.findIndex((row, at) => at >= this.#prepared && row.leaf.length === 0)
    if (unsigned < this.#prepared + partMin) return undefined
    const part = rows.slice(this.#prepared, unsigned)
    this.#prepared = unsigned
    return part
  }

  /** The closed batch is durable: what it has changed. */
  committed(): Committed {
    assert(this.#sealed !== undefined && this.#isTaken, 'a sealed batch waits for its commit')
    const { changes } = this.#sealed
    this.#sealed = undefined
    return changes
  }

  /** The closed batch was refused: forgets it and what was built on it. */
  aborted(lastSeq: Sequence): void {
    assert(this.#sealed !== undefined, 'a sealed batch waits for its verdict')
    this.#sealed = undefined
    this.#signing.clear()
    this.#forming = emptyForming()
    this.#nextSeq = lastSeq + 1
  }
}

function emptyForming(): Forming {
  return { rows: [], facts: new Map(), disowned: new Map() }
}

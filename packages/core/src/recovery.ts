/**
 * Recovery: up to where deletes have ended here, and whether the node may hold what has ended elsewhere: it
 * lost something, or was away meanwhile. It then takes everything, drops what settled peers do not have, and
 * vouches for nothing until it has agreed with one that knows.
 */
import { compareEntries, type Entry, type VerifiedEntry } from './entry.ts'
import { holdersOf } from './horizon.ts'
import { amnesiaFact, type Store } from './ports.ts'
import type { NodeId, Version } from './units.ts'

/** What a recovery works with. */
export interface RecoveryParts {
  readonly store: Store
  readonly self: NodeId
  /** The committed horizon; 0 if none has been set. */
  readonly horizon: Version
  /** Whether how far deletes have ended is itself lost. */
  readonly isHorizonLost: () => boolean
  /** Who may know what the store has lost, if it was put back to an old copy of itself. */
  readonly members: ReadonlySet<NodeId>
  /** Whether what the store has lost may still be read from the disk. */
  readonly isSalvaging: () => boolean
  readonly stageFact: (name: string, value: Uint8Array | undefined) => void
}

/** The horizon of one node, and its way back to it. */
export class Recovery {
  readonly #parts: RecoveryParts
  #isUnderWay: boolean
  /** Members that have not held the same since the start. */
  readonly #unheard: Set<NodeId>
  #staged: Version
  #committed: Version

  constructor(parts: RecoveryParts) {
    this.#parts = parts
    this.#staged = this.#committed = parts.horizon
    this.#unheard = new Set(parts.members)
    this.#unheard.delete(parts.self)
    this.#isUnderWay = this.#hasLost()
  }

  /** Whether the node has agreed with no peer since it lost something. */
  get isUnderWay(): boolean {
    return this.#isUnderWay
  }

  /**
   * Whether the store may lack what nobody has told of: a damaged one before it is still being read; or it is
   * an old copy of itself, as not all members have held the same since the start. One that was there for what
   * this one has lost may be cut off, and the others as old.
   */
  get mayLackMore(): boolean {
    return this.#unheard.size > 0 || this.#parts.isSalvaging()
  }

  /** The horizon with everything staged on top. */
  get stagedHorizon(): Version {
    return this.#staged
  }

  /** The committed horizon. */
  get horizon(): Version {
    return this.#committed
  }

  /** What this node holds may have ended. Kept with the next commit. */
  begin(): void {
    this.#isUnderWay = true
    this.#parts.stageFact(amnesiaFact, new Uint8Array(0))
  }

  /**
   * The node has agreed with a peer that vouches for `settled`, or with all: over, if that is no older than
   * ours. That can be told only of one that is not lost.
   */
  end(settled: Version, peer?: NodeId): void {
    if (!(this.#isUnderWay || this.mayLackMore)) return
    if (settled < this.#staged || this.#parts.isHorizonLost()) return
    if (peer === undefined) this.#unheard.clear()
    else this.#unheard.delete(peer)
    if (!this.#isUnderWay) return
    this.#isUnderWay = false
    this.#parts.stageFact(amnesiaFact, undefined)
  }

  /**
   * A horizon is staged: nothing at or below it comes back. Who was not among those that held everything up
   * to there may hold what has ended elsewhere: it must agree with one that was. So must one whose store may
   * be an old copy of the one that was named. Who sets a horizon itself has missed none: others have to stand
   * where it does.
   */
  adopt(horizon: VerifiedEntry, isOwnProposal: boolean): void {
    const { store, self } = this.#parts
    if (horizon.version === this.#staged) return
    this.#staged = horizon.version
    const isNamed = holdersOf(horizon)?.get(self) === store.incarnation
    if (!isNamed || (this.mayLackMore && !isOwnProposal)) this.begin()
  }

  /** A horizon is durable. */
  committed(horizon: Version): void {
    this.#committed = horizon
  }

  /** A commit was refused: what it would have set is forgotten, but not that the node must recover. */
  aborted(): void {
    this.#staged = this.#committed
    this.#isUnderWay ||= this.#hasLost()
  }

  /**
   * Whether what a node with the horizon `settled` offers has ended: every member held it when the horizon was
   * set, and who offers it anew must have applied the horizon.
   * @param horizon the staged or the committed one
   */
  hasEnded(version: Version, settled: Version, horizon: Version): boolean {
    return !this.#isUnderWay && version <= horizon && settled < horizon
  }

  /**
   * Whether an entry takes its place from the one that stands there. A later one does; and over what was
   * written at or below the horizon while this node was away, whatever one has there who was not: that one
   * refuses the other.
   * @param settled the horizon that who offers it vouches for
   * @param horizon the staged or the committed one
   */
  replaces(entry: Entry, present: Entry | undefined, settled: Version, horizon: Version): boolean {
    const order = present === undefined ? 1 : compareEntries(entry, present)
    const isKnown = this.#isUnderWay && settled >= horizon && (present?.version ?? 0n) <= horizon
    return order > 0 || (order < 0 && isKnown)
  }

  #hasLost(): boolean {
    return this.#parts.store.fact(amnesiaFact) !== undefined || this.#parts.isHorizonLost()
  }
}

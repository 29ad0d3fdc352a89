/**
 * Entries from the future: they wait in memory until their time has come, and are offered again then.
 *
 * Cursors pass them, although no row holds them. So the least version that waits is a fact before a cursor
 * moves: after a restart, which loses what waits, the cursors are worth nothing. And no delete may end that
 * silences what waits: nothing would be left to silence it with. Those of other keys may, however long it
 * waits: a clock can be ahead for ever.
 *
 * What this node cannot take in at all is missed in the same way, until roots show that nothing is.
 */
import { toHex } from './bytes.ts'
import { compareEntries, type Entry, type VerifiedEntry } from './entry.ts'
import { wallOf } from './hlc.ts'
import { horizonAgeMinMs, horizonKey } from './horizon.ts'
import { deferredBytesPerAuthorMax, deferredPerAuthorMax, futureToleranceMs } from './limits.ts'
import { wholeKey } from './slot.ts'
import type { Origin } from './staged.ts'
import type { NodeId, Version } from './units.ts'

/** An entry that waits, and where it came from. */
export interface Waiting {
  readonly entry: VerifiedEntry
  readonly origin: Origin
}

/** Name of the fact that says: entries wait that no row holds, although cursors have passed them. */
export const waitingFact = 'waiting'

/** What a refused commit has given back is tried again after this: the disk may be full for hours. */
const againMs = 10_000

/** Keys looked at, whether they were deleted, for each word on how far this node is; of more all count. */
const keysLookedMax = 100

/** Keeps what waits, so many per author. */
export class Deferred {
  readonly #waiting = new Map<NodeId, Map<string, Waiting>>()
  /** Wall time at which the first of them is due; never later than that. */
  #firstDueWall = Number.POSITIVE_INFINITY
  #least: Version | undefined
  /** Least base of those let go that a delete can silence: nobody knows their keys any more. */
  #letGoBase: Version | undefined
  #sealed: Version | undefined
  #durable: Version | undefined
  /** Some were let go, for want of room or of a known author; nobody says any more which. */
  #hasLetGo = false
  /** Others of which it has been shown since then that nothing of theirs is missed here. */
  readonly #agreed = new Set<NodeId>()
  /** What was taken out and is not durable: of the forming batch, and of the sealed one. */
  #taken: Waiting[] = []
  #sealedTaken: readonly Waiting[] = []
  #takenWall = Number.NEGATIVE_INFINITY

  /** Entries that wait. */
  get count(): number {
    return [...this.#waiting.values()].reduce((sum, entries) => sum + entries.size, 0)
  }

  /** Least version that we were told of and no row holds; undefined if there is none. */
  get least(): Version | undefined {
    return this.#least
  }

  /**
   * Up to where a node whose clock stands at `clock` holds what it was told of, and all deletes may end: only
   * below what waits, and where its key was deleted, only those that it was written under. Never 0 for that,
   * which says more.
   * @param deletesOf version of the latest delete of a key
   */
  floor(clock: Version, deletesOf: (key: string) => Version): Version {
    const [least = clock + 1n, letGo = clock] = [this.#least, this.#letGoBase]
    const bases = [...this.#bases()]
    const isLate = ([key, base]: [string, Version]): boolean => deletesOf(key) > base
    const late = bases.length > keysLookedMax ? bases : bases.filter(isLate)
    const bounds = [least - 1n, letGo, ...late.map(([, base]) => base)]
    return bounds.map(bound => (bound > 0n ? bound : 1n)).reduce(lesser, clock)
  }

  /** The keys for which something has no durable row that a delete can silence, with its least base. */
  #bases(): Map<string, Version> {
    const bases = new Map<string, Version>()
    const waiting = [...this.#waiting.values()].map(entries => entries.values())
    for (const list of [...waiting, this.#sealedTaken, this.#taken])
      for (const { entry } of list) {
        const { key, slot, base } = entry
        if (slot !== wholeKey) bases.set(key, lesser(base, bases.get(key) ?? base))
      }
    return bases
  }

  /** Whether it still has to become a fact that some wait. */
  get isUnsaid(): boolean {
    return this.#least !== undefined && this.#durable === undefined
  }

  /** Whether this very entry waits. */
  has({ author, digest }: Entry): boolean {
    return this.#waiting.get(author)?.has(toHex(digest)) === true
  }

  /** What waits of one author, the newest first. */
  of(author: NodeId): VerifiedEntry[] {
    const waiting = [...(this.#waiting.get(author)?.values() ?? [])]
    return waiting.map(({ entry }) => entry).sort((a, b) => compareEntries(b, a))
  }

  /** Keeps an entry; the oldest of its author goes where there are too many. */
  add(entry: VerifiedEntry, origin: Origin): void {
    this.#least = lesser(entry.version, this.#least ?? entry.version)
    this.#firstDueWall = Math.min(this.#firstDueWall, dueWall(entry))
    const waiting = this.#waiting.get(entry.author) ?? new Map<string, Waiting>()
    this.#waiting.set(entry.author, waiting)
    waiting.set(toHex(entry.digest), { entry, origin })
    let bytes = [...waiting.values()].reduce((sum, each) => sum + each.entry.bytes.length, 0)
    for (const [digest, oldest] of waiting) {
      if (waiting.size <= deferredPerAuthorMax && bytes <= deferredBytesPerAuthorMax) return
      waiting.delete(digest)
      const { base, slot, bytes: size } = oldest.entry
      bytes -= size.length
      if (slot !== wholeKey) this.#letGoBase = lesser(base, this.#letGoBase ?? base)
      this.#hasLetGo = true
      this.#agreed.clear()
    }
  }

  /**
   * An entry of this version cannot be taken in: its author is unknown here, or it is malformed or forged. It
   * may be the delete that silences what this node holds, and cursors pass it.
   */
  refuse(version: Version): void {
    this.#least = lesser(version, this.#least ?? version)
    this.#hasLetGo = true
    this.#agreed.clear()
  }

  /**
   * This node holds all rows of another that its cursor covers, or what has beaten them; nothing is on its
   * way. Once that is so of each of them, since the last was let go, no cursor has passed what is missed.
   */
  agreedWith(node: NodeId, others: readonly NodeId[]): void {
    if (!this.#hasLetGo) return
    this.#agreed.add(node)
    this.#hasLetGo = !others.every(each => this.#agreed.has(each))
  }

  /** Takes out what need not wait any more. */
  take(wall: number): Waiting[] {
    const due: Waiting[] = []
    if (this.#firstDueWall > wall) return due
    this.#firstDueWall = Number.POSITIVE_INFINITY
    for (const waiting of this.#waiting.values()) {
      for (const [digest, each] of waiting) {
        if (dueWall(each.entry) > wall) {
          this.#firstDueWall = Math.min(this.#firstDueWall, dueWall(each.entry))
          continue
        }
        waiting.delete(digest)
        due.push(each)
      }
    }
    this.#taken.push(...due)
    this.#takenWall = wall
    return due
  }

  /** Nothing waits, and nothing was let go: all we were told of has its row; true if that is new. */
  clear(): boolean {
    if (this.#least === undefined || this.#hasLetGo || this.count > 0) return false
    this.#least = undefined
    return true
  }

  /** A batch is sealed that says what waits now. */
  sealed(): void {
    this.#sealed = this.#least
    this.#sealedTaken = this.#taken
    this.#taken = []
  }

  /** That batch is durable. */
  committed(): void {
    this.#durable = this.#sealed
    this.#sealedTaken = []
    if ((this.#sealed ?? this.#least) === undefined) this.#letGoBase = undefined
  }

  /** What was taken out is in no row: it waits on, since cursors have passed it. */
  aborted(): void {
    const back = [...this.#sealedTaken, ...this.#taken]
    const firstDueWall = this.#firstDueWall
    this.#sealedTaken = this.#taken = []
    if (back.length === 0) return
    for (const { entry, origin } of back) this.add(entry, origin)
    this.#firstDueWall = Math.min(firstDueWall, this.#takenWall + againMs)
  }
}

function lesser(a: Version, b: Version): Version {
  return a < b ? a : b
}

/** When an entry may be taken in: from the future in its time, a horizon once it is old enough. */
export function dueWall({ key, version }: Entry): number {
  return key === horizonKey ? wallOf(version) + horizonAgeMinMs : wallOf(version) - futureToleranceMs
}

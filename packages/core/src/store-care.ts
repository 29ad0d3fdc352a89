/**
 * What the node knows of the health of its store, and what it does about it: damaged entries leave the trie
 * at once and are fetched again from every peer; on a full disk nothing but deletes is taken from clients,
 * and nothing at all while a second process writes with the key of this node.
 */
import { LatticeError } from './errors.ts'
import type { Effect, Event } from './events.ts'
import { isFromTheFuture } from './hlc.ts'
import type { Intake } from './intake.ts'
import { quarantineMax, storeReserveBytes } from './limits.ts'
import type { Peer } from './peers.ts'
import type { Place } from './quarantine.ts'
import type { Replica } from './replica.ts'
import type { DamageStatus, NodeStatus, Operation } from './status.ts'
import type { Instant, Sequence, Version } from './units.ts'
import { isCloned } from './warnings.ts'

/** Damaged keys named in a status and in a log line. */
const damagedKeysMax = 20

/**
 * Writes are taken again once so much of the disk is free: a tenth, so that it does not begin anew at once,
 * but never more than days of writing need.
 */
const roomAgain = { ratio: 0.1, bytes: 1024 ** 3 }

/** Once its time has come, what has waited in memory is on the disk and told within this: slow flushes. */
const takenInMs = 30_000

/** What the care works with. */
export interface StoreCareParts {
  readonly replica: Replica
  readonly intake: Intake
}

/** Looks after the store of one node. */
export class StoreCare {
  readonly #parts: StoreCareParts
  #found = 0
  #foundAt = Number.NEGATIVE_INFINITY
  #fullSinceWall: number | undefined

  constructor(parts: StoreCareParts) {
    this.#parts = parts
  }

  /** How the store is, for people. */
  get status(): Pick<NodeStatus, 'damage' | 'fullSinceWall' | 'clonedWall'> {
    const [fullSinceWall, { clonedWall }] = [this.#fullSinceWall, this.#parts.intake.own]
    return {
      damage: this.#damage(),
      ...(fullSinceWall === undefined ? {} : { fullSinceWall }),
      ...(clonedWall === undefined ? {} : { clonedWall }),
    }
  }

  #damage(): DamageStatus {
    const { places, healed } = this.#parts.replica.quarantine
    const unshared = places.filter(({ holders }) => holders.length === 0).length
    return { lost: places.length, unshared, found: this.#found, healed, keys: namesOf(places) }
  }

  /** Why a write is not even tried; undefined where it may be. */
  refusal(operations: readonly Operation[], at: Instant): LatticeError | undefined {
    // What either of two doubles counts, the other may write over.
    if (isCloned(this.#parts.intake.own.clonedWall, at.wall)) return new LatticeError('NODE_CLONED')
    // A counter that is missing from the trie only because its leaf is damaged must not be begun anew.
    for (const { op, key } of operations) if (op === 'increment') this.#parts.replica.rows.slots(key)
    if (this.#fullSinceWall === undefined || operations.every(({ op }) => op === 'delete')) return undefined
    return new LatticeError('STORE_FULL')
  }

  /** The disk has refused a commit. */
  refused({ error }: Event & { type: 'commit-failed' }, at: Instant): Effect[] {
    return error.code === 'STORE_FULL' ? this.#fill(at) : []
  }

  /** The disk was measured. */
  measured({ freeBytes, totalBytes }: Event & { type: 'disk' }, at: Instant): Effect[] {
    if (freeBytes < storeReserveBytes) return this.#fill(at)
    const enough = Math.min(roomAgain.bytes, roomAgain.ratio * totalBytes)
    if (this.#fullSinceWall === undefined || freeBytes < enough) return []
    this.#fullSinceWall = undefined
    const fields = { freeBytes, totalBytes }
    return [
      { type: 'log', level: 'info', message: 'there is room on the disk again: writes are taken', fields },
    ]
  }

  /**
   * Entries that lay on the disk with nothing to vouch for them, and whose signatures have been verified.
   * What was fit to be stored once is so again: none waits in memory for its time, which others do as well.
   */
  readmit({ entries, isQuiet = false }: Event & { type: 'readmit' }): Effect[] {
    const verdicts = this.#parts.replica.offer(entries, 'disk', Number.POSITIVE_INFINITY)
    const count = verdicts.filter(verdict => verdict === 'staged').length
    if (count === 0 || isQuiet) return []
    const message = 'entries found on the disk with nothing to vouch for them were taken in again'
    return [{ type: 'log', level: 'warn', message, fields: { count } }]
  }

  /**
   * Gives up what all members do without, once each has been asked: whoever cannot be asked may hold it.
   * @param root our root; undefined while something is on its way to the disk
   */
  giveUp(peers: Iterable<Peer>, root: string | undefined): void {
    const { quarantine, keys } = this.#parts.replica
    if (root === undefined || quarantine.places.length === 0) return
    const all = [...peers]
    // What was said before the damage was found may be older than what is lost.
    const agreeing = all.filter(({ known }) => known?.root === root && known.at > this.#foundAt)
    if (agreeing.length < all.length) return
    // And no root tells of what waits in memory for its time.
    const isPast = (clock: Version): boolean =>
      agreeing.every(({ known }) => !isFromTheFuture(clock, (known?.wall ?? 0) - takenInMs))
    if (quarantine.agreed(agreeing.map(holderOf), isPast)) keys.doubt()
  }

  /** Quarantines what reads have found damaged since the last call; empty where there was nothing. */
  quarantine(peers: Iterable<Peer>, now: number): Effect[] {
    const all = [...peers]
    const { quarantine } = this.#parts.replica
    const damage = quarantine.take(seq => holdersOf(seq, all))
    if (damage.length === 0) return []
    this.#found += damage.length
    this.#foundAt = now
    for (const peer of all) this.#parts.intake.fetchAgain(peer, damage)
    const fields = { code: 'ENTRY_DAMAGED', count: damage.length, keys: namesOf(damage) }
    const message = 'entries on the disk are damaged; they are fetched again from the other nodes'
    const effects: Effect[] = [{ type: 'log', level: 'error', message, fields }]
    if (quarantine.places.length <= quarantineMax) return effects
    const reason = `more than ${quarantineMax} entries on the disk are damaged`
    return [...effects, { type: 'distrust-store', reason, remedy: 'rebuild' }]
  }

  #fill(at: Instant): Effect[] {
    if (this.#fullSinceWall !== undefined) return []
    this.#fullSinceWall = at.wall
    const message = 'the disk is full: no writes but deletes are taken until there is room'
    return [{ type: 'log', level: 'error', message, fields: { code: 'STORE_FULL' } }]
  }
}

/** The peers that are known to have had on their disks what this commit brought. */
function holdersOf(seq: Sequence, peers: readonly Peer[]): string[] {
  return peers.filter(({ held }) => held >= seq).map(holderOf)
}

/** A peer in this life of its store: who has begun another one may have lost what it held. */
function holderOf({ id, known }: Peer): string {
  const life = known?.incarnation ?? '0'
  const mark = BigInt(`0x${id.slice(0, 8)}`) ^ BigInt(`0x${life.slice(-8)}`)
  return mark.toString(16).padStart(8, '0')
}

function namesOf(damage: readonly Place[]): string[] {
  return damage.slice(0, damagedKeysMax).map(each => each.key ?? '?')
}

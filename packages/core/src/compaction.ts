/**
 * When the horizon may move on: once every member holds everything at or below it, and nobody can still write
 * there.
 *
 * Two rounds. A round notes where every member stands, waits until we have applied all of that, and then
 * until every member has applied us: so each holds what any of them had at its beginning. After the first
 * round all hold everything at or below the horizon, because their clocks stood above it; after the second
 * also what was written before its writer knew of all that. A member that has it only in memory, to wait for
 * its time, says so by its floor. Nothing is remembered over a restart: it only begins again.
 */
import type { Cursor } from './journal.ts'
import { horizonAgeMinMs, type Holders } from './horizon.ts'
import { versionAt, wallOf } from './hlc.ts'
import type { EngineParams } from './params.ts'
import type { Peer } from './peers.ts'
import type { Store } from './ports.ts'
import type { Replica } from './replica.ts'
import type { CompactionStatus } from './status.ts'
import type { Instant, NodeId, Sequence, Version } from './units.ts'

/** What compaction works with. */
export interface CompactionParts {
  readonly params: EngineParams
  readonly self: NodeId
  readonly store: Store
  readonly replica: Replica
}

interface Round {
  readonly number: 1 | 2
  readonly horizon: Version
  /** Where each member stood when the round began. */
  readonly targets: ReadonlyMap<NodeId, Cursor>
  /** Where we stood when we had applied all of that. */
  readonly seq?: Sequence | undefined
}

/**
 * Keys that one horizon may touch: some 40 ms of looking them up, so that applying it delays no heartbeat.
 */
const keysPerHorizon = 2_000

/** The horizon moves in steps of the retention divided by this, unless more than one step's keys wait. */
const stepsPerRetention = 32

/** How often it is looked whether there is anything to do. */
const idleLookMs = 60_000

/** How often a round under way is looked at, and whether the next may begin while many keys are due. */
const roundLookMs = 2_000

/** The end of a recovery that the disk has refused to keep is tried again after this: it may be full. */
const endAgainMs = 10_000

/** Watches over the horizon on behalf of one node. */
export class Compaction {
  readonly #parts: CompactionParts
  #round: Round | undefined
  #lookAt: number
  /** Whether the keys that were due when a round last might begin are as many as one horizon ends. */
  #isFull = false
  /** The horizon when it was last looked, and when one was last set or came. */
  #horizon: Version
  #movedAt = Number.NEGATIVE_INFINITY
  /** No recovery is ended before this. */
  #endAt = Number.NEGATIVE_INFINITY
  /** Descents with all peers that had brought nothing when it was last looked. */
  #failures = 0

  constructor(parts: CompactionParts, now: number) {
    this.#parts = parts
    this.#lookAt = now
    this.#horizon = parts.replica.horizon
  }

  /** When to look again, in `mono` ms. */
  get wakeAt(): number {
    return this.#lookAt
  }

  /**
   * Moves the horizon on once everybody is ready, and ends a recovery where all agree and none knows better.
   * Equal roots also show that nothing is missed of what was let go before its time.
   *
   * What the horizon has left over, because something of its key was damaged when it came or because it
   * counts no more only since then, ends where it may be what keeps roots apart.
   * @param root our root; undefined while something is on its way to the disk
   */
  step(peers: ReadonlyMap<NodeId, Peer>, root: string | undefined, at: Instant): void {
    const { replica } = this.#parts
    const all = [...peers.values()]
    // Nobody agrees as long as nothing can be compared: a peer that was not heard of has no root either.
    const equal = root === undefined ? [] : all.filter(({ known }) => known?.root === root)
    const isOver = replica.isRecovering && all.length > 0 && equal.length === all.length
    if (isOver && at.mono >= this.#endAt) {
      this.#endAt = at.mono + endAgainMs
      replica.recovered()
    }
    // What was said longer ago than the cursor stands tells nothing of the rows that it has passed since.
    const agreeing = equal.filter(({ known, cursor }) => covers(known, cursor))
    for (const { id } of agreeing) replica.deferred.agreedWith(id, [...peers.keys()])
    const failures = all.reduce((sum, { descentFailures }) => sum + descentFailures, 0)
    if (failures > this.#failures && hasLeftOver(replica)) replica.repeatHorizon()
    this.#failures = failures
    if (at.mono >= this.#lookAt) this.#look(all, at)
  }

  #look(peers: readonly Peer[], at: Instant): void {
    const { replica } = this.#parts
    if (replica.horizon !== this.#horizon) this.#movedAt = at.mono
    this.#horizon = replica.horizon
    let round = this.#round ?? this.#begin(peers, at)
    if (round !== undefined) round = this.#advance(round, peers)
    if (round?.number === 2 && this.#isDone(round, peers)) {
      replica.propose(round.horizon, this.#holders(peers))
      this.#movedAt = at.mono
      round = undefined
    }
    this.#round = round
    // A member that is away for long is not waited for as closely.
    const isFollowed = this.#isFull && at.mono - this.#movedAt < idleLookMs
    this.#lookAt = at.mono + (round === undefined && !isFollowed ? idleLookMs : roundLookMs)
  }

  #begin(peers: readonly Peer[], at: Instant): Round | undefined {
    const next = candidate(this.#parts, peers, at)
    this.#isFull = next?.isFull === true
    return next && { number: 1, horizon: next.horizon, targets: positionsOf(peers) }
  }

  #advance(round: Round, peers: readonly Peer[]): Round | undefined {
    const { replica } = this.#parts
    const { number, horizon, targets } = round
    if (replica.floor < horizon || blockersOf(replica, peers, horizon).length > 0) return undefined
    // Of a journal that has begun anew, or is shorter than it was, nobody ever gets there.
    if (!peers.every(({ id, known }) => covers(known, targets.get(id)))) return undefined
    const applied = peers.every(peer => covers(peer.cursor, targets.get(peer.id)))
    const seq = round.seq ?? (applied ? replica.committedSeq : undefined)
    const next = { ...round, seq }
    if (number === 2 || !this.#isDone(next, peers)) return next
    return this.#advance({ number: 2, horizon, targets: positionsOf(peers) }, peers)
  }

  #isDone({ seq }: Round, peers: readonly Peer[]): boolean {
    const { incarnation } = this.#parts.store
    return seq !== undefined && peers.every(peer => covers(peer.statedAcked, { incarnation, seq }))
  }

  #holders(peers: readonly Peer[]): Holders {
    const lives = [...positionsOf(peers)].map(([id, { incarnation }]) => [id, incarnation] as const)
    return new Map([[this.#parts.self, this.#parts.store.incarnation], ...lives])
  }
}

/** Which members are not ready for a horizon. */
export function blockersOf(
  own: Replica,
  peers: readonly Peer[],
  horizon: Version,
): CompactionStatus['blockedBy'] {
  return peers.flatMap(peer => {
    const why = whyNotReady(own, peer, horizon)
    return why === undefined ? [] : [{ nodeId: peer.id, why }]
  })
}

function whyNotReady(own: Replica, { known, stated, cursor }: Peer, horizon: Version): string | undefined {
  if (known === undefined) return 'has not been heard of since this node started'
  if (stated === undefined) return 'does not say how far it has come; it may run an older version'
  if (stated.settled < own.horizon) return 'has not applied the last horizon yet'
  if (stated.settled > own.horizon) return 'is ahead of this node'
  if (cursor?.incarnation !== known.incarnation) return 'has not been read to its end yet'
  return stated.floor < horizon
    ? 'holds something back, has not agreed with all since its start, or has a clock that is behind'
    : undefined
}

/** The horizon that could be set next, by all clocks; undefined where it is not worth it yet. */
function candidate(
  parts: CompactionParts,
  peers: readonly Peer[],
  at: Instant,
): { readonly horizon: Version; readonly isFull: boolean } | undefined {
  const { replica, self, params } = parts
  const { horizon: last, isRecovering } = replica
  const [first, ...others] = isRecovering || peers.length === 0 ? [] : replica.keys.dues(keysPerHorizon)
  if (first === undefined) return undefined
  const retentionMs = Math.max(params.tombstoneRetentionMs, horizonAgeMinMs)
  const walls = [at.wall, ...peers.map(peer => peer.known?.wall ?? 0)]
  const bounds = [versionAt(Math.min(...walls) - retentionMs), replica.floor]
  bounds.push(...peers.map(peer => peer.stated?.floor ?? 0n))
  const latest = bounds.reduce((a, b) => (a < b ? a : b))
  // What the last horizon has left over goes with the next one, wherever that lies.
  const full = others.length === keysPerHorizon - 1 ? (others.at(-1) as Version) : last
  const isFull = full > last && full <= latest
  const horizon = isFull ? full : latest
  if (first > horizon || horizon <= last) return undefined
  if (isFull) return { horizon, isFull }
  // The member with the least id goes first; another one steps in where that one cannot.
  const stepMs = retentionMs / stepsPerRetention
  const rank = peers.filter(peer => peer.id < self).length
  const isStep = last === 0n || wallOf(horizon) - wallOf(last) >= stepMs
  return isStep && wallOf(horizon) - wallOf(first > last ? first : last) >= rank * stepMs
    ? { horizon, isFull }
    : undefined
}

/** Whether the horizon as it stands would end something. */
function hasLeftOver({ horizon, keys, quarantine }: Replica): boolean {
  const [first] = keys.dues(1)
  if (first === undefined || first > horizon) return false
  return keys.keysDue(horizon).some(key => !quarantine.isDamaged(key))
}

function positionsOf(peers: readonly Peer[]): Map<NodeId, Cursor> {
  return new Map(
    peers.flatMap(({ id, known }) =>
      known === undefined ? [] : [[id, { incarnation: known.incarnation, seq: known.seq }] as const],
    ),
  )
}

function covers(cursor: Cursor | undefined, target: Cursor | undefined): boolean {
  return target !== undefined && cursor?.incarnation === target.incarnation && cursor.seq >= target.seq
}

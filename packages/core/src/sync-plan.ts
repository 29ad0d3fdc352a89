/**
 * What one peer needs next, decided from its state alone: level-triggered, so a lost or repeated message
 * never matters.
 */
import { covers, sameCursor } from './journal.ts'
import type { ModeState } from './mode.ts'
import { preferredPath } from './mode.ts'
import {
  ackIntervalMs,
  antiEntropyMs,
  fillPauseMs,
  firstWordMs,
  followPauseMs,
  type EngineParams,
} from './params.ts'
import type { Patience, Peer } from './peers.ts'
import {
  pathKinds,
  type Incarnation,
  type NodeId,
  type PathKind,
  type Sequence,
  type Version,
} from './units.ts'
import { linkState } from './watchdog.ts'

/** Our own position, as far as it matters for the plan. */
export interface Standing {
  readonly nodeId: NodeId
  readonly incarnation: Incarnation
  readonly seq: Sequence
  readonly count: number
  readonly root: string
  /** Our settled horizon. */
  readonly horizon: Version
  /** The peer whose state is being taken over in bulk: others without a cursor wait. */
  readonly bulkFrom?: NodeId | undefined
  /** Nothing is on its way to the disk: our root is comparable. */
  readonly settled: boolean
  /** Commit time of our oldest row that the given position does not cover; undefined if it covers all. */
  readonly uncoveredSince: (seq: Sequence) => number | undefined
}

/** Who has less than one in so many of the other's entries pulls all of them rather than descend. */
const bulkRatio = 8

/** Fewer entries than this, which a frame or two hold, are pulled or descended for as ever. */
const bulkEntriesMin = 100

/**
 * An announce may be overtaken by a beat on another stream; we wait this long before asking for what it told
 * of.
 */
const announceSlackMs = 2 * ackIntervalMs

/**
 * How long a peer below our horizon is left the lead: what it would offer has ended here, and it has to find
 * out what else has. One that can ask nobody never does.
 */
const belowPauseMs = 30_000

/** Whether `few` entries are next to nothing beside `many`. */
function isNextToNothing(few: number, many: number): boolean {
  return many > bulkRatio * few
}

/** How far a journal goes, and how far it is applied: undefined where the two belong to different ones. */
export interface JournalReach {
  readonly seq: Sequence
  readonly applied: Sequence | undefined
}

/**
 * Whether most of what a journal still tells is news to a replica that holds `few` of `many` entries. The
 * difference is the least that it lacks; what is left of the journal is no more than all it holds, nor than
 * the numbers that are left.
 */
export function lacksMost(few: number, many: number, { seq, applied }: JournalReach): boolean {
  if (many - few < bulkEntriesMin) return false
  if (applied === undefined) return isNextToNothing(few, many)
  const left = Math.min(many, seq - applied)
  return left > 0 && 2 * (many - few) >= left
}

/** Whether the peer does best to take most of our state over. */
function isFilling({ known, acked }: Peer, own: Standing): boolean {
  const applied = acked?.incarnation === own.incarnation ? acked.seq : undefined
  return known !== undefined && lacksMost(known.count, own.count, { seq: own.seq, applied })
}

/** The path to ask a peer over; undefined if there is none to try. */
export function choosePath(
  peer: Peer,
  mode: ModeState,
  now: number,
  params: EngineParams,
): PathKind | undefined {
  const { p2p, http } = peer.links
  const preferred = preferredPath(mode)
  if (mode.phase === 'FORCED') return peer.links[mode.path].up ? mode.path : undefined
  const proven = linkState(p2p, now, params) === 'up'
  if (proven && (preferred !== 'http' || !http.up || http.failures > 0)) return 'p2p'
  if (http.up) return 'http'
  return p2p.up ? 'p2p' : undefined
}

/** Whether our cursor for the peer belongs to its present journal. */
export function resumes(peer: Peer): boolean {
  return peer.known !== undefined && peer.cursor?.incarnation === peer.known.incarnation
}

/** Whether the peer has committed what we have not applied. Unknown counts as yes unless there is nothing. */
export function isBehind(peer: Peer): boolean {
  const { known, cursor } = peer
  if (known === undefined) return false
  return resumes(peer) ? (cursor?.seq ?? 0) < known.seq : known.count > 0
}

/** Whether its journal is the way to catch up: our cursor goes on, or we have next to nothing. */
export function canPull(peer: Peer, own: Standing): boolean {
  if (peer.known === undefined) return false
  if (isKeptWaiting(peer, own)) return false
  return resumes(peer) || own.count === 0 || isNextToNothing(own.count, peer.known.count)
}

/** Whether another peer is sending us what this one would send as well. */
function isKeptWaiting(peer: Peer, { bulkFrom }: Standing): boolean {
  return bulkFrom !== undefined && bulkFrom !== peer.id && !resumes(peer)
}

/**
 * Since when the peer has not acknowledged a row of ours; undefined if it has all, or keeps no cursor for us.
 */
export function unackedSince(peer: Peer, own: Standing): number | undefined {
  return peer.acked?.incarnation === own.incarnation ? own.uncoveredSince(peer.acked.seq) : undefined
}

/**
 * How long we leave the first word to the peer. One that holds next to nothing does better to pull. Where
 * both have something for each other, both would begin in the same instant and send everything twice: the
 * lesser node id leads, the other waits for that one exchange.
 */
export function followMs(peer: Peer, own: Standing): number {
  if (isFilling(peer, own)) return fillPauseMs
  return own.nodeId < peer.id ? 0 : followPauseMs
}

/**
 * When a descent with a peer may begin over `path`, differing since then. One that does best to take most of
 * our state over gets the time to ask for it, counted from when it could.
 */
export function descentDueAt(peer: Peer, path: PathKind, own: Standing): number {
  const since = Math.max(peer.divergedSince ?? 0, isFilling(peer, own) ? peer.links[path].since : 0)
  const isBelow = (peer.stated?.settled ?? 0n) < own.horizon
  return Math.max(peer.descentAt, since + (isBelow ? belowPauseMs : followMs(peer, own)))
}

/** How long to leave a peer the first word when a connection to it has just come up. */
export function firstWord(path: PathKind, peer: Peer, self: NodeId): Patience {
  if (path === 'http') return { speakMs: 0, greetMs: 0 }
  // Nobody has news for somebody who keeps no cursor.
  if (self < peer.id) return { speakMs: 0, greetMs: peer.acked === undefined ? 0 : firstWordMs.greeting }
  return { speakMs: firstWordMs.second, greetMs: followPauseMs }
}

/**
 * When rows must be pushed over `path`: at once over HTTP; over P2P an announce is under way and gets its
 * time.
 */
export function pushAt(peer: Peer, path: PathKind, own: Standing, params: EngineParams): number | undefined {
  const since = unackedSince(peer, own)
  if (since === undefined) return undefined
  const patient = isBehind(peer) ? (peer.behindSince ?? 0) + followMs(peer, own) : 0
  const filling = isFilling(peer, own) ? peer.links[path].since + fillPauseMs : 0
  return Math.max(patient, filling, since + (path === 'p2p' ? params.hedgeAfterMs : 0))
}

/** When rows must be pulled over `path`. */
export function pullAt(peer: Peer, path: PathKind, own: Standing): number | undefined {
  if (!isBehind(peer) || !canPull(peer, own)) return undefined
  if (peer.bulk !== undefined) return peer.syncAt
  const patience = unackedSince(peer, own) === undefined ? 0 : followMs(peer, own)
  const since = (peer.behindSince ?? 0) + patience
  return path === 'p2p' && resumes(peer) ? since + announceSlackMs : since
}

/**
 * Whether only a descent can make us equal: no journal goes on, or it says we are equal and the roots
 * disagree.
 */
function isDiverged(peer: Peer, own: Standing): boolean {
  const { known, cursor, acked } = peer
  if (known === undefined || known.root === own.root || !own.settled) return false
  if (isKeptWaiting(peer, own)) return false
  if (!resumes(peer)) return !canPull(peer, own)
  const caughtUp = sameCursor(cursor, { incarnation: known.incarnation, seq: known.seq })
  const acknowledged = acked?.incarnation !== own.incarnation || acked.seq >= own.seq
  return caughtUp && acknowledged
}

/**
 * The same, and notes on the peer since when: until both roots are seen equal. Motion ends nothing, since
 * replicas that differ may well go on being written to.
 */
export function notesDivergence(peer: Peer, own: Standing, now: number): boolean {
  const differs = isDiverged(peer, own)
  if (peer.known?.root === own.root) peer.apartSince = undefined
  else if (differs) peer.apartSince ??= now
  return differs
}

/** Writes may keep both sides moving for ever: then equality at rest cannot be waited for. */
export function isOverdue({ known, equalAt, lastSeen = equalAt }: Peer, own: Standing): boolean {
  return known !== undefined && known.root !== own.root && lastSeen - equalAt > antiEntropyMs
}

/** Whether a peer has been told all our rows, and how far we have applied its own. */
export function knowsAll(peer: Peer, own: Standing): boolean {
  const { cursor, toldCursor } = peer
  return heldSeq(peer, own) >= own.seq && (cursor === undefined || covers(toldCursor, cursor))
}

/** Whether an exchange with a peer is under way that tells it all there is to acknowledge. */
export function isTalking({ links, descent, leadsUntil, unsettledAnswers }: Peer, now: number): boolean {
  if (leadsUntil > now) return true
  const hasAsked = unsettledAnswers > 0 || pathKinds.some(path => links[path].exchange !== undefined)
  return hasAsked && descent === undefined
}

/** How far a peer has heard of our rows, as far as we know. */
export function heldSeq({ acked, toldSeq }: Peer, own: Standing): Sequence {
  return Math.max(toldSeq, acked?.incarnation === own.incarnation ? acked.seq : 0)
}

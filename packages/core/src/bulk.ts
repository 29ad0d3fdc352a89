/**
 * Bulk transfer: how a replica that holds next to nothing takes a peer's state over.
 *
 * The snapshot is the peer's journal from the front. Its frames are bounded; the cursor, durable with the
 * rows it covers, says where to go on after a cut or a restart; and what the peer commits meanwhile lies
 * behind in the same order, so no second phase has to merge it. Rows are asked for in full and ahead of the
 * disk, a few frames at a time, from one peer at a time (performance.md §1, point 4).
 */
import type { Message, Rows } from './message.ts'
import type { ModeState } from './mode.ts'
import { antiEntropyMs, type EngineParams } from './params.ts'
import type { Peer } from './peers.ts'
import type { Incarnation, NodeId, Sequence } from './units.ts'
import { choosePath, lacksMost, resumes, type Standing } from './sync-plan.ts'

/** A bulk transfer under way. */
export interface Bulk {
  readonly incarnation: Incarnation
  /** Where the peer stood when it began: what it commits later is pulled as ever. */
  readonly upTo: Sequence
  /** The rows up to here have come, though perhaps not to the disk. */
  reach: Sequence
  /** Answers of the peer have brought news that is durable, since `grownAt` was set. */
  hasBrought: boolean
  /** When that was last so. */
  grownAt: number
}

/**
 * Frames of one peer that may be verified and written while the next is asked for: enough to cover a round
 * trip of 200 ms at the rate at which two cores verify. More would become one commit, and that one long turn.
 */
export const bulkWindow = 4

/** A transfer that has brought nothing new for this long leaves the word to other peers. */
const bulkPatienceMs = 10_000

/** A peer that answers, and brings nothing, is not asked for a transfer again before this. */
const bulkPauseMs = 60_000

/** Ends the transfer that is over or stuck, and begins the one that is due; where we stand then. */
export function settleBulk(
  members: ReadonlyMap<NodeId, Peer>,
  own: Standing,
  now: number,
  mode: ModeState,
  params: EngineParams,
): Standing {
  const peers = [...members.values()]
  const isReachable = (peer: Peer): boolean => choosePath(peer, mode, now, params) !== undefined
  for (const peer of peers) keepUp(peer, own, now, isReachable)
  const serving = peers.find(({ bulk }) => bulk !== undefined)
  // One transfer after the other is one wait for all others.
  const whileServing = ({ id, fillingSince = now }: Peer): Standing =>
    now - fillingSince < antiEntropyMs ? { ...own, bulkFrom: id } : own
  if (serving !== undefined) return whileServing(serving)
  if (peers.some(peer => peer.descent !== undefined && isReachable(peer))) return own
  const able = peers.filter(peer => now >= peer.bulkAt && isWorthwhile(peer, own) && isReachable(peer))
  const chosen = able.find(resumes) ?? able[0]
  if (chosen?.known === undefined) return own
  const { incarnation, seq } = chosen.known
  const reach = cursorOf(chosen)
  chosen.fillingSince ??= now
  chosen.bulk = { incarnation, upTo: seq, reach, hasBrought: false, grownAt: now }
  return whileServing(chosen)
}

/**
 * What of a request is answered now: who leads a descent with a node that is being filled by another one
 * would send it the same once more. It finds nothing to do, and tries again later.
 */
export function withoutDescent(request: Message, from: Peer, own: Standing): Message {
  const { compare: _, ...rest } = request
  return own.bulkFrom === undefined || own.bulkFrom === from.id ? request : rest
}

/** Whether the next rows may be asked for although the last ones are not durable. */
export function mayAskAhead({ bulk, fetch, descent, unsettledAnswers }: Peer): boolean {
  if (bulk === undefined || fetch !== undefined || descent !== undefined) return false
  return unsettledAnswers < bulkWindow && bulk.reach < bulk.upTo
}

/** Takes note of rows that have come; whether they are the next ones of the transfer. */
export function noteArrival({ bulk }: Peer, rows: Rows): boolean {
  if (bulk?.incarnation !== rows.incarnation) return false
  if (rows.after > bulk.reach || rows.upTo <= bulk.reach) return false
  bulk.reach = rows.upTo
  return true
}

/** Rows that had come are lost: what follows them is of no use before they come again. */
export function noteLoss(peer: Peer): void {
  if (peer.bulk !== undefined) peer.bulk.reach = cursorOf(peer)
}

/** An answer of the peer has brought entries that were news, and they are durable. */
export function noteBrought({ bulk }: Peer): void {
  if (bulk !== undefined) bulk.hasBrought = true
}

/** After which row of the peer's journal the next ones are to be asked for. */
export function nextRowsAfter(peer: Peer): Sequence {
  return Math.max(cursorOf(peer), peer.bulk?.reach ?? 0)
}

/** When a transfer that brings nothing is given up; undefined where there is none. */
export function patienceEnds({ bulk }: Peer): number | undefined {
  return bulk === undefined ? undefined : bulk.grownAt + bulkPatienceMs
}

function keepUp(peer: Peer, own: Standing, now: number, isReachable: (peer: Peer) => boolean): void {
  const { bulk, known } = peer
  if (bulk === undefined) return
  const isOver = cursorOf(peer) >= bulk.upTo || known?.root === own.root
  if (isOver || known?.incarnation !== bulk.incarnation || known.seq < bulk.upTo) peer.bulk = undefined
  else if (bulk.hasBrought) Object.assign(bulk, { hasBrought: false, grownAt: now })
  else if (now - bulk.grownAt >= bulkPatienceMs && !isWriting(peer, bulk)) {
    peer.bulk = undefined
    if (isReachable(peer)) peer.bulkAt = now + bulkPauseMs
  }
  // All that came is on the disk, or lost: whatever is missing is asked for again.
  if (peer.unsettledAnswers === 0) bulk.reach = cursorOf(peer)
}

/** Whether rows of the transfer have come and wait for the disk: its slowness is not the peer's fault. */
function isWriting(peer: Peer, { reach }: Bulk): boolean {
  return peer.unsettledAnswers > 0 && reach > cursorOf(peer)
}

/** Whether most of what the peer would tell is news to us. */
function isWorthwhile(peer: Peer, own: Standing): boolean {
  const { known } = peer
  if (known === undefined) return false
  const applied = resumes(peer) ? cursorOf(peer) : undefined
  return lacksMost(own.count, known.count, { seq: known.seq, applied })
}

function cursorOf(peer: Peer): Sequence {
  return resumes(peer) ? (peer.cursor?.seq ?? 0) : 0
}

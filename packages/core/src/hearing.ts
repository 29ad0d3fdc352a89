/**
 * Hearing: what the paths to peers do, what peers say over them, and what becomes of our requests. Each
 * leaves its mark on the link it came by, is made out, and goes to the intake; a request of theirs waits for
 * its answer with the responder.
 */
import { noteLoss } from './bulk.ts'
import type { CommitPipeline } from './commits.ts'
import type { Dialect } from './dialect.ts'
import type { EngineParts } from './engine-parts.ts'
import type { Effect, Event } from './events.ts'
import { vouchedHorizon } from './horizon.ts'
import type { Intake } from './intake.ts'
import type { Outbox } from './outbox.ts'
import type { OwnPauses } from './own-pauses.ts'
import { noteDuration, noteTimeout, paceOf, type LinkFailure, type Pace } from './pace.ts'
import { fillPauseMs, followPauseMs } from './params.ts'
import {
  isOvertaken,
  linkDown,
  linkFailed,
  linkHeard,
  linkProven,
  linkUp,
  noteClock,
  type Link,
  type Peer,
} from './peers.ts'
import type { Responder } from './responder.ts'
import { firstWord } from './sync-plan.ts'
import type { Instant, NodeId, PathKind } from './units.ts'

/** What hearing works with. */
export interface HearingParts extends Pick<EngineParts, 'params' | 'random'> {
  readonly self: NodeId
  readonly peers: ReadonlyMap<NodeId, Peer>
  readonly dialect: Dialect
  readonly intake: Intake
  readonly outbox: Outbox
  readonly responder: Responder
  readonly commits: CommitPipeline
  readonly pauses: OwnPauses
  readonly tell: (...effects: readonly Effect[]) => void
}

type EventOf<T extends Event['type']> = Event & { readonly type: T }

/** The ears of the engine. */
export class Hearing {
  readonly #parts: HearingParts

  constructor(parts: HearingParts) {
    this.#parts = parts
  }

  /** A path to a peer is there. */
  peerUp(event: EventOf<'peer-up'>, at: Instant): void {
    const { self } = this.#parts
    this.#withLink(event, (link, peer) => linkUp(link, at.mono, firstWord(link.path, peer, self)))
  }

  /** A path to a peer has gone. */
  peerDown(event: EventOf<'peer-down'>, at: Instant): void {
    this.#withLink(event, link => linkDown(link, event.reason, this.#pace(link, at)))
  }

  /** A peer could not be reached. */
  connectFailed(event: EventOf<'connect-failed'>, at: Instant): void {
    this.#withLink(event, link => linkFailed(link, event.reason, this.#pace(link, at, event)))
  }

  /** A peer tells everybody something. */
  announced(event: EventOf<'announced'>, at: Instant): void {
    const { peers, dialect, intake } = this.#parts
    const peer = peers.get(event.peer)
    if (peer === undefined) return
    const { message } = dialect.understand(peer, event.message)
    // What was overtaken says nothing new of its sender, but may bring entries.
    if (!isOvertaken(message.beat, peer.known)) intake.absorb(peer, message, 'p2p', at)
    intake.takeIn(peer, { ...event, message }, 'p2p', at)
  }

  /** A peer asks us. */
  requested(event: EventOf<'request'>, at: Instant): void {
    const { peers, dialect, intake, responder, tell } = this.#parts
    const peer = peers.get(event.peer)
    if (peer === undefined)
      return tell({ type: 'reply', id: event.id, message: { version: event.message.version ?? 1 } })
    linkHeard(peer.links[event.path], at.mono)
    const { message, manner } = dialect.understand(peer, event.message)
    const { rows, pull, compare, waitMs } = message
    if (compare !== undefined) peer.divergedSince = at.mono
    // The peer leads: what we have for it goes into our answer.
    if ((rows ?? pull ?? compare) !== undefined && waitMs === undefined) {
      const leadMs = pull?.full === true ? fillPauseMs : followPauseMs
      peer.leadsUntil = at.mono + leadMs
      peer.syncAt = Math.max(peer.syncAt, peer.leadsUntil)
      if (pull?.full === true) peer.divergedSince = undefined
    }
    noteClock(peer, message.beat, at.mono)
    intake.absorb(peer, message, event.path, at)
    intake.takeIn(peer, { ...event, message }, event.path, at, { settled: vouchedHorizon(message.horizon) })
    responder.take(event.id, peer, message, manner, at)
  }

  /** A peer has answered us. */
  answered(event: EventOf<'answer'>, at: Instant): void {
    const { dialect, intake, outbox, commits } = this.#parts
    const ask = outbox.settle(event.id)
    if (ask === undefined) return
    const { peer, path, cursor } = ask
    const link = peer.links[path]
    linkProven(link, ask.sentAt, at.mono)
    if (ask.isWork) noteDuration(link, at.mono - ask.sentAt)
    if (!ask.isPoll) link.rttMs = at.mono - ask.sentAt
    else outbox.holdNextPoll(ask, at.mono)
    const { message } = dialect.understand(peer, event.message, ask)
    const { beat } = message
    const beyond = beat !== undefined && beat.incarnation === cursor?.incarnation && beat.seq < cursor.seq
    if (beyond && peer.cursor?.seq === cursor.seq) Object.assign(peer, { cursor: undefined, landed: [] })
    const before = peer.progress
    noteClock(peer, beat, at.mono)
    intake.absorb(peer, message, path, at)
    const settled = vouchedHorizon(message.horizon)
    intake.takeIn(peer, { ...event, message }, path, at, { settled, ask })
    peer.unsettledAnswers++
    commits.whenSettled(durable => {
      if (ask.isPoll) outbox.paceNextPoll(ask, !durable || message.rows === undefined, at.mono)
      intake.followUp(ask, message, durable, before, at)
    })
  }

  /** A request of ours got no answer. */
  askFailed(event: EventOf<'ask-failed'>, at: Instant): void {
    const { dialect, outbox, pauses } = this.#parts
    const ask = outbox.settle(event.id)
    if (ask === undefined) return
    if (ask.peer.descent === ask.askedDescent) ask.peer.descent = undefined
    if (ask.isReceived) noteLoss(ask.peer)
    const link = ask.peer.links[ask.path]
    if (ask.isWork && event.code === 'PEER_TIMEOUT') noteTimeout(link)
    if (event.speaks !== undefined && dialect.agreeOn(ask.peer, event.speaks, ask, at.mono)) return
    if (ask.sentAt < pauses.last) link.beatAt = at.mono
    else if (ask.isPoll && event.retryAfterMs === undefined) outbox.pollBroke(ask, at.mono)
    else linkFailed(link, event.reason, this.#pace(link, at, event))
  }

  #withLink(event: { peer: NodeId; path: PathKind }, change: (link: Link, peer: Peer) => void): void {
    const peer = this.#parts.peers.get(event.peer)
    if (peer !== undefined) change(peer.links[event.path], peer)
  }

  #pace(link: Link, at: Instant, failure: LinkFailure = {}): Pace {
    const { random, params } = this.#parts
    return paceOf(link, failure, { now: at.mono, unit: random.unit(), redialMaxMs: params.redialMaxMs })
  }
}

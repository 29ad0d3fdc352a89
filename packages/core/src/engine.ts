/**
 * The engine: events in, effects out; the only place where policy lives. After each event the node *settles*:
 * what is due is sent, what is durable is answered, and `wakeAt` says when time alone will matter again.
 */
import { noteLoss, settleBulk } from './bulk.ts'
import { CommitMarks } from './commit-marks.ts'
import { CommitPipeline } from './commits.ts'
import { Compaction } from './compaction.ts'
import { digestBytesAfter } from './descent.ts'
import { Dialect } from './dialect.ts'
import { assert } from './errors.ts'
import { authorsOf, type EngineParts } from './engine-parts.ts'
import type { Effect, Event } from './events.ts'
import { Composer } from './exchange.ts'
import { vouchedHorizon } from './horizon.ts'
import { bothRoots, Intake } from './intake.ts'
import { createPeers } from './members.ts'
import { ModeKeeper } from './mode-keeper.ts'
import { Outbox } from './outbox.ts'
import { provisionalLife } from './own-history.ts'
import { clockJumpMs, effectiveHeartbeatMs, fillPauseMs, followPauseMs, ownPauseMs } from './params.ts'
import { noteDuration, noteTimeout, paceOf, type LinkFailure, type Pace } from './pace.ts'
import {
  forgiveLinks,
  isOvertaken,
  linkDown,
  linkFailed,
  linkProven,
  linkHeard,
  linkUp,
  tryAnew,
  type Link,
  type Peer,
} from './peers.ts'
import { Responder } from './responder.ts'
import { Replica } from './replica.ts'
import { describeNode, describePeer, linkStates, pathOfPeer } from './describe.ts'
import type { NodeStatus } from './status.ts'
import { StoreCare } from './store-care.ts'
import { firstWord, type Standing } from './sync-plan.ts'
import { tidings } from './tidings.ts'
import type { Instant, NodeId, PathKind } from './units.ts'

/** One node's mind. */
export class Engine {
  readonly #parts: EngineParts
  readonly #replica: Replica
  readonly #commits: CommitPipeline
  readonly #composer: Composer
  readonly #dialect: Dialect
  readonly #peers: ReadonlyMap<NodeId, Peer>
  readonly #responder: Responder
  readonly #mode: ModeKeeper
  readonly #outbox: Outbox
  readonly #intake: Intake
  readonly #care: StoreCare
  readonly #marks = new CommitMarks()
  readonly #compaction: Compaction
  #root: string
  readonly #out: Effect[] = []
  /** A refused commit took cursors and the operator's word with it: they go with the next one. */
  #factsLost = false
  /** Before the first event the node was starting, which may take seconds. */
  #hasBegun = false
  #wakeAt: number
  #wallOffset: number
  #pausedUntil = Number.NEGATIVE_INFINITY

  constructor(parts: EngineParts) {
    const { store, hash, signer, members, params, at, info, random } = parts
    this.#parts = parts
    const life = provisionalLife(store, signer.nodeId, members, random)
    this.#replica = new Replica({ store, hash, signer, trusted: authorsOf(parts), provisionalLife: life })
    this.#commits = new CommitPipeline(this.#replica, store, hash)
    this.#dialect = new Dialect(signer.nodeId, store.incarnation)
    this.#composer = new Composer({ self: signer.nodeId, info, hash, store, replica: this.#replica })
    const [self, replica, composer, dialect] = [signer.nodeId, this.#replica, this.#composer, this.#dialect]
    this.#peers = createPeers(members, self, { store, replica }, at.mono)
    this.#compaction = new Compaction({ params, self, store, replica }, at.mono)
    this.#mode = new ModeKeeper(params, store, at)
    this.#outbox = new Outbox({ params, random, composer, dialect, peers: this.#peers })
    this.#responder = new Responder(composer, dialect, this.#commits)
    this.#intake = new Intake({
      self,
      others: new Set(this.#peers.keys()),
      store,
      replica,
      commits: this.#commits,
      composer: this.#composer,
      outbox: this.#outbox,
      root: () => this.#composer.rootHex(),
      startWall: at.wall,
      tell: (...effects) => this.#out.push(...effects),
    })
    this.#care = new StoreCare({ replica: this.#replica, intake: this.#intake })
    this.#root = this.#composer.rootHex()
    this.#wakeAt = at.mono
    this.#wallOffset = at.wall - at.mono
  }

  /** When the next `tick` is due, in `mono` ms. Always later than the last event. */
  get wakeAt(): number {
    return this.#wakeAt
  }

  /** The replicated state, for readers. */
  get replica(): Replica {
    return this.#replica
  }

  /** Takes one event in; what to do about it, in order. */
  step(event: Event, at: Instant): Effect[] {
    this.#noticePause(at)
    this.#handle(event, at)
    this.#settle(at)
    this.#hasBegun = true
    return this.#out.splice(0)
  }

  /** How things stand, for people and clients. */
  status(at: Instant): NodeStatus {
    return describeNode({
      self: this.#parts.signer.nodeId,
      params: this.#parts.params,
      replica: this.#replica,
      mode: this.#mode,
      peers: this.#peers.values(),
      own: this.#standing(),
      store: this.#care.status,
      at,
    })
  }

  /** Past transitions of the sync mode, oldest first. */
  get transitions(): ModeKeeper['transitions'] {
    return this.#mode.transitions
  }

  #handle(event: Event, at: Instant): void {
    switch (event.type) {
      case 'tick':
        return
      case 'transport':
        return this.#mode.transport(event, at)
      case 'peer-up':
        return this.#withLink(event, (link, peer) =>
          linkUp(link, at.mono, firstWord(link.path, peer, this.#parts.signer.nodeId)),
        )
      case 'peer-down':
        return this.#withLink(event, link => linkDown(link, event.reason, this.#pace(link, at)))
      case 'connect-failed':
        return this.#withLink(event, link => linkFailed(link, event.reason, this.#pace(link, at, event)))
      case 'announced':
        return this.#announced(event, at)
      case 'request':
        return this.#requested(event, at)
      case 'request-gone':
        return this.#responder.forget(event.id)
      case 'received':
        return this.#outbox.received(event.id, event.message)
      case 'answer':
        return this.#answered(event, at)
      case 'ask-failed':
        return this.#askFailed(event, at)
      case 'write':
        return this.#tell(this.#commits.write(event, at.wall, () => this.#care.refusal(event.operations, at)))
      case 'signed':
        return this.#replica.signing.finish(event.id, event.signatures)
      case 'committed':
        return this.#committed(at)
      case 'commit-failed':
        this.#factsLost = true
        return this.#tell([...this.#care.refused(event, at), ...this.#commits.failed(event.error)])
      case 'disk':
        return this.#tell(this.#care.measured(event, at))
      case 'readmit':
        return this.#tell(this.#care.readmit(event.entries, at))
      case 'switch':
        this.#mode.switch(event, at, this.#peers.values())
        return this.#stageMode()
      case 'leave':
        return this.#leave(at)
    }
  }

  #settle(at: Instant): void {
    const news = this.#care.quarantine(this.#peers.values(), at.mono)
    if (news.length > 0) this.#root = this.#composer.rootHex()
    this.#tell(news)
    this.#care.giveUp(this.#peers.values(), this.#commits.isIdle ? this.#root : undefined)
    if (this.#replica.retryDeferred(at.wall) > 0)
      this.#log('info', 'entries from the future have become due', {})
    this.#commits.forget(at)
    this.#compaction.step(this.#peers, this.#commits.isIdle ? this.#root : undefined, at)
    this.#pump()
    this.#out.push(...this.#mode.settle(at, this.#peers.values(), this.#standing()))
    if (this.#mode.takeRanOut()) this.#stageMode()
    const own = settleBulk(this.#peers, this.#standing(), at.mono, this.#mode.state, this.#parts.params)
    for (const peer of this.#peers.values()) {
      if (this.#outbox.beginsDescent(peer, own, at, this.#mode.state)) {
        const digestBytes = digestBytesAfter(peer.descentFailures, peer.descentsMoved)
        peer.descent = this.#composer.openDescent(bothRoots(own.root, peer), digestBytes)
      }
      this.#out.push(...this.#outbox.plan(peer, own, at, this.#mode))
      this.#notePath(peer, own, at)
    }
    // Our own writes go out first; what came from others need not be announced to whom an answer tells it.
    if (this.#outbox.hasOwnNews) this.#out.push(...this.#outbox.announce(own, at, this.#mode))
    this.#out.push(...this.#responder.answer(own, peer => this.#outbox.hasNewsFor(peer, own), at))
    this.#out.push(...this.#outbox.announce(own, at, this.#mode))
    const wakes = [
      this.#outbox.wakeAt(own, at, this.#mode),
      this.#mode.wakeAt,
      this.#mode.retryAt,
      ...this.#responder.deadlines(),
      this.#compaction.wakeAt,
    ]
    const latest = at.mono + effectiveHeartbeatMs(this.#parts.params)
    this.#wakeAt = wakes.filter(wake => wake > at.mono).reduce((first, wake) => Math.min(first, wake), latest)
    assert(this.#wakeAt > at.mono, 'the next alarm lies ahead')
  }

  /** Tells of a peer whose path has changed, or that has fallen asleep. */
  #notePath(peer: Peer, own: Standing, at: Instant): void {
    const { params } = this.#parts
    const { path, why, asleep = false } = pathOfPeer(peer, linkStates(peer, at, params), this.#mode)
    peer.why = why
    if (path === peer.path && asleep === peer.asleep) return
    const told = { ...describePeer(peer, this.#mode, own, at, params), sinceWall: at.wall }
    const previousPath = peer.path
    Object.assign(peer, { path, asleep, pathSince: at.mono })
    this.#out.push({ type: 'emit', event: { kind: 'peer', peer: told, previousPath } })
    const all = [...this.#peers.values()]
    const lost = previousPath === 'none' ? undefined : peer.links[previousPath]
    if (all.every(each => each.path === 'none')) tryAnew(all, lost, at.mono)
  }

  #pump(): void {
    if (this.#replica.hasForming && !this.#replica.isCommitting) {
      if (this.#factsLost) this.#stageMode()
      this.#stageCursors(this.#factsLost ? this.#peers.keys() : this.#intake.takeMoved())
      this.#factsLost = false
    }
    this.#out.push(...this.#commits.pump(() => this.#root))
  }

  #stageMode(): void {
    this.#replica.stageFact(this.#mode.factName, this.#mode.fact())
  }

  #stageCursors(ids: Iterable<NodeId>): void {
    for (const id of ids) this.#commits.stageCursor(id, this.#peers.get(id)?.cursor)
  }

  #committed(at: Instant): void {
    const { effects, ...done } = this.#commits.committed(() => this.#composer.rootHex())
    this.#root = this.#composer.rootHex()
    this.#out.push(...effects)
    if (done.rows.length + done.drops.length === 0) return
    const acks = [...this.#peers.values()].map(({ acked }) => acked)
    const { incarnation } = this.#parts.store
    this.#marks.add({ incarnation, seq: this.#replica.committedSeq }, at.mono, acks)
    const isLocal = done.rows.some(({ origin }) => origin === 'local')
    this.#outbox.noteCommit(isLocal, at.mono)
    this.#out.push(...tidings(done, this.#replica))
    for (const peer of this.#peers.values()) this.#intake.compareRoots(peer, at)
  }

  #announced(event: Event & { type: 'announced' }, at: Instant): void {
    const peer = this.#peers.get(event.peer)
    if (peer === undefined) return
    const { message } = this.#dialect.understand(peer, event.message)
    // What was overtaken says nothing new of its sender, but may bring entries.
    if (!isOvertaken(message.beat, peer.known)) this.#intake.absorb(peer, message, 'p2p', at)
    this.#intake.takeIn(peer, { ...event, message }, 'p2p', at)
  }

  #requested(event: Event & { type: 'request' }, at: Instant): void {
    const peer = this.#peers.get(event.peer)
    if (peer === undefined)
      return this.#tell([{ type: 'reply', id: event.id, message: { version: event.message.version ?? 1 } }])
    linkHeard(peer.links[event.path], at.mono)
    const { message, manner } = this.#dialect.understand(peer, event.message)
    const { rows, pull, compare, waitMs } = message
    if (compare !== undefined) peer.divergedSince = at.mono
    // The peer leads: what we have for it goes into our answer.
    if ((rows ?? pull ?? compare) !== undefined && waitMs === undefined) {
      const leadMs = pull?.full === true ? fillPauseMs : followPauseMs
      peer.leadsUntil = at.mono + leadMs
      peer.syncAt = Math.max(peer.syncAt, peer.leadsUntil)
      if (pull?.full === true) peer.divergedSince = undefined
    }
    this.#intake.absorb(peer, message, event.path, at)
    this.#intake.takeIn(peer, { ...event, message }, event.path, at, {
      settled: vouchedHorizon(message.horizon),
    })
    this.#responder.take(event.id, peer, message, manner, at)
  }

  #answered(event: Event & { type: 'answer' }, at: Instant): void {
    const ask = this.#outbox.settle(event.id)
    if (ask === undefined) return
    const { peer, path, cursor } = ask
    const link = peer.links[path]
    linkProven(link, ask.sentAt, at.mono)
    if (ask.isWork) noteDuration(link, at.mono - ask.sentAt)
    if (!ask.isPoll) link.rttMs = at.mono - ask.sentAt
    else this.#outbox.holdNextPoll(ask, at.mono)
    const { message } = this.#dialect.understand(peer, event.message, ask)
    const { beat } = message
    const beyond = beat !== undefined && beat.incarnation === cursor?.incarnation && beat.seq < cursor.seq
    if (beyond && peer.cursor?.seq === cursor.seq) Object.assign(peer, { cursor: undefined, landed: [] })
    const before = peer.progress
    this.#intake.absorb(peer, message, path, at)
    this.#intake.takeIn(peer, { ...event, message }, path, at, {
      settled: vouchedHorizon(message.horizon),
      ask,
    })
    peer.unsettledAnswers++
    this.#commits.whenSettled(durable => {
      if (ask.isPoll) this.#outbox.paceNextPoll(ask, !durable || message.rows === undefined, at.mono)
      this.#intake.followUp(ask, message, durable, before, at)
    })
  }

  #askFailed(event: Event & { type: 'ask-failed' }, at: Instant): void {
    const ask = this.#outbox.settle(event.id)
    if (ask === undefined) return
    if (ask.peer.descent === ask.askedDescent) ask.peer.descent = undefined
    if (ask.isReceived) noteLoss(ask.peer)
    const link = ask.peer.links[ask.path]
    if (ask.isWork && event.code === 'PEER_TIMEOUT') noteTimeout(link)
    if (event.speaks !== undefined && this.#dialect.agreeOn(ask.peer, event.speaks, ask, at.mono)) return
    if (ask.sentAt < this.#pausedUntil) link.beatAt = at.mono
    else if (ask.isPoll && event.retryAfterMs === undefined) this.#outbox.pollBroke(ask, at.mono)
    else linkFailed(link, event.reason, this.#pace(link, at, event))
  }

  #leave(at: Instant): void {
    this.#stageCursors(this.#peers.keys())
    this.#stageMode()
    this.#dialect.leave()
    this.#tell(this.#responder.farewell(at))
    const farewell = { beat: this.#composer.beat(at), acks: this.#composer.acks(this.#peers.values()) }
    this.#tell([{ type: 'announce', message: this.#dialect.phraseForAll(farewell, this.#peers.values()) }])
  }

  /** Our own pause is no proof of anybody's silence; a jump of the wall clock breaks libp2p's timers. */
  #noticePause(at: Instant): void {
    const late = at.mono - this.#wakeAt
    const jump = at.wall - at.mono - this.#wallOffset
    this.#wallOffset = at.wall - at.mono
    if (late > ownPauseMs) {
      this.#pausedUntil = at.mono
      this.#mode.forgive(late)
      for (const peer of this.#peers.values()) forgiveLinks(peer, late, at.mono)
      const pausedMs = Math.round(late)
      if (this.#hasBegun)
        this.#log('warn', 'this process was paused; all paths are probed again', { pausedMs })
    }
    if (Math.abs(jump) <= clockJumpMs) return
    this.#log('warn', 'the wall clock jumped; P2P is restarted', { jumpMs: Math.round(jump) })
    this.#out.push({ type: 'restart-p2p' })
  }

  #standing(): Standing {
    const { store } = this.#parts
    return {
      nodeId: this.#parts.signer.nodeId,
      incarnation: store.incarnation,
      seq: this.#replica.committedSeq,
      count: this.#replica.trie.count,
      root: this.#root,
      horizon: this.#replica.settledHorizon,
      settled: this.#commits.isIdle,
      uncoveredSince: seq => (seq >= this.#replica.committedSeq ? undefined : this.#marks.since(seq)),
    }
  }

  #withLink(event: { peer: NodeId; path: PathKind }, change: (link: Link, peer: Peer) => void): void {
    const peer = this.#peers.get(event.peer)
    if (peer !== undefined) change(peer.links[event.path], peer)
  }

  #pace(link: Link, at: Instant, failure: LinkFailure = {}): Pace {
    const { random, params } = this.#parts
    return paceOf(link, failure, { now: at.mono, unit: random.unit(), redialMaxMs: params.redialMaxMs })
  }

  #tell(effects: readonly Effect[]): void {
    this.#out.push(...effects)
  }

  #log(level: 'info' | 'warn', message: string, fields: Record<string, unknown>): void {
    this.#out.push({ type: 'log', level, message, fields })
  }
}

/**
 * The engine: events in, effects out; the only place where policy lives. After each event the node *settles*:
 * what is due is sent, what is durable is answered, and `wakeAt` says when time alone will matter again.
 */
import { settleBulk } from './bulk.ts'
import { CommitMarks } from './commit-marks.ts'
import { CommitPipeline } from './commits.ts'
import { Compaction } from './compaction.ts'
import { digestBytesAfter } from './descent.ts'
import { Dialect } from './dialect.ts'
import { assert } from './errors.ts'
import { authorsOf, type EngineParts } from './engine-parts.ts'
import type { Effect, Event } from './events.ts'
import { Composer } from './exchange.ts'
import { Hearing } from './hearing.ts'
import { Intake } from './intake.ts'
import { createPeers } from './members.ts'
import { ModeKeeper } from './mode-keeper.ts'
import { Outbox } from './outbox.ts'
import { provisionalLife } from './own-history.ts'
import { OwnPauses } from './own-pauses.ts'
import { effectiveHeartbeatMs } from './params.ts'
import { bothRoots, forgiveLinks, tryAnew, type Peer } from './peers.ts'
import { Responder } from './responder.ts'
import { Replica } from './replica.ts'
import { describeNode, describePeer, linkStates, pathOfPeer } from './describe.ts'
import type { NodeStatus } from './status.ts'
import { StoreCare } from './store-care.ts'
import type { Standing } from './sync-plan.ts'
import { tidings } from './tidings.ts'
import type { Instant, NodeId } from './units.ts'

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
  readonly #hearing: Hearing
  readonly #pauses: OwnPauses
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

  constructor(parts: EngineParts) {
    const { store, hash, signer, members, params, at, info, random } = parts
    const self = signer.nodeId
    const life = provisionalLife(store, self, members, random)
    const trusted = authorsOf(parts)
    const { isSalvaging } = parts
    const past = { provisionalLife: life, members, ...(isSalvaging === undefined ? {} : { isSalvaging }) }
    const replica = new Replica({ store, hash, signer, trusted, ...past })
    const commits = new CommitPipeline(replica, store, hash)
    const composer = new Composer({ self, info, hash, store, replica })
    const dialect = new Dialect(self, store.incarnation)
    const peers = createPeers(members, self, { store, replica }, at.mono)
    const outbox = new Outbox({ params, random, composer, dialect, peers })
    const responder = new Responder(composer, dialect, commits)
    const pauses = new OwnPauses(at)
    const tell = (...effects: readonly Effect[]): void => this.#tell(effects)
    const root = (): string => composer.rootHex()
    const taking = { others: new Set(peers.keys()), startWall: at.wall, root, tell }
    const intake = new Intake({ self, store, replica, commits, composer, outbox, ...taking })
    const hearing = { peers, dialect, intake, outbox, responder, commits, pauses, tell }
    this.#parts = parts
    this.#replica = replica
    this.#commits = commits
    this.#composer = composer
    this.#dialect = dialect
    this.#peers = peers
    this.#outbox = outbox
    this.#responder = responder
    this.#pauses = pauses
    this.#intake = intake
    this.#hearing = new Hearing({ params, random, self, ...hearing })
    this.#care = new StoreCare({ replica, intake })
    this.#compaction = new Compaction({ params, self, store, replica }, at.mono)
    this.#mode = new ModeKeeper(params, store, at)
    this.#root = root()
    this.#wakeAt = at.mono
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
      unknownAuthors: this.#intake.strangers.recent(at.mono),
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
        return this.#hearing.peerUp(event, at)
      case 'peer-down':
        return this.#hearing.peerDown(event, at)
      case 'connect-failed':
        return this.#hearing.connectFailed(event, at)
      case 'announced':
        return this.#hearing.announced(event, at)
      case 'request':
        return this.#hearing.requested(event, at)
      case 'request-gone':
        return this.#responder.forget(event.id)
      case 'received':
        return this.#outbox.received(event.id, event.message)
      case 'answer':
        return this.#hearing.answered(event, at)
      case 'ask-failed':
        return this.#hearing.askFailed(event, at)
      case 'write':
        return this.#tell(this.#commits.write(event, at.wall, () => this.#care.refusal(event.operations, at)))
      case 'signed':
        return this.#replica.signing.finish(event.id, event.signatures)
      case 'committed':
        return this.#committed(at)
      case 'commit-failed':
        this.#factsLost = true
        return this.#tell([...this.#care.refused(event, at), ...this.#commits.failed(event.error, at.wall)])
      case 'disk':
        return this.#tell(this.#care.measured(event, at))
      case 'readmit':
        return this.#tell(this.#care.readmit(event))
      case 'switch':
        this.#mode.switch(event, at, this.#peers.values())
        return this.#stageMode()
      case 'leave':
        return this.#leave(at)
    }
  }

  #settle(at: Instant): void {
    const news = this.#care.quarantine(this.#peers.values(), at.mono)
    // Also where nothing is lost: a leaf that stood where no entry belongs has gone.
    this.#root = this.#composer.rootHex()
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
    const { lateMs, jumpMs } = this.#pauses.notice(at, this.#wakeAt)
    if (lateMs !== undefined) {
      this.#mode.forgive(lateMs)
      for (const peer of this.#peers.values()) forgiveLinks(peer, lateMs, at.mono)
      const pausedMs = Math.round(lateMs)
      if (this.#hasBegun)
        this.#log('warn', 'this process was paused; all paths are probed again', { pausedMs })
    }
    if (jumpMs === undefined) return
    // Perhaps this machine was asleep, and the other clock with it.
    for (const peer of this.#peers.values()) peer.wallAtZero = undefined
    this.#log('warn', 'the wall clock jumped; P2P is restarted', { jumpMs: Math.round(jumpMs) })
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

  #tell(effects: readonly Effect[]): void {
    this.#out.push(...effects)
  }

  #log(level: 'info' | 'warn', message: string, fields: Record<string, unknown>): void {
    this.#out.push({ type: 'log', level, message, fields })
  }
}

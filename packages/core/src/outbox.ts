/**
 * What is sent when: connections, heartbeats, long polls, exchanges, hedges and announces, each as soon as it
 * is due.
 *
 * At most one exchange per peer and path is under way, and one long poll; a slow peer delays nobody else.
 */
import { mayAskAhead, noteArrival, patienceEnds } from './bulk.ts'
import type { Descent } from './descent.ts'
import type { Dialect } from './dialect.ts'
import type { Effect } from './events.ts'
import { followedBy, type Composer } from './exchange.ts'
import type { Cursor } from './journal.ts'
import { announceBytesMax } from './limits.ts'
import type { Message } from './message.ts'
import { preferredPath, type ModeState } from './mode.ts'
import type { ModeKeeper } from './mode-keeper.ts'
import {
  ackIntervalMs,
  effectiveHeartbeatMs,
  httpIdleProbeMs,
  introduceMs,
  pollEveryMs,
  trialProbeMs,
  trialProbesNeeded,
  type EngineParams,
} from './params.ts'
import { patienceMs } from './pace.ts'
import type { Link, Peer } from './peers.ts'
import type { Random } from './ports.ts'
import { entriesInFrame } from './rows.ts'
import {
  canPull,
  choosePath,
  descentDueAt,
  heldSeq,
  isOverdue,
  isTalking,
  notesDivergence,
  knowsAll,
  pullAt,
  pushAt,
  type Standing,
} from './sync-plan.ts'
import { pathKinds, type Instant, type NodeId, type PathKind } from './units.ts'
import { linkState, provenUntil } from './watchdog.ts'

/** A question under way. */
export interface Ask {
  readonly peer: Peer
  readonly path: PathKind
  readonly sentAt: number
  readonly isPoll: boolean
  /** Was sent to get something done, not just to say hello. */
  readonly isWork: boolean
  readonly cursor: Cursor | undefined
  /** The root that the question told. */
  readonly root: Uint8Array | undefined
  /** It named both incarnations, for a peer that may not know us. */
  readonly inFull: boolean
  readonly askedFetch: Peer['fetch']
  readonly askedDescent: Descent | undefined
  /** The answer has come: the path is free for the next question. */
  isReceived: boolean
  /** It has brought entries that were news. */
  hasBrought: boolean
}

/** What an outbox works with. */
export interface OutboxParts {
  readonly params: EngineParams
  readonly random: Random
  readonly composer: Composer
  readonly dialect: Dialect
  readonly peers: ReadonlyMap<NodeId, Peer>
}

/** Shortest hold of a poll: more often would be polling, and cost what polling costs. */
const holdMinMs = 5_000

/** Room for rows in an announce beside beat, acks and framing. */
const announceRowsBytesMax = announceBytesMax - 2_000

/** Announces sent in one go; what is left then is pulled by those who miss it. */
const announceBurstMax = 40

/** Rows looked through to see whether a waiting peer has written all of them itself: with every event. */
const newsMax = { rows: 64, bytes: 1024 * 1024 }

/** Sends what is due. */
export class Outbox {
  readonly #parts: OutboxParts
  readonly #asks = new Map<number, Ask>()
  #nextId = 1
  #announcedSeq: number | undefined
  #announceAt: number | undefined
  #lastAnnounce = Number.NEGATIVE_INFINITY
  #localNews = false
  /** Since when there may be something to acknowledge. */
  #ackNewsAt: number | undefined

  constructor(parts: OutboxParts) {
    this.#parts = parts
  }

  /** Takes the question behind an answer or failure off the books. */
  settle(id: number): Ask | undefined {
    const ask = this.#asks.get(id)
    if (ask === undefined) return undefined
    this.#asks.delete(id)
    const link = ask.peer.links[ask.path]
    if (ask.isReceived) ask.peer.unsettledAnswers--
    else if (ask.isPoll) link.poll = undefined
    else link.exchange = undefined
    return ask
  }

  /** An answer has come, and is being verified: the next rows of a bulk transfer may be asked for already. */
  received(id: number, answer: Message): void {
    const ask = this.#asks.get(id)
    if (ask === undefined || ask.isPoll) return
    const { peer } = ask
    const { rows } = this.#parts.dialect.understand(peer, answer, ask).message
    if (rows === undefined || !noteArrival(peer, rows)) return
    ask.isReceived = true
    peer.unsettledAnswers++
    peer.links[ask.path].exchange = undefined
  }

  /** A poll was answered: the next one must not bring the same again while the disk still works on it. */
  holdNextPoll(ask: Ask, now: number): void {
    ask.peer.links[ask.path].pollAt = now + this.#parts.params.pollIntervalMs
  }

  /**
   * What a poll brought is durable: when the next one may start. At once after news, which takes its author
   * as much work as us; one that came early and left nothing, because it was empty or the disk refuses it,
   * would come again at once, and again.
   */
  paceNextPoll(ask: Ask, empty: boolean, now: number): void {
    const link = ask.peer.links[ask.path]
    const early = now - ask.sentAt < link.holdMs / 2
    const soonMs = ask.hasBrought ? 0 : pollEveryMs
    const pauseMs = early && empty ? this.#parts.params.pollIntervalMs : soonMs
    link.pollAt = Math.max(now, ask.sentAt + pauseMs)
  }

  /** A poll was cut off, perhaps by a proxy with less patience than ours: no verdict, but a question. */
  pollBroke({ peer, path, sentAt }: Ask, now: number): void {
    const link = peer.links[path]
    const heldMs = now - sentAt
    link.doubted = true
    link.pollAt = now
    if (heldMs < holdMinMs) link.pollAt += this.#parts.params.pollIntervalMs
    else link.holdMs = Math.max(holdMinMs, Math.min(link.holdMs, 0.8 * heldMs))
  }

  /** Whether a client of this node has written something that is not announced yet. */
  get hasOwnNews(): boolean {
    return this.#localNews
  }

  /** Something was committed; `local`: by a client of this node. */
  noteCommit(local: boolean, now: number): void {
    this.#localNews ||= local
    this.noteAck(now)
  }

  /** A cursor has moved: the peer may want to hear of it. */
  noteAck(now: number): void {
    this.#ackNewsAt ??= now
  }

  /** Whether a peer that waits in a long poll should be answered now. */
  hasNewsFor(peer: Peer, own: Standing): boolean {
    const { acked } = peer
    if (acked?.incarnation !== own.incarnation) return false
    return acked.seq < own.seq && !this.#parts.composer.rowsAllBy(peer.id, acked.seq, newsMax)
  }

  /** Whether a descent is the next thing to do with a peer. */
  beginsDescent(peer: Peer, own: Standing, at: Instant, mode: ModeState): boolean {
    const overdue = isOverdue(peer, own)
    const differs = notesDivergence(peer, own, at.mono) || overdue
    // A commit under way says nothing: with each the wait for the other's first word would begin anew.
    if (!differs && own.settled) peer.divergedSince = undefined
    else if (differs) peer.divergedSince ??= at.mono
    if (peer.divergedSince === undefined || peer.descent !== undefined) return false
    const path = choosePath(peer, mode, at.mono, this.#parts.params)
    // Otherwise better at rest: what is on its way to the disk would be fetched once more.
    const isTime = own.settled || overdue
    return path !== undefined && isTime && at.mono >= descentDueAt(peer, path, own)
  }

  /** Everything that is due for one peer. */
  plan(peer: Peer, own: Standing, at: Instant, mode: ModeKeeper): Effect[] {
    const { params } = this.#parts
    const effects = this.#dial(peer, at, mode)
    const path = choosePath(peer, mode.state, at.mono, params)
    // P2P has just failed this peer: whether HTTP reaches it now is not known from before.
    if (path === 'http' && peer.path === 'p2p') peer.links.http.doubted = true
    if (path !== undefined) {
      effects.push(...this.#work(peer, path, own, at))
      const overdue = path === 'p2p' && due(pushAt(peer, 'p2p', own, params), at)
      if (overdue && mode.state.phase !== 'FORCED' && peer.links.http.up)
        effects.push(...this.#work(peer, 'http', own, at))
      if (path === 'http') effects.push(...this.#poll(peer, own, at))
    }
    effects.push(
      ...this.#beat(peer, 'p2p', mode.state, path, at),
      ...this.#beat(peer, 'http', mode.state, path, at),
    )
    return effects
  }

  /** Announces commits over the mesh: our own at once, acknowledgements of others' at most every 200 ms. */
  announce(own: Standing, at: Instant, mode: ModeKeeper): Effect[] {
    this.#announcedSeq ??= own.seq
    const listeners = [...this.#parts.peers.values()].filter(peer => peer.links.p2p.up)
    this.#announcedSeq = Math.max(
      this.#announcedSeq,
      Math.min(...listeners.map(peer => heldSeq(peer, own)), own.seq),
    )
    // Nobody has to be told of what all others have had before.
    if (own.bulkFrom !== undefined && !this.#localNews) this.#announcedSeq = own.seq
    const knowAll = listeners.every(peer => knowsAll(peer, own))
    if (!mode.announces || knowAll) {
      this.#announcedSeq = own.seq
      this.#localNews = false
      this.#announceAt = this.#ackNewsAt = undefined
      return []
    }
    const isTold = own.bulkFrom !== undefined || listeners.every(peer => isTalking(peer, at.mono))
    if (!this.#localNews && (this.#ackNewsAt === undefined || isTold)) return []
    // What an exchange under way will tell anyway is worth waiting for.
    const inExchange = listeners.some(peer => peer.descent !== undefined || peer.syncAt > at.mono)
    const noted = (this.#ackNewsAt ?? at.mono) + (inExchange ? ackIntervalMs : 0)
    const earliest = this.#localNews ? at.mono : Math.max(noted, this.#lastAnnounce + ackIntervalMs)
    this.#announceAt = earliest
    if (at.mono < earliest) return []
    this.#localNews = false
    this.#announceAt = this.#ackNewsAt = undefined
    this.#lastAnnounce = at.mono
    for (const peer of listeners) peer.toldCursor = peer.cursor
    return this.#announceRows(own, at)
  }

  /** When time alone will make something due. */
  wakeAt(own: Standing, at: Instant, mode: ModeKeeper): number {
    let first = Number.POSITIVE_INFINITY
    const consider = (time: number | undefined): void => {
      if (time !== undefined && time > at.mono && time < first) first = time
    }
    consider(this.#announceAt)
    if (!mode.started('p2p') && !mode.started('http')) return first
    for (const peer of this.#parts.peers.values()) this.#considerDeadlines(peer, own, consider)
    return first
  }

  #considerDeadlines(peer: Peer, own: Standing, consider: (time: number | undefined) => void): void {
    const { params } = this.#parts
    for (const time of [peer.syncAt, peer.leadsUntil, peer.bulkAt, patienceEnds(peer)]) consider(time)
    for (const kind of pathKinds) {
      const link = peer.links[kind]
      const { retryAt, beatAt, speakAt, greetAt, pollAt } = link
      for (const time of [retryAt, beatAt, speakAt, greetAt, pollAt]) consider(time)
      consider(provenUntil(link, params))
      consider(pushAt(peer, kind, own, params))
      consider(pullAt(peer, kind, own))
      consider(descentDueAt(peer, kind, own))
    }
  }

  #dial(peer: Peer, at: Instant, mode: ModeKeeper): Effect[] {
    const effects: Effect[] = []
    for (const path of pathKinds) {
      const link = peer.links[path]
      if (link.up || link.connecting || at.mono < link.retryAt || !mode.started(path)) continue
      link.connecting = true
      effects.push({ type: 'connect', path, peer: peer.id })
    }
    return effects
  }

  #work(peer: Peer, path: PathKind, own: Standing, at: Instant): Effect[] {
    const link = peer.links[path]
    const isAhead = peer.unsettledAnswers > 0
    if (!link.up || link.exchange !== undefined || (isAhead && !mayAskAhead(peer))) return []
    if (at.mono < Math.max(link.retryAt, link.speakAt, peer.syncAt)) return []
    if (isAhead) return [this.#ask(peer, link, { push: false, own, at, isWork: true })]
    const { params } = this.#parts
    const push = due(pushAt(peer, path, own, params), at)
    const pull = due(pullAt(peer, path, own), at)
    if (!push && !pull && peer.fetch === undefined && peer.descent === undefined) return []
    return [this.#ask(peer, link, { push: push || pull || path === 'http', own, at, isWork: true })]
  }

  #poll(peer: Peer, own: Standing, at: Instant): Effect[] {
    const link = peer.links.http
    const proven = linkState(link, at.mono, this.#parts.params) === 'up'
    if (!proven || !link.up || link.doubted || link.poll !== undefined) return []
    // A poll would bring the same rows once more: the cursor stands still until all of them are here.
    if (peer.bulk !== undefined || peer.fetch !== undefined) return []
    if (at.mono < link.retryAt || at.mono < link.pollAt) return []
    return [this.#ask(peer, link, { push: false, own, at, isWork: false, waitMs: Math.round(link.holdMs) })]
  }

  #beat(peer: Peer, kind: PathKind, mode: ModeState, path: PathKind | undefined, at: Instant): Effect[] {
    const link = peer.links[kind]
    if (!link.up || link.exchange !== undefined) return []
    if (at.mono < Math.max(link.retryAt, link.greetAt)) return []
    if (kind === 'http' && preferredPath(mode) === 'p2p' && mode.phase === 'FORCED') return []
    const unproven = kind === path && linkState(link, at.mono, this.#parts.params) !== 'up'
    if (!unproven && !link.doubted && at.mono < link.beatAt) return []
    if (kind === 'http' && !unproven && !link.doubted && path === 'http') return []
    return [this.#ask(peer, link, { push: false, at, isWork: false, phase: mode.phase })]
  }

  #ask(
    peer: Peer,
    link: Link,
    how: {
      push: boolean
      own?: Standing
      at: Instant
      isWork: boolean
      waitMs?: number
      phase?: ModeState['phase']
    },
  ): Effect {
    const { composer, dialect } = this.#parts
    const { at, isWork, waitMs, own } = how
    const version = dialect.versionFor(peer)
    const pull = own !== undefined && canPull(peer, own)
    const sections =
      own === undefined || (!isWork && waitMs === undefined)
        ? {}
        : composer.ask(peer, { push: how.push, pull, descend: isWork })
    const positions = sections.rows ?? sections.pull ?? peer.fetch
    // In the middle of a descent nobody cares how the other stands, but for what has ended.
    const isStep = version > 1 && sections.compare !== undefined && positions === undefined
    // Who a peer is matters to people only, and can wait until the first words are over.
    const introduce = peer.info === undefined && peer.known !== undefined
    const greeting = isStep ? composer.horizonReport() : composer.greeting(peer, at, introduce)
    const message = followedBy(greeting, { ...sections, ...(waitMs === undefined ? {} : { waitMs }) })
    const id = this.#nextId++
    this.#asks.set(id, {
      peer,
      path: link.path,
      sentAt: at.mono,
      isPoll: waitMs !== undefined,
      isWork,
      cursor: peer.cursor,
      root: message.beat?.root,
      inFull: !isWork || !peer.knowsUs,
      askedFetch: isWork ? peer.fetch : undefined,
      askedDescent: isWork ? peer.descent : undefined,
      isReceived: false,
      hasBrought: false,
    })
    if (waitMs === undefined) link.exchange = id
    else link.poll = id
    const interval = this.#beatInterval(link.path, how.phase)
    link.beatAt = at.mono + (peer.known === undefined ? Math.min(interval, introduceMs) : interval)
    const timeoutMs = patienceMs(link, isWork) + (waitMs ?? 0)
    const phrased = dialect.phrase(message, peer, { version, lone: !isWork })
    return { type: 'ask', id, path: link.path, peer: peer.id, message: phrased, timeoutMs }
  }

  /** ± 20 %, so that nodes do not beat in step. */
  #beatInterval(path: PathKind, phase: ModeState['phase'] | undefined): number {
    const { params, random } = this.#parts
    if (phase === 'TRIAL' && path === 'p2p')
      return Math.min(trialProbeMs, params.stableAfterMs / trialProbesNeeded)
    const interval = path === 'p2p' ? effectiveHeartbeatMs(params) : httpIdleProbeMs
    return interval * (0.8 + 0.4 * random.unit())
  }

  #announceRows(own: Standing, at: Instant): Effect[] {
    const { composer, peers } = this.#parts
    const effects: Effect[] = []
    const head = { beat: composer.beat(at), acks: composer.acks(peers.values()) }
    const announce = (said: Message): Effect => {
      return { type: 'announce', message: this.#parts.dialect.phraseForAll(said, peers.values()) }
    }
    while ((this.#announcedSeq ?? 0) < own.seq && effects.length < announceBurstMax) {
      const after = this.#announcedSeq ?? 0
      const rows = composer.rows({ after, bytesMax: announceRowsBytesMax, locateOthers: true })
      if (rows === undefined) break
      this.#announcedSeq = rows.upTo
      effects.push(announce(entriesInFrame(rows.entries) > announceRowsBytesMax ? head : { ...head, rows }))
    }
    this.#announcedSeq = own.seq
    return effects.length > 0 ? effects : [announce(head)]
  }
}

function due(time: number | undefined, at: Instant): boolean {
  return time !== undefined && time <= at.mono
}

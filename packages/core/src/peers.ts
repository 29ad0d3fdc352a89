/**
 * What we know of each member: two links, how far we have applied its journal and it ours, and what it last
 * said.
 *
 * Plain mutable records, owned by the engine. Times are `mono` milliseconds unless they end in `Wall`.
 */
import type { Bulk } from './bulk.ts'
import type { Cursor, Span } from './journal.ts'
import type { Beat, FrameVersion, HorizonReport, Info, Want } from './message.ts'
import type { Descent } from './descent.ts'
import type { Pace } from './pace.ts'
import { asleepPauseMs, httpSilenceMaxMs, longPollMs } from './params.ts'
import {
  pathKinds,
  type Incarnation,
  type NodeId,
  type PathKind,
  type Sequence,
  type Version,
} from './units.ts'

/** First retry after a failed connection, in ms; doubles up to `REDIAL_MAX`. */
export const redialFirstMs = 1_000

/** One path to one peer. */
export interface Link {
  readonly path: PathKind
  /** The transport can ask the peer (connected, or address known). */
  up: boolean
  since: number
  connecting: boolean
  /** When to try the next connection, or, once up, the next request after a failure. */
  retryAt: number
  /** The peer's host has asked for a pause up to then. */
  pausedUntil: number
  failures: number
  lastError: string | undefined
  /** The last failure was the peer's host saying that the peer sleeps. */
  asleep: boolean
  /** Last authenticated message from the peer itself over this path. */
  lastHeard: number | undefined
  /** When the peer last heard us over this path, as far as we know. */
  heardUs: number | undefined
  rttMs: number | undefined
  /** How often the time for an exchange has been doubled, because it was too short (pace.ts). */
  slowness: number
  beatAt: number
  /** Nothing is told before this, where the peer may be telling the same. */
  speakAt: number
  /** No greeting before this, where the peer probably speaks first. */
  greetAt: number
  /** When the next long poll may start (HTTP only). */
  pollAt: number
  /** How long polls hold: less than `longPollMs` where something on the way cuts them off earlier. */
  holdMs: number
  /** A poll was cut off, or the other path failed: a short exchange has to prove this one anew. */
  doubted: boolean
  /** Id of the request under way. */
  exchange: number | undefined
  /** Id of the long poll under way (HTTP only). */
  poll: number | undefined
  /** Good probes in a row since TRIAL began. */
  goodProbes: number
}

/** What a peer last said of itself, consistent in itself. */
export interface Known {
  /** When we heard it. */
  readonly at: number
  readonly incarnation: Incarnation
  readonly seq: Sequence
  readonly root: string
  readonly count: number
  readonly wall: number
}

/** One member of the federation, other than ourselves. */
export interface Peer {
  readonly id: NodeId
  readonly links: Readonly<Record<PathKind, Link>>
  known: Known | undefined
  /** Newest frame version it is known to speak; undefined until it has spoken. */
  speaks: FrameVersion | undefined
  /** It knows our incarnation: positions need not name it. */
  knowsUs: boolean
  /** What its last direct message said about the compaction horizon. */
  stated: HorizonReport | undefined
  /** Its root as it was when that was `stated`: what it vouches for is what it then held. */
  statedRoot: string | undefined
  /** Everything of the peer up to here is applied and durable here. */
  cursor: Cursor | undefined
  /** Rows beyond a gap that are durable here: the cursor passes them once it gets there. */
  landed: readonly Span[]
  /** Everything of ours up to here is applied and durable there. */
  acked: Cursor | undefined
  /** The same as it was when that was `stated`: what waits there of what came since is not in its floor. */
  statedAcked: Cursor | undefined
  /** It has had all of ours up to here on its disk: with the same root, or with nothing put by or refused. */
  held: Sequence
  /** How far we have told our rows to this peer itself; it may not have heard. */
  toldSeq: Sequence
  /** The cursor that we last told it; it may not have heard. */
  toldCursor: Cursor | undefined
  /** Since when the peer has told of commits that we have not applied. */
  behindSince: number | undefined
  /** Entries to fetch before `cursor` may move to `upTo`. */
  fetch: { wants: readonly Want[]; upTo: Cursor } | undefined
  descent: Descent | undefined
  /** The transfer of most of its state to us, while it is under way. */
  bulk: Bulk | undefined
  /** When the first transfer began since both roots were last equal. */
  fillingSince: number | undefined
  /** No bulk transfer before this. */
  bulkAt: number
  /** What the peer wanted last after rows of ours, in brief: who wants the same again cannot take it now. */
  servedWants: string | undefined
  /** Answers received whose entries are not durable yet: what they mean is still to come. */
  unsettledAnswers: number
  /** Since when only a descent can make us equal, or since the peer's last step of one. */
  divergedSince: number | undefined
  /** When that was first so since our roots were last the same. */
  apartSince: number | undefined
  /** When both roots last were equal, moved along by how long the peer was out of touch since. */
  equalAt: number
  /** No descent before this. */
  descentAt: number
  descentFailures: number
  /** Descents since our roots were last the same at whose end one of the roots was another. */
  descentsMoved: number
  /** No further sync exchange before this: paces exchanges that bring nothing. */
  syncAt: number
  /** It leads an exchange, and is expected to ask on before this. */
  leadsUntil: number
  fruitless: number
  /** Counts what brought both sides closer: entries, cursors, steps of a descent. */
  progress: number
  lastSyncWall: number | undefined
  lastSeen: number | undefined
  lastSeenWall: number | undefined
  info: Info | undefined
  /** What its wall clock showed at 0 of ours that only goes on, give or take the way of a message. */
  wallAtZero: number | undefined
  /** When it last said goodbye, by its own clock. */
  leftWall: number | undefined
  /** As last told: it sleeps, which is no failure. */
  asleep: boolean
  path: PathKind | 'none'
  pathSince: number
  why: string
}

/** A peer of which nothing is known yet. */
export function createPeer(id: NodeId, cursor: Cursor | undefined, now: number): Peer {
  return {
    id,
    links: { p2p: createLink('p2p', now), http: createLink('http', now) },
    known: undefined,
    speaks: undefined,
    knowsUs: false,
    stated: undefined,
    statedRoot: undefined,
    cursor,
    landed: [],
    acked: undefined,
    statedAcked: undefined,
    held: 0,
    toldSeq: 0,
    toldCursor: undefined,
    behindSince: undefined,
    fetch: undefined,
    descent: undefined,
    bulk: undefined,
    fillingSince: undefined,
    bulkAt: now,
    servedWants: undefined,
    unsettledAnswers: 0,
    divergedSince: undefined,
    apartSince: undefined,
    equalAt: now,
    descentAt: now,
    descentFailures: 0,
    descentsMoved: 0,
    syncAt: now,
    leadsUntil: now,
    fruitless: 0,
    progress: 0,
    lastSyncWall: undefined,
    lastSeen: undefined,
    lastSeenWall: undefined,
    info: undefined,
    wallAtZero: undefined,
    leftWall: undefined,
    asleep: false,
    path: 'none',
    pathSince: now,
    why: 'not reached yet',
  }
}

/**
 * A direct message has been taken in.
 * @param highWater greatest version here: who stands as high has put by and refused nothing that is held here
 */
export function noteStated(peer: Peer, highWater: Version): void {
  peer.statedAcked = peer.acked
  const isWhole = peer.stated === undefined || peer.stated.floor >= highWater
  if (isWhole) peer.held = Math.max(peer.held, peer.acked?.seq ?? 0)
}

/** What a direct message says of its sender's clock, where it tells the moment anew and not as it was. */
export function noteClock(peer: Peer, beat: Beat | undefined, now: number): void {
  if (beat === undefined || beat.wall === (peer.known?.wall ?? 0)) return
  peer.wallAtZero = beat.wall - now
}

/**
 * Whether a goodbye is its last word. Frames overtake each other: one from before the goodbye undoes nothing.
 */
export function hasLeft({ leftWall, known }: Peer): boolean {
  return leftWall !== undefined && (known?.wall ?? 0) <= leftWall
}

/**
 * Whether an announce says less than is known: anybody can pass it on late, also one of a life that is over.
 */
export function isOvertaken(beat: Beat | undefined, known: Known | undefined): boolean {
  if (beat === undefined || known === undefined) return false
  return beat.incarnation === known.incarnation ? beat.seq < known.seq : beat.wall <= known.wall
}

/** The roots that a descent with a peer is to make equal. */
export function bothRoots(own: string, peer: Peer): string {
  return own + (peer.known?.root ?? '')
}

function createLink(path: PathKind, now: number): Link {
  return {
    path,
    up: false,
    since: now,
    connecting: false,
    retryAt: now,
    pausedUntil: now,
    failures: 0,
    lastError: undefined,
    asleep: false,
    lastHeard: undefined,
    heardUs: undefined,
    rttMs: undefined,
    slowness: 0,
    beatAt: now,
    speakAt: now,
    greetAt: now,
    pollAt: now,
    holdMs: longPollMs,
    doubted: false,
    exchange: undefined,
    poll: undefined,
    goodProbes: 0,
  }
}

/** How long to wait on a new connection, with something to tell and without. */
export interface Patience {
  readonly speakMs: number
  readonly greetMs: number
}

/**
 * The transport can reach the peer now: ask it at once. Failures are forgotten only once it has answered.
 * @param patience how long to leave it the first word
 */
export function linkUp(link: Link, now: number, patience: Patience): void {
  link.connecting = false
  link.retryAt = now
  link.pollAt = now
  if (link.up) return
  link.up = true
  link.since = now
  link.beatAt = now
  link.speakAt = now + patience.speakMs
  link.greetAt = now + patience.greetMs
}

/** The transport has lost the peer: reconnect at once if it had proven itself for a while, else back off. */
export function linkDown(link: Link, reason: string, pace: Pace): void {
  const held = link.up && link.lastHeard !== undefined && pace.now - link.since >= redialFirstMs
  if (link.up) link.since = pace.now
  link.up = false
  link.heardUs = undefined
  link.lastHeard = undefined
  if (!held) return linkFailed(link, reason, pace)
  link.lastError = reason
  link.asleep = false
  link.goodProbes = 0
  link.failures = 0
  link.retryAt = pace.now
}

/** The peer itself asked over this path: one that failed us need not wait for its circuit to close. */
export function linkHeard(link: Link, now: number): void {
  link.lastHeard = now
  if (link.failures > 0) link.retryAt = Math.min(link.retryAt, now + redialFirstMs)
}

/** An answer came: the path works in both directions. `sentAt` is when we asked. */
export function linkProven(link: Link, sentAt: number, now: number): void {
  link.lastHeard = now
  link.heardUs = Math.max(link.heardUs ?? sentAt, sentAt)
  link.failures = 0
  link.doubted = false
  link.retryAt = now
  link.lastError = undefined
  link.asleep = false
  link.goodProbes++
}

/** A connection or request failed: when to try again, with 50–100 % jitter. */
export function linkFailed(link: Link, reason: string, pace: Pace): void {
  link.connecting = false
  link.failures++
  // It was no proxy that cut the poll.
  if (link.doubted) link.holdMs = longPollMs
  link.doubted = false
  link.goodProbes = 0
  link.lastError = reason
  link.asleep = pace.asleep === true
  // Nobody falls asleep in the midst of a talk: one such answer may be a busy proxy's, two in a row are not.
  const inUse = link.lastHeard !== undefined && pace.now - link.lastHeard < httpSilenceMaxMs
  const long = link.asleep && !(inUse && link.failures === 1)
  const exponential = Math.min(pace.capMs, redialFirstMs * 2 ** Math.min(link.failures - 1, 20))
  const pause = long
    ? asleepPauseMs.least + pace.unit * asleepPauseMs.jitter
    : exponential * (0.5 + pace.unit / 2)
  link.pausedUntil = pace.now + pace.retryAfterMs
  link.retryAt = Math.max(link.pausedUntil, pace.now + pause)
}

/** Our own pause of `pausedMs` is nobody's silence: moves what was heard along, and probes again. */
export function forgiveLinks(peer: Peer, pausedMs: number, now: number): void {
  for (const path of pathKinds) {
    const link = peer.links[path]
    if (link.lastHeard !== undefined) link.lastHeard = Math.min(now, link.lastHeard + pausedMs)
    if (link.heardUs !== undefined) link.heardUs = Math.min(now, link.heardUs + pausedMs)
    link.beatAt = now
    link.retryAt = Math.min(link.retryAt, now)
  }
}

/**
 * The last path is gone: what failed before may work by now, and is tried at once instead of after its pause.
 * The link that was lost has a pause of its own. Who sleeps is left asleep, and a pause that was asked for is
 * kept.
 */
export function tryAnew(peers: readonly Peer[], lost: Link | undefined, now: number): void {
  const links = peers.flatMap(peer => pathKinds.map(path => peer.links[path]))
  for (const link of links)
    if (link !== lost && !link.asleep)
      link.retryAt = Math.min(link.retryAt, Math.max(now + 1, link.pausedUntil))
}

/**
 * What a message changes: what we know of its sender, the entries it brought, and how far both journals are
 * applied.
 *
 * Positions move only once the entries they cover are durable; equal roots prove more than any position.
 */
import { noteBrought, noteLoss } from './bulk.ts'
import { equalBytes, toHex } from './bytes.ts'
import type { Damage } from './checked-rows.ts'
import type { CommitPipeline } from './commits.ts'
import { closeDescent, wantsOnly } from './descent.ts'
import { digestCount, packDigests } from './digest-list.ts'
import type { Delivery, Effect } from './events.ts'
import type { Composer } from './exchange.ts'
import { vouchedHorizon } from './horizon.ts'
import { continues, covers, type Cursor } from './journal.ts'
import { compareNodesMax, descentRoundsMax } from './limits.ts'
import type { Beat, Message, Rows, Want } from './message.ts'
import type { Ask, Outbox } from './outbox.ts'
import { OwnHistory } from './own-history.ts'
import { followPauseMs, httpSilenceMaxMs, pollEveryMs, revivalMs } from './params.ts'
import { bothRoots, noteStated, type Peer } from './peers.ts'
import type { Store } from './ports.ts'
import { fittingStep, lackingOf, stepBytesMax } from './reconcile.ts'
import type { Replica } from './replica.ts'
import { Strangers } from './strangers.ts'
import { isBehind, resumes } from './sync-plan.ts'
import { pathKinds, type Instant, type NodeId, type PathKind, type Version } from './units.ts'
import { locatorDigestBytes, locatorPathBytes } from './rows.ts'

/** Pauses between descents that did not end in equal roots, in ms, doubling from the first to the last. */
const descentPauseMs = { first: 1_000, last: 60_000 }

/**
 * The same where entries moved and more may, as when more differed than fits or no journal goes on: the first
 * as long as some come. That what was given has been taken is only said.
 */
const movedPauseMs = { first: 100, last: 2_000 }

/** Stretches of rows beyond a gap that are remembered: what a bulk transfer may have under way, and more. */
const landedMax = 8

/**
 * An answer that has more to tell, moves nothing but the cursor and holds fewer rows than this counts as
 * fruitless: a peer that ekes its journal out for ever is asked ever more rarely.
 */
const fullRowsMin = 16

/** Pauses between exchanges that brought nothing. */
const fruitlessPauseMs = { first: 200, last: 10_000 }

/** What the intake works with. */
export interface IntakeParts {
  readonly self: NodeId
  /** The other members. */
  readonly others: ReadonlySet<NodeId>
  readonly store: Store
  readonly replica: Replica
  readonly commits: CommitPipeline
  readonly composer: Composer
  readonly outbox: Outbox
  /** Root of the committed state as it is now: also between a commit and the end of its event. */
  readonly root: () => string
  /** When this process has started, in Unix ms. */
  readonly startWall: number
  readonly tell: (...effects: readonly Effect[]) => void
}

/** What is known of a delivery beside its message. */
interface DeliveryContext {
  readonly settled?: Version | undefined
  readonly ask?: Ask
}

/** Takes messages in. */
export class Intake {
  readonly #parts: IntakeParts
  readonly #moved = new Set<NodeId>()
  /** A peer has acknowledged more than the store held. */
  #isOld = false
  /** Of what this node has written up to here, nothing is lost: what is missing has ended. */
  #wholeUpTo: Version
  /** What peers hold of this node's own writing that it does not hold itself. */
  readonly own: OwnHistory
  readonly strangers = new Strangers()

  constructor(parts: IntakeParts) {
    this.#parts = parts
    const { self, others, startWall, store, replica } = parts
    const isWhole = store.lastSeq > 0 && !replica.isRecovering
    this.#wholeUpTo = replica.settledHorizon
    this.own = new OwnHistory({ self, incarnation: store.incarnation, startWall, isWhole, others })
  }

  /** Peers whose cursor has moved since the last call: to be persisted with the next commit. */
  takeMoved(): NodeId[] {
    const moved = [...this.#moved]
    this.#moved.clear()
    return moved
  }

  /** Learns what a message says of its sender. */
  absorb(peer: Peer, message: Message, path: PathKind, at: Instant): void {
    const { store, self } = this.#parts
    this.#notice(peer, path, at)
    if (message.leaving === true) peer.leftWall = message.beat?.wall ?? peer.leftWall
    const ack = message.ack ?? message.acks?.find(each => each.node === self)
    const isOurs = ack?.incarnation === store.incarnation
    const isBeyond = isOurs && ack.seq > this.#parts.replica.committedSeq
    if (isBeyond) this.#beginAnew(peer, ack)
    // A direct message without it says that the peer keeps no cursor for us; an announce only if it lists
    // cursors.
    if (message.acks !== undefined || message.beat !== undefined) {
      const acked = isOurs && !isBeyond ? { incarnation: ack.incarnation, seq: ack.seq } : undefined
      if (takesTold(peer, acked)) peer.progress++
      peer.acked = acked
    }
    if (message.beat !== undefined) this.#absorbBeat(peer, message.beat, at)
    // Announces carry cursors of all, and travel through others' hands.
    const isDirect = message.beat !== undefined && message.acks === undefined
    // What a step of a descent says goes with no root and no acknowledgement: it is used for that step alone.
    // And who takes our future for applied will not ask for it: that it holds the same now is not enough.
    const statedRoot = isBeyond ? undefined : peer.known?.root
    if (isDirect) Object.assign(peer, { stated: message.horizon, statedRoot })
    this.compareRoots(peer, at)
    if (isDirect) noteStated(peer, this.#parts.replica.highWater)
    // From here on the peer has told what waits there of our own writing: it comes with the introduction.
    if (message.info !== undefined) peer.info = message.info
  }

  /**
   * Stages the entries of a delivery, and moves the cursor once they are durable.
   * @param context the sender's settled horizon, if it said so itself, and what the delivery answers
   */
  takeIn(peer: Peer, delivery: Delivery, origin: PathKind, at: Instant, context: DeliveryContext = {}): void {
    const { replica, commits, tell, self } = this.#parts
    const { settled = 0n, ask } = context
    const { isRecovering, horizon, quarantine } = replica
    const isDamaged = quarantine.places.length > 0
    if (delivery.refused !== undefined) {
      replica.deferred.refuse(delivery.refused.version)
      this.strangers.note(delivery.refused.authors, at.mono)
    }
    const verdicts = replica.offer(delivery.entries, origin, at.wall, settled)
    // What has ended comes back to a node that recovers, or from one that kept it; an old copy lacks others.
    const isForgiven = isRecovering && !this.#isOld
    const forgivenUpTo = isForgiven ? horizon : this.#wholeUpTo
    const taken = delivery.entries.filter((_, index) => verdicts[index] === 'staged')
    const own = taken.filter(({ author, version }) => author === self && version > forgivenUpTo)
    const news = own.filter(entry => !quarantine.wasLost(entry))
    if (!isDamaged) tell(...this.own.learn(news, peer.id, at, isForgiven))
    const staged = taken.length
    if (ask !== undefined) ask.hasBrought = staged > 0
    const { rows, entries = [] } = delivery.message
    commits.whenSettled(durable => {
      if (!durable) return
      peer.progress += staged
      if (ask !== undefined && staged > 0) {
        noteBrought(peer)
        if (ask.askedDescent !== undefined) ask.askedDescent.brought = true
      }
      // Before the rows, which may name once more what was asked for and has been given now.
      if (ask !== undefined) this.#followFetch(ask, delivery.message, at)
      if (rows !== undefined) this.#applied(peer, rows, entries, at)
    })
  }

  /**
   * Asks the peer for entries that were damaged here, by their places; what it has instead comes as a row.
   */
  fetchAgain(peer: Peer, damage: readonly Damage[]): void {
    const upTo = peer.fetch?.upTo ?? peer.cursor
    if (upTo === undefined) return
    const wants = damage.map(({ path, leaf }) => ({
      prefix: path.subarray(0, locatorPathBytes),
      length: 2 * locatorPathBytes,
      digests: packDigests([leaf.subarray(0, locatorDigestBytes)]),
    }))
    peer.fetch = { wants: [...(peer.fetch?.wants ?? []), ...wants], upTo }
    peer.syncAt = 0
  }

  /** Once the entries of an answer are durable: what it means for the descent and the pace. */
  followUp(ask: Ask, answer: Message, durable: boolean, progressBefore: number, at: Instant): void {
    const { peer } = ask
    peer.unsettledAnswers--
    if (durable) this.#followDescent(ask, answer, at)
    else noteLoss(peer)
    this.compareRoots(peer, at)
    this.#noteTold(ask, answer)
    if (!ask.isWork) return
    const isCut = endsEarly(answer)
    // What was left out for want of room is on no announce either: nothing to wait for.
    if (isCut && isBehind(peer)) peer.behindSince = 0
    const progress = peer.progress - progressBefore
    const isFruitful = progress > 1 || (progress === 1 && !(isCut && rowCount(answer) < fullRowsMin))
    peer.fruitless = isFruitful ? 0 : peer.fruitless + 1
    const soon = isInVain(ask, answer) ? Math.max(at.mono, ask.sentAt + pollEveryMs) : at.mono
    peer.syncAt = peer.fruitless === 0 ? soon : at.mono + pause(fruitlessPauseMs, peer.fruitless)
  }

  /** What an answered question has told: our cursor, and by equal roots that we hold all the peer has. */
  #noteTold({ peer, cursor, root }: Ask, { beat }: Message): void {
    if (root === undefined) return
    peer.toldCursor = cursor
    if (beat === undefined || !equalBytes(beat.root, root)) return
    peer.toldCursor = { incarnation: beat.incarnation, seq: beat.seq }
  }

  /** Equal roots mean equal sets: whatever either has committed up to now, both hold. */
  compareRoots(peer: Peer, at: Instant): void {
    const { known, stated, statedRoot } = peer
    const { store, replica } = this.#parts
    const root = this.#parts.root()
    if (statedRoot === root && stated?.floor !== 0n) this.#noteVouched(peer.id, vouchedHorizon(stated))
    if (known === undefined || known.root !== root) return
    // Beyond the end of a journal that was put back: what is written there will not have been applied.
    if (peer.cursor !== undefined && peer.cursor.seq > known.seq) peer.cursor = undefined
    peer.held = replica.committedSeq
    peer.acked = { incarnation: store.incarnation, seq: peer.held }
    this.#moveCursor(peer, { incarnation: known.incarnation, seq: known.seq }, at.mono)
    if (peer.info !== undefined && this.own.agreedWith(peer.id)) replica.countOn()
    peer.fillingSince = undefined
    peer.lastSyncWall = at.wall
    peer.equalAt = at.mono
    peer.behindSince = undefined
    peer.fetch = undefined
    peer.descent = undefined
    peer.descentFailures = 0
    peer.descentsMoved = 0
    peer.descentAt = at.mono
    peer.fruitless = 0
  }

  /** Equal roots with one that has settled a horizon; what is on its way to the disk may have ended by it. */
  #noteVouched(peer: NodeId, settled: Version): void {
    const { replica } = this.#parts
    if (settled < replica.horizon || replica.batches.bringsUpTo(replica.horizon)) return
    replica.recovered(settled, peer)
    this.#wholeUpTo = replica.horizon
  }

  /**
   * A peer has applied more of ours than there is: the disk was put back to an old copy, which may hold what
   * has ended since. Believed once, because it is only said.
   */
  #beginAnew(peer: Peer, acked: Cursor): void {
    const { replica, tell } = this.#parts
    if (this.#isOld) return
    this.#isOld = true
    this.#wholeUpTo = 0n
    replica.recover()
    const message =
      'a peer has applied more than this store holds: it is an old copy, and learns what has ended'
    const fields = { peer: peer.id, applied: acked.seq, held: replica.committedSeq }
    tell({ type: 'log', level: 'warn', message, fields })
  }

  /** A sign of life after a silence: whatever path failed before is worth a new try; here the peer leads. */
  #notice(peer: Peer, path: PathKind, at: Instant): void {
    const silenceMs = at.mono - (peer.lastSeen ?? peer.equalAt)
    const revived = peer.lastSeen === undefined || silenceMs > revivalMs
    peer.lastSeen = at.mono
    peer.lastSeenWall = at.wall
    // Longer than any path is silent at rest: nobody was in touch.
    if (silenceMs > httpSilenceMaxMs) peer.equalAt += silenceMs
    if (!revived) return
    for (const kind of pathKinds) peer.links[kind].retryAt = Math.min(peer.links[kind].retryAt, at.mono)
    peer.links[path].greetAt = Math.max(peer.links[path].greetAt, at.mono + followPauseMs)
  }

  #absorbBeat(peer: Peer, beat: Beat, at: Instant): void {
    const { incarnation, seq, count, wall } = beat
    if (peer.known?.incarnation !== incarnation) Object.assign(peer, { stated: undefined, held: 0 })
    // A journal that is shorter than it was may go on in another way.
    peer.landed = peer.landed.filter(span => span.incarnation === incarnation && span.upTo <= seq)
    peer.known = { at: at.mono, incarnation, seq, count, wall, root: toHex(beat.root) }
    for (const path of pathKinds) {
      const heard = beat.heardMs[path]
      const link = peer.links[path]
      if (heard === undefined) continue
      link.heardUs = Math.max(link.heardUs ?? Number.NEGATIVE_INFINITY, at.mono - heard)
    }
    peer.behindSince = isBehind(peer) ? (peer.behindSince ?? at.mono) : undefined
  }

  #applied(peer: Peer, rows: Rows, given: readonly Uint8Array[], at: Instant): void {
    // Of a life of the peer that is over.
    if (rows.incarnation !== peer.known?.incarnation) return
    if (!continues(peer.cursor, rows)) return this.#keepLanded(peer, rows)
    const upTo: Cursor = { incarnation: rows.incarnation, seq: rows.upTo }
    if (covers(peer.cursor, upTo)) return
    const wants = this.#parts.composer.missing(rows, given)
    if (wants.length > 0) peer.fetch = { wants, upTo }
    else this.#moveCursor(peer, upTo, at.mono)
    peer.behindSince = isBehind(peer) ? at.mono : undefined
  }

  #moveCursor(peer: Peer, cursor: Cursor, now: number): void {
    if (covers(peer.cursor, cursor)) return
    peer.cursor = cursor
    peer.progress++
    this.#moved.add(peer.id)
    this.#parts.outbox.noteAck(now)
    const { incarnation, seq } = cursor
    peer.landed = peer.landed.filter(span => span.incarnation === incarnation && span.upTo > seq)
    const next = peer.landed.find(({ after }) => after <= seq)
    if (next !== undefined) this.#moveCursor(peer, { incarnation, seq: next.upTo }, now)
  }

  /** Rows beyond a gap need not come again once it is closed. */
  #keepLanded(peer: Peer, { incarnation, after, upTo, locators }: Rows): void {
    if (locators.length > 0) return
    peer.landed = [...peer.landed, { incarnation, after, upTo }].slice(-landedMax)
  }

  /**
   * What was asked for and did not come has been superseded there: its successor is a later row. A goodbye
   * answers nothing, and a journal that has begun anew has no such row.
   */
  #followFetch({ peer, askedFetch }: Ask, answer: Message, at: Instant): void {
    if (askedFetch === undefined || peer.fetch !== askedFetch) return
    const { entries = [] } = answer
    if (answer.leaving === true && entries.length === 0) return
    const told = fittingStep(askedFetch.wants, { nodes: compareNodesMax, bytes: stepBytesMax }).length
    const open = askedFetch.wants.slice(entries.length === 0 ? told : 0)
    const lacking = open.flatMap(want => lackingOf(this.#parts.replica.trie, want) ?? [])
    const wants = this.#parts.composer.unmet(lacking, entries)
    const done = wants.length === 0
    const isSameLife = askedFetch.upTo.incarnation === peer.known?.incarnation
    if (done && isSameLife) this.#moveCursor(peer, askedFetch.upTo, at.mono)
    peer.fetch = done ? undefined : { wants, upTo: askedFetch.upTo }
    if (done || namedBy(wants) < namedBy(askedFetch.wants)) peer.progress++
  }

  #followDescent({ peer, askedDescent }: Ask, answer: Message, at: Instant): void {
    if (peer.descent !== askedDescent) return
    if (askedDescent === undefined && answer.want === undefined) return
    const { composer } = this.#parts
    const vouched = vouchedHorizon(answer.horizon ?? peer.stated)
    const next = composer.continueDescent(askedDescent ?? wantsOnly, answer, vouched)
    peer.descent = next ?? (askedDescent && closeDescent(askedDescent))
    if (peer.descent !== undefined && peer.descent.rounds <= descentRoundsMax) {
      const wants = inBrief(answer.want ?? [])
      if (peer.descent.fromRoot || (askedDescent === undefined && wants !== peer.servedWants)) peer.progress++
      peer.servedWants = wants
      return
    }
    peer.descent = undefined
    if (askedDescent?.fromRoot !== true) return
    // What is written meanwhile comes by journal: a descent that ran to its end has done what it can.
    const isOver = next === undefined && resumes(peer) && peer.acked !== undefined
    const { roots, gave, brought = false } = askedDescent
    if (!isOver && (brought || (gave && roots !== bothRoots(this.#parts.root(), peer)))) {
      peer.descentsMoved++
      const pauseMs = brought ? movedPauseMs.first : pause(movedPauseMs, peer.descentsMoved)
      peer.descentAt = at.mono + pauseMs
      return
    }
    peer.descentFailures++
    peer.descentAt = at.mono + pause(descentPauseMs, peer.descentFailures)
  }
}

/** Whether a peer acknowledges for the first time all that it was told: more claims are no progress. */
function takesTold({ acked: before, toldSeq }: Peer, acked: Cursor | undefined): boolean {
  return acked !== undefined && acked.seq >= toldSeq && (before?.seq ?? 0) < toldSeq
}

/** Whether an answer leaves rows of its sender's journal for the next one. */
function endsEarly({ rows, beat }: Message): boolean {
  return rows !== undefined && beat !== undefined && rows.upTo < beat.seq
}

/**
 * Whether an answer moves a journal on without a single entry that was news, and leaves none to ask for: it
 * may be the honest end of a partition, or go on so for ever. Who has always more to tell sets no pace.
 */
function isInVain({ peer, askedFetch, hasBrought }: Ask, { rows }: Message): boolean {
  if (hasBrought) return false
  return askedFetch !== undefined || (rows !== undefined && peer.fetch === undefined)
}

function rowCount({ rows }: Message): number {
  return rows === undefined ? 0 : rows.entries.length + rows.locators.length
}

/** How many entries wants name. */
function namedBy(wants: readonly Want[]): number {
  return wants.reduce((sum, { digests }) => sum + digestCount(digests), 0)
}

function inBrief(wants: readonly Want[]): string {
  return [wants[0], wants.at(-1)].map(want => toHex(want?.digests ?? new Uint8Array(0))).join() + wants.length
}

function pause({ first, last }: { first: number; last: number }, times: number): number {
  return Math.min(last, first * 2 ** Math.min(times - 1, 20))
}

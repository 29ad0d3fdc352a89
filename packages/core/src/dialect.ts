/**
 * Which words a peer understands: the frame version it speaks, and whether it knows our incarnation.
 *
 * Both are learned from what it says. Wrong beliefs cost a round trip: a frame of a version that it does not
 * speak is answered with those that it does, and positions that it cannot make out are asked for in full.
 */
import { abbreviate, spellOut, type Acquaintance } from './abbreviation.ts'
import type { FrameVersion, Message } from './message.ts'
import { linkProven, type Peer } from './peers.ts'
import type { Incarnation, NodeId, PathKind } from './units.ts'
import { oldestProtocolVersion, protocolVersion } from './wire.ts'

/** What is addressed to one peer. */
export interface Address {
  readonly version: FrameVersion
  /** It only greets, and may tell more of itself. */
  readonly lone?: boolean
  /** Root of the request that this answers. */
  readonly root?: Uint8Array | undefined
}

/** How a request wants to be answered. */
export interface AnswerManner {
  readonly version: FrameVersion
  /** It said how it stands, and hears how we do. */
  readonly greets: boolean
}

/** What we asked, as far as the words of the answer depend on it. */
export interface Asked {
  readonly root: Uint8Array | undefined
  readonly inFull: boolean
}

/** Chooses our words, and makes out those of others. Keeps what it learns in the `Peer`. */
export class Dialect {
  readonly #self: NodeId
  readonly #own: Incarnation
  #isLeaving = false

  constructor(self: NodeId, own: Incarnation) {
    this.#self = self
    this.#own = own
  }

  /** This node shuts down: whatever it still says tells that, since frames overtake each other. */
  leave(): void {
    this.#isLeaving = true
  }

  /** The newest version that both speak, as far as we know. */
  versionFor({ speaks = protocolVersion }: Peer): FrameVersion {
    return Math.min(speaks, protocolVersion) as FrameVersion
  }

  /** A message to one peer, as short as it understands it. */
  phrase(what: Message, peer: Peer, { version, lone = false, root }: Address): Message {
    const message = this.#saidNow(what)
    if (version === 1) return { ...message, speaks: protocolVersion }
    return abbreviate(message, this.#between(peer), { inFull: !peer.knowsUs || lone, requestRoot: root })
  }

  /** An announce, in words that every peer heard of understands. */
  phraseForAll(what: Message, peers: Iterable<Peer>): Message {
    const message = this.#saidNow(what)
    if ([...peers].some(({ speaks }) => speaks === 1)) return { ...message, speaks: protocolVersion }
    return abbreviate(message, { self: this.#self, own: this.#own, theirs: undefined }, { inFull: true })
  }

  /** What a message says in full. */
  understand(peer: Peer, received: Message, asked?: Asked): { message: Message; manner: AnswerManner } {
    const { version = 1, standing, speaks = version } = received
    peer.speaks = Math.min(speaks, protocolVersion) as FrameVersion
    const { message, isForeign } = spellOut(received, this.#between(peer), peer.known, asked?.root)
    const isShort = standing !== undefined && 'tag' in standing.lives
    const namesUs = message.ack !== undefined || message.pull?.incarnation === this.#own
    // Who tells us how it stands and does not name us may have begun anew: what it knew once is no proof.
    const isStranger = message.beat !== undefined && message.acks === undefined
    if ((isShort && !isForeign) || namesUs || asked?.inFull === true) peer.knowsUs = true
    else if (isForeign || isStranger) peer.knowsUs = false
    return { message, manner: { version, greets: version === 1 || standing !== undefined } }
  }

  /** A peer has answered in which versions it can be spoken to instead; whether there is one. */
  agreeOn(
    peer: Peer,
    [lowest, highest]: readonly [number, number],
    { path, sentAt }: { path: PathKind; sentAt: number },
    now: number,
  ): boolean {
    const common = Math.min(highest, protocolVersion)
    if (common < Math.max(lowest, oldestProtocolVersion) || common >= this.versionFor(peer)) return false
    peer.speaks = common as FrameVersion
    const link = peer.links[path]
    linkProven(link, sentAt, now)
    link.beatAt = now
    return true
  }

  #saidNow(message: Message): Message {
    return this.#isLeaving ? { ...message, leaving: true } : message
  }

  #between({ known, cursor }: Peer): Acquaintance {
    return { self: this.#self, own: this.#own, theirs: known?.incarnation ?? cursor?.incarnation }
  }
}

/**
 * Messages in few bytes, and back: what frames of version 2 leave out because both sides know it.
 *
 * A frame still presumes no other frame: positions are bound to both incarnations by a tag, and a receiver
 * that cannot make sense of it takes the entries, no notice of any position, and answers in full.
 */
import { equalBytes, fromHex } from './bytes.ts'
import type { Cursor } from './journal.ts'
import type { Ack, Beat, Message, Standing } from './message.ts'
import { markBytes } from './standing.ts'
import type { Incarnation, NodeId } from './units.ts'

/** Who talks to whom. */
export interface Acquaintance {
  readonly self: NodeId
  readonly own: Incarnation
  /** The other side's incarnation; undefined while it is not known. */
  readonly theirs: Incarnation | undefined
}

/** How short a message may be. */
export interface Manner {
  /** Names both incarnations, and tells count and clock: the other side may not know us, or not lately. */
  readonly inFull: boolean
  /** Root of the request that this answers: the same one need not be repeated. */
  readonly requestRoot?: Uint8Array | undefined
}

/** A message to one peer as it travels in version 2. */
export function abbreviate(message: Message, who: Acquaintance, manner: Manner): Message {
  const { beat, ack, pull, acks, ...rest } = message
  const short: Message = { ...rest, version: 2 }
  const marks = acks?.map(({ node, incarnation, seq }) => ({
    node: markOf(node),
    incarnation: markOf(incarnation),
    seq,
  }))
  const withMarks = marks === undefined ? short : { ...short, ackMarks: marks }
  if (beat === undefined) return withMarks
  const { own, theirs } = who
  const isSame = manner.requestRoot !== undefined && equalBytes(manner.requestRoot, beat.root)
  const cursor = ack?.incarnation === theirs ? ack?.seq : undefined
  const ahead = (pull?.after ?? 0) - (cursor ?? 0)
  const standing: Standing = {
    lives:
      manner.inFull || theirs === undefined
        ? { own, ...(theirs === undefined ? {} : { yours: theirs }) }
        : { tag: tagOf(own, theirs) },
    seq: beat.seq,
    root: isSame ? 'same' : beat.root,
    ...(cursor === undefined ? {} : { ack: cursor }),
    ...(pull === undefined ? {} : { pull: pull.full ? 'full' : 'brief' }),
    ...(pull !== undefined && ahead > 0 ? { ahead } : {}),
    // An answer proves by itself that the question was heard.
    heardMs: manner.requestRoot === undefined || manner.inFull ? beat.heardMs : {},
    ...(manner.inFull ? { details: { count: beat.count, wall: beat.wall } } : {}),
  }
  return { ...withMarks, standing }
}

/** What could be made of a message. */
export interface Spelled {
  readonly message: Message
  /** Positions were told, and it is not clear whose: to be asked for in full. */
  readonly isForeign: boolean
}

/**
 * A message of any version with everything that its sender left out.
 * @param last what the sender last told of itself: stands in for details that it did not repeat
 * @param sentRoot root of our request, if this answers one
 */
export function spellOut(
  message: Message,
  who: Acquaintance,
  last: Pick<Beat, 'count' | 'wall'> | undefined,
  sentRoot?: Uint8Array,
): Spelled {
  if (message.version !== 2) return { message, isForeign: false }
  const { version: _, standing, ackMarks, rows, ...rest } = message
  const acks = ackMarks?.filter(
    ({ node, incarnation }) => equalBytes(markOf(who.self), node) && equalBytes(markOf(who.own), incarnation),
  )
  const ownAcks = acks?.map(({ seq }): Ack => ({ node: who.self, incarnation: who.own, seq }))
  const plain = { ...rest, ...(ownAcks === undefined ? {} : { acks: ownAcks }) }
  if (standing === undefined) return { message: plain, isForeign: false }
  const incarnation = lifeOf(standing, who)
  const root = standing.root === 'same' ? sentRoot : standing.root
  if (incarnation === undefined || root === undefined)
    return { message: { ...plain, ...looseEntries(message) }, isForeign: true }
  const { seq, ack, pull, ahead = 0, heardMs, lives, details = last ?? { count: 0, wall: 0 } } = standing
  const isOurs = 'tag' in lives || lives.yours === who.own
  const cursor: Cursor | undefined =
    ack === undefined || !isOurs ? undefined : { incarnation: who.own, seq: ack }
  return {
    isForeign: false,
    message: {
      ...plain,
      beat: { incarnation, seq, root, count: details.count, wall: details.wall, heardMs },
      ...(cursor === undefined ? {} : { ack: cursor }),
      ...(pull === undefined || !isOurs
        ? {}
        : { pull: { incarnation: who.own, after: (ack ?? 0) + ahead, full: pull === 'full' } }),
      ...(rows === undefined ? {} : { rows: { ...rows, incarnation } }),
    },
  }
}

function lifeOf({ lives }: Standing, { own, theirs }: Acquaintance): Incarnation | undefined {
  if (!('tag' in lives)) return lives.own
  return theirs !== undefined && equalBytes(lives.tag, tagOf(own, theirs)) ? theirs : undefined
}

/** Entries of rows whose place in a journal is not known are still entries. */
function looseEntries({ rows, entries = [] }: Message): Pick<Message, 'entries'> {
  return rows === undefined && entries.length === 0 ? {} : { entries: [...entries, ...(rows?.entries ?? [])] }
}

/** One tag for both directions: exclusive or of the last bytes of both incarnations. */
function tagOf(one: Incarnation, other: Incarnation): Uint8Array {
  const [a, b] = [markOf(one), markOf(other)]
  return a.map((byte, at) => byte ^ (b[at] as number))
}

/** The last bytes of an id. */
function markOf(id: string): Uint8Array {
  return fromHex(id.slice(-2 * markBytes)) as Uint8Array
}

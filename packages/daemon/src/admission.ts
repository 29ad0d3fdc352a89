/**
 * Admission: what comes from outside is decoded, and signatures are checked, before the engine hears of it.
 *
 * Only entries that would change something are verified: most of what arrives is known already, and a
 * verification costs a hundred times as much as looking that up.
 */
import {
  admit,
  decodeMessage,
  entrySignature,
  isMalformed,
  LatticeError,
  parseEntry,
  vouchedHorizon,
  type Delivery,
  type Entry,
  type Hash,
  type Malformed,
  type Message,
  type NodeId,
  type VerifiedEntry,
  type Verifier,
  type Version,
} from '@lattice/core'
import { RepeatedLines, type LinesParts } from './repeated-lines.ts'

/**
 * Frames of one peer that are verified at once, of those that nobody here asked for: announces come forty in
 * a burst, requests by twos and threes. A frame is taken at the speed of the network, and its signatures
 * may take a hundred milliseconds, also where all of them are forged: what waits must not grow without end.
 */
const waitingMax = { announce: 64, request: 32 }

/** What admission works with. */
export interface AdmissionParts extends LinesParts {
  readonly hash: Hash
  readonly verifier: Verifier
  /** Whether entries of this author are accepted at all. */
  readonly knows: (author: NodeId) => boolean
  /** Whether an entry would change the state, told by a node with this settled horizon. */
  readonly isNews: (entry: Entry, settled?: Version) => boolean
}

/** Lets in what is well-formed, by a member, new and truly signed. */
export class Admission {
  readonly #parts: AdmissionParts
  readonly #lines: RepeatedLines
  /** Frames that are being verified, by kind and peer. */
  readonly #waiting = new Map<string, number>()

  constructor(parts: AdmissionParts) {
    this.#parts = parts
    this.#lines = new RepeatedLines(parts)
  }

  /** Writes what it still has to say. */
  stop(): void {
    this.#lines.stop()
  }

  /**
   * Reads and verifies an announce. Undefined where it is malformed, or one too many: what it says comes with
   * the next exchange.
   */
  announced(frame: Uint8Array, peer: NodeId): Promise<Delivery> | undefined {
    if (!this.#hasRoom('announce', peer)) return undefined
    const message = this.#decode(frame, peer)
    return isMalformed(message) ? undefined : this.#admitUnasked('announce', message, peer)
  }

  /** Reads and verifies a request. @throws LatticeError OVERLOADED */
  async requested(frame: Uint8Array, peer: NodeId): Promise<Delivery | Malformed> {
    if (!this.#hasRoom('request', peer)) throw new LatticeError('OVERLOADED')
    const message = this.#decode(frame, peer)
    return isMalformed(message) ? message : this.#admitUnasked('request', message, peer)
  }

  #hasRoom(kind: keyof typeof waitingMax, peer: NodeId): boolean {
    return (this.#waiting.get(kind + peer) ?? 0) < waitingMax[kind]
  }

  async #admitUnasked(kind: keyof typeof waitingMax, message: Message, peer: NodeId): Promise<Delivery> {
    const count = (by: 1 | -1): unknown =>
      this.#waiting.set(kind + peer, (this.#waiting.get(kind + peer) ?? 0) + by)
    count(1)
    try {
      return await this.admit(message, peer)
    } finally {
      count(-1)
    }
  }

  #decode(frame: Uint8Array, peer: NodeId): Message | Malformed {
    const message = decodeMessage(frame, peer)
    if (isMalformed(message))
      this.#lines.warn('a malformed frame was dropped', { peer, reason: message.malformed })
    return message
  }

  /** Those of these signed bytes that are entries of members, news and truly signed. */
  async verify(signed: readonly Uint8Array[]): Promise<readonly VerifiedEntry[]> {
    const { hash, knows } = this.#parts
    const parsed = signed.map(bytes => parseEntry(bytes, hash)).filter(entry => entry !== undefined)
    const { entries } = await this.#verifyNews(parsed.filter(entry => knows(entry.author)))
    return entries
  }

  /** Parses the entries of a message and verifies those of members that are news. The others are dropped. */
  async admit(message: Message, peer: NodeId): Promise<Delivery> {
    const { hash, knows, isNews } = this.#parts
    const settled = vouchedHorizon(message.horizon)
    const bytes = [...(message.rows?.entries ?? []), ...(message.entries ?? [])]
    const parsed = bytes.map(each => parseEntry(each, hash)).filter(entry => entry !== undefined)
    const [known, strange] = divide(parsed, entry => knows(entry.author))
    const { entries, forged } = await this.#verifyNews(known, settled)
    const malformed = bytes.length - parsed.length
    const counts = { strangers: strange.length, malformed, forged: forged.length }
    if (strange.length + malformed + forged.length > 0)
      this.#lines.warn('entries refused', { peer, ...counts })
    const missed = strange.filter(entry => isNews(entry, settled))
    const version = malformed > 0 ? 0n : leastVersion([...missed, ...forged])
    const authors = new Set(missed.map(({ author }) => author))
    return { message, entries, refused: version === undefined ? undefined : { version, authors } }
  }

  async #verifyNews(
    entries: readonly Entry[],
    settled?: Version,
  ): Promise<{ entries: readonly VerifiedEntry[]; forged: readonly Entry[] }> {
    const { isNews, verifier } = this.#parts
    const news = entries.filter(entry => isNews(entry, settled))
    if (news.length === 0) return { entries: [], forged: [] }
    const verdicts = await verifier.verify(news.map(entrySignature))
    const [good, forged] = divide(news, (_, index) => verdicts[index] === true)
    return { entries: good.map(admit), forged }
  }
}

function divide<T>(all: readonly T[], belongs: (one: T, at: number) => boolean): [those: T[], others: T[]] {
  const { those = [], others = [] } = Object.groupBy(all, (one, at) =>
    belongs(one, at) ? 'those' : 'others',
  )
  return [those, others]
}

function leastVersion(entries: readonly Entry[]): Version | undefined {
  const versions = entries.map(({ version }) => version)
  return versions.length === 0 ? undefined : versions.reduce((a, b) => (a < b ? a : b))
}

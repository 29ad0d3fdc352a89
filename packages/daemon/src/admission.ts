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

/** What admission works with. */
export interface AdmissionParts {
  readonly hash: Hash
  readonly verifier: Verifier
  /** Whether entries of this author are accepted at all. */
  readonly knows: (author: NodeId) => boolean
  /** Whether an entry would change the state, told by a node with this settled horizon. */
  readonly isNews: (entry: Entry, settled?: Version) => boolean
  readonly log: (level: 'warn', message: string, fields: Readonly<Record<string, unknown>>) => void
}

/** Lets in what is well-formed, by a member, new and truly signed. */
export class Admission {
  readonly #parts: AdmissionParts

  constructor(parts: AdmissionParts) {
    this.#parts = parts
  }

  /** Reads a frame of `peer`. */
  decode(frame: Uint8Array, peer: NodeId): Message | Malformed {
    const message = decodeMessage(frame, peer)
    if (isMalformed(message)) {
      this.#parts.log('warn', 'a malformed frame was dropped', { peer, reason: message.malformed })
    }
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
    const { hash, knows, log } = this.#parts
    const bytes = [...(message.rows?.entries ?? []), ...(message.entries ?? [])]
    const parsed = bytes.map(each => parseEntry(each, hash)).filter(entry => entry !== undefined)
    const known = parsed.filter(entry => knows(entry.author))
    const { entries, forged } = await this.#verifyNews(known, vouchedHorizon(message.horizon))
    const malformed = bytes.length - parsed.length
    const strangers = parsed.length - known.length
    if (strangers + malformed + forged > 0) {
      log('warn', 'entries refused', { peer, strangers, malformed, forged })
    }
    return { message, entries }
  }

  /**
   * Verifies what is news until nothing is: a commit that was to bring an entry may have been refused while
   * the others were being verified, and a cursor must not pass it for that.
   */
  async #verifyNews(
    entries: readonly Entry[],
    settled?: Version,
  ): Promise<{ entries: readonly VerifiedEntry[]; forged: number }> {
    const { isNews, verifier } = this.#parts
    const verified: VerifiedEntry[] = []
    let [rest, forged] = [entries, 0]
    for (;;) {
      const isNew = rest.map(entry => isNews(entry, settled))
      const news = rest.filter((_, index) => isNew[index])
      if (news.length === 0) return { entries: verified, forged }
      const verdicts = await verifier.verify(news.map(entrySignature))
      const good = news.filter((_, index) => verdicts[index] === true)
      verified.push(...good.map(admit))
      forged += news.length - good.length
      rest = rest.filter((_, index) => isNew[index] !== true)
    }
  }
}

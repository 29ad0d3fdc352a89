/**
 * Makes every signed request count once, across restarts, lost disks and clock jumps too (reliability X13,
 * T10).
 *
 * Every life of a server has a random name, and callers put it into their nonces. So nothing signed for an
 * earlier life is accepted in this one, without anything on disk: a node that loses its disk with every
 * restart is as safe as one that keeps it, and a clock set back opens no window. Within a life, requests are
 * judged on a time scale that starts at the wall clock and then runs with the monotonic one, so it never
 * repeats a moment. Who does not know the name or the time is told both in a challenge, and goes on.
 */
import type { Clock, NodeId } from '@lattice/core'
import { windowS } from './signatures.ts'

const windowMs = windowS * 1000

/** How long a nonce is remembered: a request stamped `windowMs` ahead lives until 2 × `windowMs` from now. */
const nonceLifeMs = 2 * windowMs

/**
 * Nonces kept per node: 68 requests per second for two minutes, at some 100 bytes each. Beyond that see
 * `admit`.
 */
const noncesPerNodeMax = 8192

/** Open challenges per node: more than the requests one node has in flight at once; the oldest goes first. */
const challengesPerNodeMax = 64

/** Begins the nonces a server gives out. The name of a life is longer than this. */
const challengePrefix = 'c:'

/** Random bytes in the name of a life: two lives of one server never share it (1 : 2^48 per restart). */
export const lifeBytes = 6

/** The nonce a caller draws for a server: `life` if it has been told, and random base64url. */
export function nonceFor(life: string | undefined, token: string): string {
  return life === undefined ? token : `${life}:${token}`
}

/**
 * fresh: never seen, now remembered. replayed: seen before. stale: outside life or window, a challenge is
 * due.
 */
export type Verdict = 'fresh' | 'replayed' | 'stale'

interface Seen {
  /** Nonce → when it may be forgotten; in the order of arrival, which is the order of expiry. */
  readonly nonces: Map<string, number>
  /** Greatest stamp among `nonces`, in ms. */
  newestMs: number
  /** Nothing stamped up to here is accepted any more. */
  floorMs: number
}

/** Remembers what was accepted. One per server and life of the process. */
export class ReplayCache {
  /** The name of this life, as random base64url. */
  readonly life: string
  readonly #clock: Clock
  /** The server's time scale minus `mono`. */
  readonly #offsetMs: number
  readonly #seen = new Map<NodeId, Seen>()
  readonly #challenges = new Map<NodeId, Map<string, number>>()

  constructor(clock: Clock, life: string) {
    this.life = life
    this.#clock = clock
    const { mono, wall } = clock.now()
    this.#offsetMs = wall - mono
  }

  /** The server's own time, in Unix milliseconds: what callers are told to stamp their requests with. */
  nowMs(): number {
    return this.#offsetMs + this.#clock.now().mono
  }

  /**
   * Judges a request whose signature has been verified.
   *
   * A node that fills its share of memory loses its nonces and in exchange everything stamped up to the
   * newest of them: it pays with a challenge, never with a replay.
   */
  admit(nodeId: NodeId, nonce: string, createdS: number, expiresS: number): Verdict {
    if (expiresS <= createdS || expiresS - createdS > windowS) return 'stale'
    if (nonce.startsWith(challengePrefix)) return this.#redeem(nodeId, nonce) ? 'fresh' : 'stale'
    if (!nonce.startsWith(`${this.life}:`)) return 'stale'
    const now = this.nowMs()
    const stampMs = createdS * 1000
    const seen = this.#seenOf(nodeId)
    for (const [old, untilMs] of seen.nonces) {
      if (untilMs >= now) break
      seen.nonces.delete(old)
    }
    if (seen.nonces.has(nonce)) return 'replayed'
    if (stampMs > now + windowMs || expiresS * 1000 < now) return 'stale'
    if (seen.nonces.size >= noncesPerNodeMax) {
      seen.nonces.clear()
      seen.floorMs = seen.newestMs
    }
    if (stampMs <= seen.floorMs) return 'stale'
    seen.nonces.set(nonce, now + nonceLifeMs)
    seen.newestMs = Math.max(seen.newestMs, stampMs)
    return 'fresh'
  }

  /**
   * The nonce `nodeId` may sign with once within the window, whatever its clock says. `token` is random
   * base64url.
   *
   * It opens no second way in: a nonce of this form is accepted while its challenge is open, and never
   * otherwise.
   */
  challenge(nodeId: NodeId, token: string): string {
    const open = this.#challenges.get(nodeId) ?? new Map<string, number>()
    this.#challenges.set(nodeId, open)
    for (const oldest of open.keys()) {
      if (open.size < challengesPerNodeMax) break
      open.delete(oldest)
    }
    const nonce = challengePrefix + token
    open.set(nonce, this.nowMs() + windowMs)
    return nonce
  }

  #redeem(nodeId: NodeId, nonce: string): boolean {
    const open = this.#challenges.get(nodeId)
    const untilMs = open?.get(nonce)
    open?.delete(nonce)
    return untilMs !== undefined && untilMs >= this.nowMs()
  }

  #seenOf(nodeId: NodeId): Seen {
    const known = this.#seen.get(nodeId)
    if (known !== undefined) return known
    const seen: Seen = { nonces: new Map(), newestMs: 0, floorMs: 0 }
    this.#seen.set(nodeId, seen)
    return seen
  }
}

/** How patient a node is with a path that fails: jitter, a cap, the circuit breaker, what hosts ask for. */
import type { ErrorCode } from './errors.ts'
import { circuitFailures, circuitPauseMs, retryAfterMaxMs } from './params.ts'
import type { Link } from './peers.ts'
import type { PathKind } from './units.ts'

/** When and how long to wait before the next try. */
export interface Pace {
  readonly now: number
  /** Random in [0, 1): jitter. */
  readonly unit: number
  readonly capMs: number
  /** What the other side asked for. */
  readonly retryAfterMs: number
  /** The host says that the peer sleeps: no exponential haste then. */
  readonly asleep?: boolean
}

/** What a failure says of itself. */
export interface LinkFailure {
  readonly code?: ErrorCode
  readonly retryAfterMs?: number
}

/** Longest wait for the answer of an exchange, per path: a frame of a hundred kilobytes over a slow link. */
const answerWithinMs: Readonly<Record<PathKind, number>> = { p2p: 5_000, http: 10_000 }

/** A full frame needs 13 kB/s then over P2P, and 7 over HTTP; who is silent is not waited for any longer. */
const slownessMax = 2

/** How long to wait for an answer; `isWork`: to an exchange, which may carry a full frame, not to a greeting. */
export function patienceMs({ path, slowness }: Link, isWork: boolean): number {
  return answerWithinMs[path] * 2 ** (isWork ? slowness : 0)
}

/** An exchange ran out of time: the same frame would do so again on a link that is slow. */
export function noteTimeout(link: Link): void {
  link.slowness = Math.min(slownessMax, link.slowness + 1)
}

/** An exchange was answered within `tookMs`; half the time would have done for one that took less. */
export function noteDuration(link: Link, tookMs: number): void {
  if (2 * tookMs < patienceMs(link, true)) link.slowness = Math.max(0, link.slowness - 1)
}

/** When and how long to wait after a failure of `link`. @param when `unit` is random in [0, 1) */
export function paceOf(
  link: Link,
  { code, retryAfterMs = 0 }: LinkFailure,
  { now, unit, redialMaxMs }: { now: number; unit: number; redialMaxMs: number },
): Pace {
  const isOpen = link.path === 'http' && link.failures >= circuitFailures
  return {
    now,
    unit,
    capMs: isOpen ? Math.max(circuitPauseMs, redialMaxMs) : redialMaxMs,
    retryAfterMs: Math.min(retryAfterMs, retryAfterMaxMs),
    asleep: code === 'PEER_ASLEEP',
  }
}

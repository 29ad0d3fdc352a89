/** How patient a node is with a path that fails: jitter, a cap, the circuit breaker, what hosts ask for. */
import type { ErrorCode } from './errors.ts'
import { circuitFailures, circuitPauseMs, retryAfterMaxMs } from './params.ts'
import type { Link } from './peers.ts'

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

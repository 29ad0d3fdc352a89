/** The tunables of the engine, in milliseconds. Defaults and reasons: reliability parameters, contract §2. */
export interface EngineParams {
  readonly p2pEnabled: boolean
  readonly heartbeatMs: number
  /** No live P2P peer for this long ⇒ HTTP is declared. */
  readonly peerlessTimeoutMs: number
  /** Cadence of polls where the long poll does not hold. */
  readonly pollIntervalMs: number
  /** How long P2P must hold before AUTO returns to it. */
  readonly stableAfterMs: number
  /** A commit not acknowledged for this long is sent over HTTP too. */
  readonly hedgeAfterMs: number
  readonly holdDownMs: number
  readonly holdDownMaxMs: number
  /** More changes of the sync mode than this within the window ⇒ stay on HTTP. */
  readonly flapLimit: number
  readonly flapWindowMs: number
  readonly redialMaxMs: number
  /** Deletes are remembered at least this long, however soon all members know of them. */
  readonly tombstoneRetentionMs: number
}

/** Defaults of the contract. */
export const defaultParams: EngineParams = {
  p2pEnabled: true,
  heartbeatMs: 5_000,
  peerlessTimeoutMs: 60_000,
  pollIntervalMs: 10_000,
  stableAfterMs: 15_000,
  hedgeAfterMs: 1_000,
  holdDownMs: 10_000,
  holdDownMaxMs: 300_000,
  flapLimit: 6,
  flapWindowMs: 600_000,
  redialMaxMs: 10_000,
  tombstoneRetentionMs: 30 * 86_400_000,
}

/**
 * Missed heartbeats after which a link is suspected, with the jitter of ± 20 % and a margin: 2.5 intervals.
 */
export function silenceMaxMs(params: EngineParams): number {
  return 2.5 * effectiveHeartbeatMs(params)
}

/** The heartbeat interval used: three fit into the peerless timeout, however it is set. */
export function effectiveHeartbeatMs(params: EngineParams): number {
  return Math.min(params.heartbeatMs, params.peerlessTimeoutMs / 3)
}

/** How long a long poll may hold: shorter than the idle time-out of common proxies (60 s, some 30 s). */
export const longPollMs = 25_000

/**
 * A poll that is answered at once, and without news, or a question in vain, is followed by the next after
 * this: who always has a word sets no pace.
 */
export const pollEveryMs = 50

/** Proof over HTTP is fresh for one held poll and a margin for its answer. */
export const httpSilenceMaxMs = longPollMs + 10_000

/**
 * The same for being heard: a held poll proves that the peer heard its question, one hold ago, and goes on
 * being the newest proof until the next one is answered.
 */
export const httpUnheardMaxMs = 2 * longPollMs + 10_000

/** Acks of applied rows are announced at most this often (reliability §2). */
export const ackIntervalMs = 200

/** Interval of the probes of a TRIAL (reliability §2). */
export const trialProbeMs = 2_000

/** Good probes in a row that a TRIAL takes (reliability §2). */
export const trialProbesNeeded = 5

/**
 * First words on a new P2P connection, of which both ends learn in the same instant: the lesser node id
 * speaks at once if it has something to tell, the other one frame later; who has nothing leaves them the
 * word.
 */
export const firstWordMs = { second: 100, greeting: 200 } as const

/** A peer that has not been asked who it is gets its next greeting after this: people want to see names. */
export const introduceMs = 1_000

/** Patience of the node that does not lead: several round trips, and short enough for a hedged write. */
export const followPauseMs = 400

/**
 * The same for a node that does better to pull most of our state: a frame takes two seconds at one megabit a
 * second, a verification on busy cores as long, and all that we could send is what it is about to ask for.
 */
export const fillPauseMs = 5_000

/** How often HTTP is tried while P2P carries: keeps the status honest at about 25 B/s. */
export const httpIdleProbeMs = 60_000

/**
 * A gap of this size between the alarm and its delivery means that we were paused, not the others
 * (Lifeguard).
 */
export const ownPauseMs = 2_000

/**
 * A jump of the wall clock against the monotonic one after which libp2p must be restarted (reliability §1.3).
 */
export const clockJumpMs = 5_000

/**
 * Roots that have not been equal for this long while in touch are descended into, also while writes keep both
 * sides moving.
 */
export const antiEntropyMs = 600_000

/** Failures in a row after which HTTP to a peer is tried more rarely: the circuit breaker opens. */
export const circuitFailures = 5

/** Longest pause between tries while the circuit is open. */
export const circuitPauseMs = 30_000

/** A peer whose host says that it sleeps is asked this often: waking takes 30 s and more (reliability H1). */
export const asleepPauseMs = { least: 30_000, jitter: 3_000 }

/** A host's Retry-After is obeyed up to here: an hour's mistake must not cost an hour. */
export const retryAfterMaxMs = 300_000

/** A peer that was silent on all paths for this long and speaks again is dialled at once on all of them. */
export const revivalMs = 10_000

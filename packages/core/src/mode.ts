/**
 * The sync-mode state machine: which path a node prefers. One total function of state and facts; no I/O, no
 * clock.
 *
 * The mode never decides whether data arrives, only whom to ask first (architecture, "the idea"). Hold-down
 * and flap latch follow Envoy's outlier ejection: each return that fails again makes the next one wait
 * longer.
 */
import type { EngineParams } from './params.ts'
import type { Phase, RequestedMode } from './status.ts'
import type { PathKind } from './units.ts'

/** Where the machine stands, and what we then believe. Times are `mono` milliseconds. */
export type ModeState =
  /** Nothing answers: just started, or isolated. Local reads and writes go on. */
  | { readonly phase: 'NONE'; readonly since: number }
  /** P2P carries. */
  | { readonly phase: 'P2P'; readonly since: number }
  /** P2P has fallen silent, but not for long: each peer is already backed up over HTTP. */
  | { readonly phase: 'GRACE'; readonly since: number }
  /** HTTP carries; P2P is not trusted before `holdUntil`. */
  | { readonly phase: 'HTTP'; readonly since: number; readonly holdUntil: number }
  /** HTTP carries while P2P proves itself. */
  | { readonly phase: 'TRIAL'; readonly since: number }
  /** The operator has spoken; until `until`, or for ever. */
  | {
      readonly phase: 'FORCED'
      readonly since: number
      readonly path: PathKind
      readonly until: number | undefined
    }

/** The machine with its memory of past changes. */
export interface Mode {
  readonly state: ModeState
  /** When the preferred path changed between P2P and HTTP, within the flap window. */
  readonly changes: readonly number[]
  /** When a return to P2P, or a trial, failed again, within the flap window. */
  readonly failedReturns: readonly number[]
  readonly lastReturn: number | undefined
  /** The path preferred now, or before nothing answered any more. */
  readonly lastPath: PathKind | undefined
}

/** What the watchdog sees. */
export interface Facts {
  /** P2P is enabled and has started. */
  readonly p2pUsable: boolean
  /** At least one peer has proven itself over P2P just now. */
  readonly p2pAlive: boolean
  /** When P2P last was alive; the start of the node if never. */
  readonly p2pLastAlive: number
  readonly httpAlive: boolean
  /** HTTP has answered since P2P fell silent: what it proved before says nothing of now. */
  readonly httpFresh: boolean
  /** P2P has passed the trial that began with the current state. */
  readonly trialPassed: boolean
}

/** A step that was taken, and why, as a sentence. */
export interface ModeStep {
  readonly mode: Mode
  readonly reason: string
}

/** The machine at start: nothing is proven yet. */
export function initialMode(now: number): Mode {
  const state: ModeState = { phase: 'NONE', since: now }
  return { state, changes: [], failedReturns: [], lastReturn: undefined, lastPath: undefined }
}

/**
 * The step that the facts demand at `now`; undefined to stay. Total: every state has an answer to any facts.
 */
export function stepMode(mode: Mode, facts: Facts, now: number, params: EngineParams): ModeStep | undefined {
  const { state } = mode
  switch (state.phase) {
    case 'NONE':
      return stepNone(mode, facts, now, params)
    case 'P2P':
      if (!facts.p2pUsable) return leaveP2p(mode, facts, now, params, 'P2P is not available')
      return facts.p2pAlive
        ? undefined
        : enter(mode, { phase: 'GRACE', since: now }, 'no P2P peer answers', params)
    case 'GRACE':
      if (!facts.p2pUsable) return leaveP2p(mode, facts, now, params, 'P2P is not available')
      if (facts.p2pAlive) return enter(mode, { phase: 'P2P', since: now }, 'a P2P peer answers again', params)
      if (now < facts.p2pLastAlive + params.peerlessTimeoutMs) return undefined
      // Its probe is under way: the answer leads to HTTP, its absence to NONE.
      if (facts.httpAlive && !facts.httpFresh) return undefined
      return leaveP2p(mode, facts, now, params, peerlessReason(params))
    case 'HTTP':
      return stepHttp(mode, state, facts, now, params)
    case 'TRIAL':
      return stepTrial(mode, facts, now, params)
    case 'FORCED':
      if (state.until === undefined || now < state.until) return undefined
      return {
        mode: releaseMode(mode, facts, now, params).mode,
        reason: 'the time set by the operator is over',
      }
  }
}

/** The operator forces a path, until `until` or for ever. */
export function forceMode(mode: Mode, path: PathKind, until: number | undefined, now: number): Mode {
  return { ...mode, state: { phase: 'FORCED', since: now, path, until }, lastPath: path }
}

/** The operator gives the choice back: to whatever is alive now. */
export function releaseMode(mode: Mode, facts: Facts, now: number, params: EngineParams): ModeStep {
  const reason = 'the operator asked for auto'
  if (facts.p2pUsable && facts.p2pAlive) return enter(mode, { phase: 'P2P', since: now }, reason, params)
  if (facts.httpAlive) return enter(mode, httpState(mode, now, params), reason, params)
  return enter(mode, { phase: 'NONE', since: now }, reason, params)
}

/** The next instant at which time alone may move the machine; undefined if only facts can. */
export function modeWakeAt(mode: Mode, facts: Facts, params: EngineParams): number | undefined {
  const { state } = mode
  switch (state.phase) {
    case 'NONE':
    case 'GRACE':
      return facts.p2pLastAlive + params.peerlessTimeoutMs
    case 'HTTP':
      if (!facts.p2pAlive) return undefined
      return Math.max(facts.httpAlive ? state.holdUntil : 0, latchedUntil(mode, params))
    case 'TRIAL':
      return state.since + params.stableAfterMs
    case 'FORCED':
      return state.until
    case 'P2P':
      return undefined
  }
}

/** The path a phase sends and asks over first; undefined where nothing is proven. */
export function preferredPath(state: ModeState): PathKind | undefined {
  switch (state.phase) {
    case 'P2P':
    case 'GRACE':
      return 'p2p'
    case 'HTTP':
    case 'TRIAL':
      return 'http'
    case 'FORCED':
      return state.path
    case 'NONE':
      return undefined
  }
}

/** What the operator has asked for. */
export function requestedMode(state: ModeState): RequestedMode {
  return state.phase === 'FORCED' ? state.path : 'auto'
}

/** Every phase, for documentation and model checks. */
export const phases: readonly Phase[] = ['NONE', 'P2P', 'GRACE', 'HTTP', 'TRIAL', 'FORCED']

function stepNone(mode: Mode, facts: Facts, now: number, params: EngineParams): ModeStep | undefined {
  const p2pAlive = facts.p2pUsable && facts.p2pAlive
  if (p2pAlive && facts.httpAlive && now < latchedUntil(mode, params))
    return enter(mode, httpState(mode, now, params), 'HTTP answers; P2P has come and gone too often', params)
  if (p2pAlive) return enter(mode, { phase: 'P2P', since: now }, 'a P2P peer answers', params)
  if (!facts.httpAlive) return undefined
  if (!facts.p2pUsable)
    return enter(mode, httpState(mode, now, params), 'HTTP answers and P2P is not available', params)
  if (now < facts.p2pLastAlive + params.peerlessTimeoutMs) return undefined
  return enter(mode, httpState(mode, now, params), `HTTP answers; ${peerlessReason(params)}`, params)
}

function stepHttp(
  mode: Mode,
  state: ModeState & { phase: 'HTTP' },
  facts: Facts,
  now: number,
  params: EngineParams,
): ModeStep | undefined {
  const p2pAlive = facts.p2pUsable && facts.p2pAlive
  if (!p2pAlive && facts.httpAlive) return undefined
  if (!p2pAlive) return enter(mode, { phase: 'NONE', since: now }, 'neither HTTP nor P2P answers', params)
  if (now < latchedUntil(mode, params)) return undefined
  if (!facts.httpAlive) {
    const back: ModeState = { phase: 'P2P', since: now }
    return { mode: returned(mode, back, params), reason: 'HTTP fails and a P2P peer answers' }
  }
  if (now < state.holdUntil) return undefined
  return enter(mode, { phase: 'TRIAL', since: now }, 'a P2P peer answers: P2P has to prove itself', params)
}

function stepTrial(mode: Mode, facts: Facts, now: number, params: EngineParams): ModeStep | undefined {
  if (!facts.p2pAlive || !facts.p2pUsable) {
    const failed = { ...mode, failedReturns: recent([...mode.failedReturns, now], now, params.flapWindowMs) }
    return enter(failed, httpState(failed, now, params), 'P2P failed its trial', params)
  }
  const back: ModeState = { phase: 'P2P', since: now }
  if (!facts.httpAlive)
    return { mode: returned(mode, back, params), reason: 'HTTP fails and a P2P peer answers' }
  if (!facts.trialPassed) return undefined
  return { mode: returned(mode, back, params), reason: 'P2P has proved itself' }
}

function leaveP2p(mode: Mode, facts: Facts, now: number, params: EngineParams, reason: string): ModeStep {
  if (!facts.httpAlive) {
    return enter(mode, { phase: 'NONE', since: now }, `${reason}, and HTTP does not answer either`, params)
  }
  const { lastReturn } = mode
  const again = lastReturn !== undefined && now - lastReturn <= params.flapWindowMs
  const failedReturns = again ? [...mode.failedReturns, now] : mode.failedReturns
  const next = { ...mode, failedReturns: recent(failedReturns, now, params.flapWindowMs) }
  return enter(next, httpState(next, now, params), reason, params)
}

function returned(mode: Mode, state: ModeState, params: EngineParams): Mode {
  return { ...moved(mode, state, params), lastReturn: state.since }
}

function enter(mode: Mode, state: ModeState, reason: string, params: EngineParams): ModeStep {
  return { mode: moved(mode, state, params), reason }
}

/** Counts changes of the path, also by way of NONE. What the operator does is no flapping. */
function moved(mode: Mode, state: ModeState, { flapWindowMs }: EngineParams): Mode {
  const lastPath = preferredPath(state) ?? mode.lastPath
  const changed = mode.state.phase !== 'FORCED' && mode.lastPath !== undefined && lastPath !== mode.lastPath
  const changes = changed ? recent([...mode.changes, state.since], state.since, flapWindowMs) : mode.changes
  return { ...mode, state, lastPath, changes }
}

function httpState(mode: Mode, now: number, params: EngineParams): ModeState {
  const factor = 1 + recent(mode.failedReturns, now, params.flapWindowMs).length
  return {
    phase: 'HTTP',
    since: now,
    holdUntil: now + Math.min(params.holdDownMaxMs, params.holdDownMs * factor),
  }
}

/** Returning and failing again are two more changes: they must still fit the limit within the window. */
function latchedUntil(mode: Mode, params: EngineParams): number {
  const { changes } = mode
  const blocking = Math.min(changes.length, changes.length - (params.flapLimit - 2))
  return blocking <= 0 ? Number.NEGATIVE_INFINITY : (changes[blocking - 1] as number) + params.flapWindowMs
}

function recent(times: readonly number[], now: number, windowMs: number): readonly number[] {
  return times.filter(time => now - time <= windowMs)
}

function peerlessReason(params: EngineParams): string {
  return `no P2P peer has answered for ${params.peerlessTimeoutMs / 1000} s`
}

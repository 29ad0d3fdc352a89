/**
 * Runs the sync-mode machine: gathers its facts, keeps its history, and remembers the operator's word over a
 * restart.
 */
import { fromUtf8, toUtf8 } from './bytes.ts'
import type { Effect, Event } from './events.ts'
import type { Cursor } from './journal.ts'
import {
  forceMode,
  initialMode,
  modeWakeAt,
  preferredPath,
  releaseMode,
  requestedMode,
  stepMode,
  type Facts,
  type Mode,
  type ModeState,
} from './mode.ts'
import type { EngineParams } from './params.ts'
import type { Peer } from './peers.ts'
import type { Store } from './ports.ts'
import type { RequestedMode, Transition, Trigger } from './status.ts'
import { StartRetry } from './start-retry.ts'
import type { Standing } from './sync-plan.ts'
import type { Instant, PathKind } from './units.ts'
import { factsOf } from './watchdog.ts'

/** Transitions kept for the operator. */
const historyMax = 1_000

/** Steps the machine may take on one event: through every phase once, at most. */
const stepsMax = 6

/** The sync mode of a node, with its history. */
export class ModeKeeper {
  /** Name of the fact that holds the operator's word. */
  readonly factName = 'mode'
  readonly #params: EngineParams
  readonly #transitions: Transition[] = []
  #mode: Mode
  #epoch = 0
  #sinceWall: number
  #reason = 'the node has just started'
  /** End of a forced mode, as wall time. */
  #untilWall: number | undefined
  #hasRunOut = false
  #started: Record<PathKind, boolean> = { p2p: false, http: false }
  #p2pFailed: boolean
  readonly #p2pRetry = new StartRetry()
  #p2pLastAlive: number
  #trialMark: Cursor | undefined
  /** As the last step saw them. */
  #seen: Facts | undefined
  #pending: Effect[] = []

  constructor(params: EngineParams, store: Store, at: Instant) {
    this.#params = params
    this.#p2pFailed = !params.p2pEnabled
    this.#p2pLastAlive = at.mono
    this.#sinceWall = at.wall
    this.#mode = initialMode(at.mono)
    const word = readWord(store.fact(this.factName))
    const over = word?.untilWall !== undefined && word.untilWall <= at.wall
    if (word === undefined || over || (word.mode === 'p2p' && !params.p2pEnabled)) return
    const until = word.untilWall === undefined ? undefined : at.mono + word.untilWall - at.wall
    this.#untilWall = word.untilWall
    this.#enter(forceMode(this.#mode, word.mode, until, at.mono), word.reason, 'startup', at)
  }

  get state(): ModeState {
    return this.#mode.state
  }

  get requested(): RequestedMode {
    return requestedMode(this.#mode.state)
  }

  /** Oldest first. */
  get transitions(): readonly Transition[] {
    return this.#transitions
  }

  get epoch(): number {
    return this.#epoch
  }

  get sinceWall(): number {
    return this.#sinceWall
  }

  get reason(): string {
    return this.#reason
  }

  /** Whether the transport of a path runs: only then are peers dialled over it. */
  started(path: PathKind): boolean {
    return this.#started[path]
  }

  /** Whether commits are announced over P2P: in every phase that prefers P2P, or nothing yet. */
  get announces(): boolean {
    return this.#started.p2p && preferredPath(this.#mode.state) !== 'http'
  }

  /** Takes note that a transport has started, or cannot. */
  transport({ path, started }: Event & { type: 'transport' }, at: Instant): void {
    this.#started = { ...this.#started, [path]: started }
    if (path !== 'p2p') return
    this.#p2pFailed = !started
    this.#p2pRetry.note(started, at.mono)
  }

  /** The operator speaks. Saying the same again changes the time limit and the reason. */
  switch(event: Event & { type: 'switch' }, at: Instant, peers: Iterable<Peer>): void {
    const { mode, forMs, reason } = event
    const said = reason ?? 'switched by the operator'
    if (mode === 'auto') {
      if (this.#mode.state.phase !== 'FORCED') return
      const facts = this.#facts(peers, at)
      return this.#enter(releaseMode(this.#mode, facts, at.mono, this.#params).mode, said, 'operator', at)
    }
    const until = forMs === undefined ? undefined : at.mono + forMs
    const next = forceMode(this.#mode, mode, until, at.mono)
    this.#untilWall = forMs === undefined ? undefined : at.wall + forMs
    if (this.requested !== mode) return this.#enter(next, said, 'operator', at)
    this.#mode = { ...next, state: { ...next.state, since: this.#mode.state.since } }
    this.#reason = said
  }

  /** The operator's word as a fact; undefined for auto. */
  fact(): Uint8Array | undefined {
    const { state } = this.#mode
    if (state.phase !== 'FORCED') return undefined
    return toUtf8(JSON.stringify({ mode: state.path, reason: this.#reason, untilWall: this.#untilWall }))
  }

  /** When a forced mode ends by itself, as wall time. */
  get forcedUntilWall(): number | undefined {
    return this.#mode.state.phase === 'FORCED' ? this.#untilWall : undefined
  }

  /** Lets the machine take the steps that the facts demand. */
  settle(at: Instant, peers: Iterable<Peer>, own: Standing): Effect[] {
    const members = [...peers]
    for (let steps = 0; steps < stepsMax; steps++) {
      const facts = this.#facts(members, at)
      this.#p2pLastAlive = facts.p2pLastAlive
      this.#seen = facts
      const step = stepMode(this.#mode, facts, at.mono, this.#params)
      if (step === undefined) break
      this.#hasRunOut ||= this.#mode.state.phase === 'FORCED'
      this.#enter(step.mode, step.reason, 'watchdog', at)
      if (step.mode.state.phase !== 'TRIAL') continue
      this.#trialMark = { incarnation: own.incarnation, seq: own.seq }
      for (const peer of members) peer.links.p2p.goodProbes = 0
    }
    const effects = this.#pending
    this.#pending = []
    return this.#p2pRetry.take(at.mono) ? [...effects, { type: 'restart-p2p' }] : effects
  }

  /** Whether a forced mode has run out since the last call: no later start may obey it any more. */
  takeRanOut(): boolean {
    const hasRunOut = this.#hasRunOut
    this.#hasRunOut = false
    return hasRunOut
  }

  /** When time alone may move the machine, by what the last `settle` saw. */
  get wakeAt(): number {
    const wake = this.#seen && modeWakeAt(this.#mode, this.#seen, this.#params)
    return wake ?? Number.POSITIVE_INFINITY
  }

  /** When a P2P that could not start is tried again. */
  get retryAt(): number {
    return this.#p2pRetry.wakeAt
  }

  /** Our own pause does not count against P2P. */
  forgive(pausedMs: number): void {
    this.#p2pLastAlive += pausedMs
  }

  #facts(peers: Iterable<Peer>, at: Instant): Facts {
    const memory = {
      p2pUsable: this.#params.p2pEnabled && !this.#p2pFailed,
      p2pLastAlive: this.#p2pLastAlive,
      trialMark: this.#trialMark,
    }
    return factsOf(peers, at.mono, this.#params, memory, this.#mode)
  }

  #enter(next: Mode, reason: string, trigger: Trigger, at: Instant): void {
    const { state } = this.#mode
    const transition: Transition = {
      epoch: ++this.#epoch,
      from: state.phase,
      to: next.state.phase,
      reason,
      trigger,
      atWall: at.wall,
      lastedMs: Math.max(0, Math.round(at.mono - state.since)),
    }
    this.#mode = next
    this.#sinceWall = at.wall
    this.#reason = reason
    this.#transitions.push(transition)
    if (this.#transitions.length > historyMax) this.#transitions.shift()
    this.#pending.push({ type: 'emit', event: { kind: 'mode', transition } })
  }
}

interface Word {
  readonly mode: PathKind
  readonly reason: string
  readonly untilWall?: number
}

function readWord(fact: Uint8Array | undefined): Word | undefined {
  const text = fact === undefined ? undefined : fromUtf8(fact)
  return text === undefined ? undefined : (JSON.parse(text) as Word)
}

/** What both simulated lungs share: ports of a process in the world, and requests that end exactly once. */
import { isLatticeError, LatticeError, type Inbox, type NodeId } from '@lattice/core'
import type { Dice } from './dice.ts'
import type { Life } from './life.ts'
import type { Timeline } from './timeline.ts'
import type { Trace } from './trace.ts'
import type { Weather } from './weather.ts'

/** The world as a network sees it. */
export interface Surroundings {
  readonly timeline: Timeline
  readonly weather: Weather
  readonly dice: Dice
  readonly trace: Trace
  readonly ids: readonly NodeId[]
  /** Counts what happened, by class. */
  readonly count: (what: string) => void
  /** Counts a request. */
  readonly asks: (from: number, to: number) => void
  /** Whether the process at one node takes another node for a member. */
  readonly admits: (at: number, from: number) => boolean
}

/** A process on the network. */
export interface Station {
  readonly index: number
  readonly life: Life
}

/** Something asked, that ends once: with an answer, with an error, or because the asker gives up. */
export class Asking<T = Uint8Array> {
  readonly #settle: (outcome: T | LatticeError) => void
  readonly #listeners: ((givenUp: boolean) => void)[] = []
  #over = false

  constructor(signal: AbortSignal, settle: (outcome: T | LatticeError) => void) {
    const give = (): void => this.#end(new LatticeError('PEER_TIMEOUT', 'the asker gave up'), true)
    this.#settle = outcome => {
      signal.removeEventListener('abort', give)
      settle(outcome)
    }
    if (signal.aborted) give()
    else signal.addEventListener('abort', give, { once: true })
  }

  get over(): boolean {
    return this.#over
  }

  /** The first outcome counts. */
  finish(outcome: T | LatticeError): void {
    this.#end(outcome, false)
  }

  /** Calls back at the end, with whether the asker gave up. */
  onEnd(listener: (givenUp: boolean) => void): void {
    this.#listeners.push(listener)
  }

  #end(outcome: T | LatticeError, givenUp: boolean): void {
    if (this.#over) return
    this.#over = true
    this.#settle(outcome)
    for (const listener of this.#listeners) listener(givenUp)
  }
}

/** Asks, as a promise. */
export function asking<T = Uint8Array>(signal: AbortSignal, begin: (asking: Asking<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const question = new Asking<T>(signal, outcome =>
      isLatticeError(outcome) ? reject(outcome) : resolve(outcome),
    )
    if (!question.over) begin(question)
  })
}

/** Lets an inbox serve; a refusal is a value. */
export function serving(
  inbox: Inbox,
  from: NodeId,
  frame: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array | LatticeError> {
  return inbox.serve(from, frame, signal).then(
    answer => answer,
    (cause: unknown) => new LatticeError('PEER_REFUSED', undefined, { cause }),
  )
}

/** The peer cannot be asked at all. */
export function unreachable(why: string): LatticeError {
  return new LatticeError('PEER_UNREACHABLE', why)
}

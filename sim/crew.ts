/**
 * Histories on several threads: each has one world at a time, so a seed tells the same on any of them.
 *
 * A history that goes on for ever would hold everything up: the thread is ended and the seed reported.
 */
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { tell, type HistoryOptions, type Outcome } from './history.ts'
import { tellPlanted } from './planted.ts'

/** A history to tell. What a planted bug does cannot travel to a thread; its name can. */
export interface Errand extends Pick<
  HistoryOptions,
  'seed' | 'faultsMs' | 'atLeastMs' | 'only' | 'count' | 'swarm'
> {
  readonly bug?: string
  /** Without it the same is told of the product as it is. */
  readonly withBug?: boolean
}

/** Longest real time for one history, in ms: far beyond a dear one on a machine that is short of time. */
const patienceMs = 3_600_000

/** A history fits into a fraction of this; without a limit V8 lets a thread grow to gigabytes. */
const resourceLimits = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 32 }

interface Waiting {
  readonly errand: Errand
  readonly resolve: (outcome: Outcome) => void
}

/** Threads that tell histories. */
export class Crew {
  readonly #queue: Waiting[] = []
  readonly #idle: Worker[] = []
  readonly #all = new Set<Worker>()

  constructor(size: number) {
    for (let at = 0; at < size; at++) this.#hire()
  }

  /** Tells one history as soon as a thread is free. */
  tell(errand: Errand): Promise<Outcome> {
    return new Promise(resolve => {
      this.#queue.push({ errand, resolve })
      this.#assign()
    })
  }

  /** Ends all threads. */
  async dismiss(): Promise<void> {
    await Promise.all([...this.#all].map(worker => worker.terminate()))
  }

  #hire(): void {
    const worker = new Worker(new URL(import.meta.url), { resourceLimits })
    this.#all.add(worker)
    this.#idle.push(worker)
    this.#assign()
  }

  #assign(): void {
    while (this.#queue.length > 0 && this.#idle.length > 0) {
      const worker = this.#idle.shift() as Worker
      void this.#run(worker, this.#queue.shift() as Waiting)
    }
  }

  async #run(worker: Worker, { errand, resolve }: Waiting): Promise<void> {
    const answer = await new Promise<Outcome | string>(settle => {
      const end = (outcome: Outcome | string): void => {
        clearTimeout(timer)
        worker.off('message', end)
        worker.off('error', died)
        settle(outcome)
      }
      const timer = setTimeout(() => end(`no end after ${patienceMs / 1000} s of real time`), patienceMs)
      const died = (error: Error): void => end(`the thread died: ${String(error)}`)
      worker.on('message', end)
      worker.on('error', died)
      worker.postMessage(errand)
    })
    if (typeof answer === 'string') {
      this.#all.delete(worker)
      await worker.terminate()
      this.#hire()
    } else {
      this.#idle.push(worker)
      this.#assign()
    }
    resolve(typeof answer === 'string' ? failed(errand, answer) : answer)
  }
}

function stackOf(error: unknown): string {
  return Error.isError(error) ? (error.stack ?? error.message) : String(error)
}

function failed({ seed }: Pick<Errand, 'seed'>, violation: string): Outcome {
  const nothing = { digest: '', coverage: new Map(), simulatedMs: 0, acknowledged: 0, steps: 0 }
  return { seed, violations: [violation], ...nothing }
}

if (!isMainThread) {
  // What rejects here is an assertion of the product: the runtime logs it, and the history fails by that.
  process.on('unhandledRejection', () => {})
  // Thousands of requests fail in every history; stack traces are for a replay.
  Error.stackTraceLimit = 0
  parentPort?.on('message', ({ bug, withBug = true, ...options }: Errand) => {
    const told = bug === undefined ? tell(options) : tellPlanted(options.seed, bug, withBug)
    void told
      .catch((error: unknown) => failed(options, `the history broke off: ${stackOf(error)}`))
      .then(outcome => parentPort?.postMessage(outcome))
  })
}

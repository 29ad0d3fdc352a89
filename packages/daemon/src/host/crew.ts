/**
 * A few threads of one script that answer requests, each thread in order: work on whole batches, so that the
 * event loop is not held up and pays for one message each way instead of one item.
 *
 * They start with the first request, keep no process alive while they owe nothing, and are replaced when they
 * die. Whoever needs them no more ends them: nothing else does.
 */
import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'

// More would only take the cores from the engine and the disk.
const threadsMax = 2

/** One thread and what it owes, oldest first. */
interface Hand<Answer> {
  readonly worker: Worker
  readonly duties: PromiseWithResolvers<Answer>[]
}

/** What a crew runs. */
export interface CrewOptions {
  /** File beside this one, without its extension. */
  readonly script: string
  readonly workerData: { readonly role: string }
}

/** The threads. */
export class Crew<Request, Answer> {
  readonly #options: CrewOptions
  readonly #hands = new Map<number, Hand<Answer>>()

  constructor(options: CrewOptions) {
    this.#options = options
  }

  /**
   * Splits `items` among the threads, in order, at least `shareMin` to each.
   * @param work what one thread makes of its share, through `ask`
   */
  async share<Item, Result>(
    items: readonly Item[],
    shareMin: number,
    work: (share: readonly Item[], thread: number) => Promise<readonly Result[]>,
  ): Promise<readonly Result[]> {
    const affordable = Math.min(threadsMax, availableParallelism(), Math.floor(items.length / shareMin))
    const threads = Math.max(1, affordable)
    const size = Math.ceil(items.length / threads)
    const shares = Array.from({ length: threads }, (_, at) => items.slice(at * size, (at + 1) * size))
    const results = await Promise.all(shares.map(work))
    return results.flat()
  }

  /**
   * Asks one thread; rejects if it dies before it has answered, and if the request cannot be sent. `moved` is
   * not ours any more.
   */
  async ask(thread: number, request: Request, moved: ArrayBuffer[]): Promise<Answer> {
    const { worker, duties } = this.#hands.get(thread) ?? this.#start(thread)
    // What cannot be sent is owed to nobody: the next answer would go to the wrong one.
    worker.postMessage(request, moved)
    const duty = Promise.withResolvers<Answer>()
    duties.push(duty)
    worker.ref()
    return duty.promise
  }

  /** Ends the threads; who waits for one is told. A later request starts them again. */
  async end(): Promise<void> {
    await Promise.all([...this.#hands.values()].map(async ({ worker }) => worker.terminate()))
  }

  #start(thread: number): Hand<Answer> {
    const { script, workerData } = this.#options
    // The same extension as this file: .ts in a checkout, .js once built.
    const url = new URL(`./${script}${extname(import.meta.url)}`, import.meta.url)
    const hand: Hand<Answer> = {
      worker: new Worker(url, { workerData, name: workerData.role }),
      duties: [],
    }
    this.#hands.set(thread, hand)
    hand.worker.on('message', (answer: Answer) => {
      hand.duties.shift()?.resolve(answer)
      if (hand.duties.length === 0) hand.worker.unref()
    })
    const lose = (cause: unknown): void => {
      if (this.#hands.get(thread) === hand) this.#hands.delete(thread)
      const error = new Error(`a thread (${workerData.role}) has ended`, { cause })
      for (const { reject } of hand.duties.splice(0)) reject(error)
    }
    hand.worker.on('error', lose)
    hand.worker.on('exit', lose)
    return hand
  }
}

/**
 * The salvage of a running daemon, and what is to be said of the state while it goes on: that it is not whole
 * yet. The rows of before are all to come, in the order of their commits.
 */
import { counted } from './counted.ts'
import type { Log } from './host/log.ts'
import type { Runtime } from './runtime.ts'
import { salvage } from './salvage.ts'
import { unreadAsides } from './store-aside.ts'

/** Takes in, in the background, what can be read of the damaged databases in a directory. */
export class Salvaging {
  readonly #directory: string
  readonly #stop = new AbortController()
  #ended: Promise<void> = Promise.resolve()
  #rows: number | undefined
  #isLeft = false

  constructor(directory: string) {
    this.#directory = directory
    this.#rows = unreadAsides(directory).length > 0 ? 0 : undefined
  }

  /** How far it has come, as a sentence; undefined where nothing comes, or no more at this start. */
  get progress(): string | undefined {
    return this.#rows === undefined
      ? undefined
      : `what can be read of the damaged database is being taken in: ${counted(this.#rows, 'row')} so far`
  }

  /** Whether rows of before may still come, at this start or at the next. */
  get isUnderWay(): boolean {
    return this.#rows !== undefined || this.#isLeft
  }

  /** What is amiss meanwhile; undefined once all has been read. */
  get trouble(): string | undefined {
    return this.#isLeft
      ? 'a damaged database could not be read to its end; the next start tries again'
      : this.progress
  }

  /** Begins, once; resolves when it has ended, whatever came of it. */
  start(runtime: Pick<Runtime, 'readmit'>, log: Log): Promise<void> {
    return (this.#ended = this.#run(runtime, log))
  }

  /** Cuts it off; the next start goes on. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }

  async #run(runtime: Pick<Runtime, 'readmit'>, log: Log): Promise<void> {
    const { signal } = this.#stop
    const isOver = await salvage({
      directory: this.#directory,
      readmit: rows => runtime.readmit(rows, 'quiet'),
      onRows: count => (this.#rows = (this.#rows ?? 0) + count),
      log,
      signal,
    })
    if (signal.aborted) return
    this.#isLeft = !isOver
    this.#rows = undefined
  }
}

/**
 * Which pieces of our code have run, by V8's own block coverage: the signal that guides the fuzzer.
 *
 * jazzer.js would be the library for this; its only release with a binary inside needs glibc 2.38, which
 * Debian 12 does not have. V8 counts blocks itself, and its inspector tells.
 */
import { Session } from 'node:inspector/promises'

/** Only our own packages count. */
const ours = /\/packages\/[a-z0-9-]+\/src\//

/** Counts blocks from `start` on. */
export class Coverage {
  readonly #session = new Session()
  readonly #seen = new Set<string>()

  /** Blocks reached so far. */
  get size(): number {
    return this.#seen.size
  }

  async start(): Promise<void> {
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Whether anything has run since the last look that is not known yet; it stays unknown. */
  async peek(): Promise<boolean> {
    const blocks = await this.#take()
    return blocks.some(block => !this.#seen.has(block))
  }

  /** The same, and from now on it is known. */
  async grew(): Promise<boolean> {
    const before = this.#seen.size
    for (const block of await this.#take()) this.#seen.add(block)
    return this.#seen.size > before
  }

  /** Blocks that have run since the last look. */
  async #take(): Promise<string[]> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage')
    return result
      .filter(({ url }) => ours.test(url))
      .flatMap(({ url, functions }) =>
        functions.flatMap(({ ranges }) =>
          ranges
            .filter(({ count }) => count > 0)
            .map(({ startOffset, endOffset }) => `${url} ${startOffset} ${endOffset}`),
        ),
      )
  }

  stop(): void {
    this.#session.disconnect()
  }
}

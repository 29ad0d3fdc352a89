/** Moments when the store shows exactly what the engine knows, and who waits for one. */
import type { LatticeError } from '@lattice/core'

interface Look {
  readonly run: () => void
  readonly refuse: (why: LatticeError) => void
}

/** The store may be ahead of the engine while a commit is under way. */
export class AtRest {
  /** Whether the store may already show more than the engine knows. */
  isCommitting = false
  readonly #waiting: Look[] = []
  #never: LatticeError | undefined

  /** Runs `look` at such a moment; at once if this is one. */
  async wait<T>(look: () => T): Promise<T> {
    if (this.#never !== undefined) throw this.#never
    if (!this.isCommitting) return look()
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#waiting.push({ run: () => resolve(new Promise(done => done(look()))), refuse: reject })
    return promise
  }

  /** The commit is over. After the last one nobody else would let those look who wait. */
  committed(isLast: boolean): void {
    this.isCommitting = false
    if (isLast) this.come()
  }

  /** This is such a moment: lets those look who wait for it. */
  come(): void {
    for (const { run } of this.#waiting.splice(0)) run()
  }

  /**
   * The node ends, which is such a moment, but where its store has failed: that may hold what the engine
   * never hears of, or not tell what it holds.
   */
  end(why: LatticeError): void {
    if (why.code !== 'STORE_SUSPECT') return this.come()
    this.#never = why
    for (const { refuse } of this.#waiting.splice(0)) refuse(why)
  }
}

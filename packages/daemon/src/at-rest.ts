/** Moments when the store shows exactly what the engine knows, and who waits for one. */

/** The store may be ahead of the engine while a commit is under way. */
export class AtRest {
  /** Whether the store may already show more than the engine knows. */
  isCommitting = false
  readonly #waiting: (() => void)[] = []

  /** Runs `look` at such a moment; at once if this is one. */
  async wait<T>(look: () => T): Promise<T> {
    if (!this.isCommitting) return look()
    const { promise, resolve } = Promise.withResolvers<T>()
    this.#waiting.push(() => resolve(new Promise(done => done(look()))))
    return promise
  }

  /** The commit is over. After the last one nobody else would let those look who wait. */
  committed(isLast: boolean): void {
    this.isCommitting = false
    if (isLast) this.come()
  }

  /** This is such a moment: lets those look who wait for it. */
  come(): void {
    for (const look of this.#waiting.splice(0)) look()
  }
}

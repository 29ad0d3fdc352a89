/** Which of many like events an operator is told of: strangers decide how many there are. */

/** Kinds told of within a minute; more say nothing new, and each is a line of the log. */
const kindsMax = 16

const windowMs = 60_000

/** Tells the first event of a kind within a minute from its repetitions, and from a flood of kinds. */
export class Sparing {
  readonly #seen = new Set<string>()
  #since = -Infinity

  /** Whether to tell of an event of this kind at `nowMs`, of a clock that does not jump. */
  isNews(kind: string, nowMs: number): boolean {
    if (nowMs - this.#since >= windowMs) {
      this.#seen.clear()
      this.#since = nowMs
    }
    if (this.#seen.has(kind) || this.#seen.size >= kindsMax) return false
    this.#seen.add(kind)
    return true
  }
}

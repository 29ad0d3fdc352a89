/** Sums up many histories, for people. */
import { commitOf } from './commit.ts'
import type { Outcome } from './history.ts'

/** What a run over many seeds has shown. */
export class Report {
  readonly #startedAt = performance.now()
  readonly coverage = new Map<string, number>()
  readonly failures: Outcome[] = []
  #histories = 0
  #simulatedMs = 0
  #acknowledged = 0

  add(outcome: Outcome): void {
    this.#histories++
    this.#simulatedMs += outcome.simulatedMs
    this.#acknowledged += outcome.acknowledged
    for (const [what, times] of outcome.coverage)
      this.coverage.set(what, (this.coverage.get(what) ?? 0) + times)
    if (outcome.violations.length > 0) this.failures.push(outcome)
  }

  /** One line for a terminal while it runs. */
  progress(total: number): string {
    const seconds = (performance.now() - this.#startedAt) / 1000
    const filled = Math.round((20 * this.#histories) / total)
    const bar = '#'.repeat(filled).padEnd(20, '.')
    const speed = `${(this.#histories / seconds).toFixed(1)} seeds/s`
    return `[${bar}] ${this.#histories}/${total}  ${speed}  ${this.#hours()} h simulated  ${this.failures.length} failed`
  }

  /** Everything, in lines. `hours`: how long each history was, for the command that replays a failed one. */
  lines(hours: number): string[] {
    const seconds = (performance.now() - this.#startedAt) / 1000
    const times = Math.round(this.#simulatedMs / 1000 / seconds)
    const faults = [...this.coverage].toSorted(([a], [b]) => (a < b ? -1 : 1))
    return [
      `${this.#histories} histories, ${this.#hours()} simulated hours in ${seconds.toFixed(1)} s: ${times} × real time`,
      `${this.#acknowledged} writes acknowledged`,
      'what happened, and how often:',
      ...faults.map(([what, count]) => `  ${what.padEnd(28)} ${count}`),
      ...this.failures.flatMap(failure => describe(failure, hours)),
      this.failures.length === 0
        ? 'no promise was broken'
        : `${this.failures.length} histories broke a promise`,
    ]
  }

  #hours(): string {
    return (this.#simulatedMs / 3_600_000).toFixed(1)
  }
}

function describe({ seed, violations }: Outcome, hours: number): string[] {
  return [
    `seed ${seed} failed on ${commitOf()}; replay with: npm run sim -- --replay ${seed} --hours ${hours} --trace`,
    ...violations.slice(0, 5).map(violation => `  ${violation}`),
  ]
}

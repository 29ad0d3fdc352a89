/**
 * A run of weeks of simulated time that may be interrupted: what it has reached is kept in a file after every
 * history, with the commits it ran on.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { commitOf } from './commit.ts'
import type { Crew } from './crew.ts'
import type { Outcome } from './history.ts'

/** What a long run has reached. */
export interface Reached {
  nextSeed: number
  seeds: number
  hours: number
  acknowledged: number
  /** Real seconds spent. */
  seconds: number
  /** Hours by commit. */
  commits: Record<string, number>
  coverage: Record<string, number>
  failures: { seed: number; commit: string; violations: readonly string[] }[]
}

/** The first seed of a long run: far from those of the gate. */
const firstSeed = 1_000_000

/** Goes on until `hours` are reached, each history as long as `errandOf` says; whether none failed. */
export async function runLong(
  crew: Crew,
  goal: { readonly hours: number; readonly file: string; readonly workers: number },
  tellOne: (crew: Crew, seed: number) => Promise<Outcome>,
  say: (line: string) => void,
): Promise<boolean> {
  const reached = load(goal.file)
  const commit = commitOf()
  let startedAt = performance.now()
  const one = async (): Promise<void> => {
    while (reached.hours < goal.hours) {
      const outcome = await tellOne(crew, reached.nextSeed++)
      note(reached, outcome, commit)
      reached.seconds += (performance.now() - startedAt) / 1000
      startedAt = performance.now()
      save(goal.file, reached)
      const { seed, violations } = outcome
      if (violations.length > 0) say(`seed ${seed} on ${commit}: ${violations[0]}`)
      else if (reached.seeds % 50 === 0) say(`${reached.hours.toFixed(0)} of ${goal.hours} h`)
    }
  }
  await Promise.all(Array.from({ length: goal.workers }, one))
  say(`${reached.hours.toFixed(0)} simulated hours, ${reached.failures.length} histories failed`)
  return reached.failures.length === 0
}

function note(reached: Reached, outcome: Outcome, commit: string): void {
  const hours = outcome.simulatedMs / 3_600_000
  reached.seeds++
  reached.hours += hours
  reached.acknowledged += outcome.acknowledged
  reached.commits[commit] = (reached.commits[commit] ?? 0) + hours
  for (const [what, times] of outcome.coverage) reached.coverage[what] = (reached.coverage[what] ?? 0) + times
  const { seed, violations } = outcome
  if (violations.length > 0) reached.failures.push({ seed, commit, violations: violations.slice(0, 5) })
}

function load(file: string): Reached {
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Reached
  const nothing = { seeds: 0, hours: 0, acknowledged: 0, seconds: 0 }
  return { nextSeed: firstSeed, ...nothing, commits: {}, coverage: {}, failures: [] }
}

function save(file: string, reached: Reached): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(reached, undefined, 2)}\n`)
  renameSync(`${file}.new`, file)
}

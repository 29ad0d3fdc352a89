/**
 * What every change must pass: the kept histories, many fixed seeds, every kind of fault among them, and some
 * seeds told twice.
 *
 * Ends with a line in the form of a test runner's, so that the gate can count.
 */
import { readFileSync } from 'node:fs'
import type { Crew, Errand } from './crew.ts'
import { faults as kinds } from './faults.ts'
import type { Outcome } from './history.ts'
import { Report } from './report.ts'

/** Share of each history that has faults; the rest is for the way back. */
const faultShare = 0.75

/** Of these the trace is compared with that of a second time. */
const twice = [9, 27, 45, 63, 81]
const twiceMs = 600_000

/**
 * A history that once failed. It names its federation and its faults, so that it stays the same when other
 * things are drawn than before.
 */
interface Kept {
  readonly seed: number
  readonly minutes: number
  readonly count: number
  /** Mean intervals in ms. */
  readonly faults: Readonly<Record<string, number>>
  readonly found: string
}

const regressions = JSON.parse(readFileSync(new URL('./regressions.json', import.meta.url), 'utf8')) as Kept[]

function errandOf({ seed, minutes, count, faults }: Kept): Errand {
  return { seed, faultsMs: minutes * 60_000, count, swarm: new Map(Object.entries(faults)) }
}

/** Runs it all, with `seeds` fixed seeds of `hours` each; whether nothing failed. */
export async function check(
  crew: Crew,
  { seeds, hours }: { readonly seeds: number; readonly hours: number },
  say: (line: string) => void,
): Promise<boolean> {
  const atLeastMs = hours * 3_600_000
  const report = new Report()
  let failed = 0
  let passed = 0
  const verdict = (good: boolean, what: string): void => {
    if (good) passed++
    else failed++
    if (!good) say(`FAILED ${what}`)
  }
  const judge = async (errand: Errand, what: string): Promise<Outcome> => {
    const outcome = await crew.tell(errand)
    report.add(outcome)
    verdict(outcome.violations.length === 0, `${what}: ${outcome.violations[0] ?? ''}`)
    return outcome
  }
  const same = async (seed: number): Promise<void> => {
    const [one, other] = await Promise.all([1, 2].map(() => crew.tell({ seed, faultsMs: twiceMs })))
    verdict(one?.digest !== '' && one?.digest === other?.digest, `seed ${seed} took two courses`)
  }
  await Promise.all([
    ...regressions.map(kept => judge(errandOf(kept), `kept seed ${kept.seed} (${kept.found})`)),
    ...Array.from({ length: seeds }, (_, at) => at + 1).map(seed =>
      judge({ seed, faultsMs: faultShare * atLeastMs, atLeastMs }, `seed ${seed}`),
    ),
    ...twice.map(same),
  ])
  for (const { name } of kinds)
    verdict((report.coverage.get(name) ?? 0) > 0, `the fault ${name} never happened`)
  for (const line of report.lines(hours)) say(line)
  say(`Tests:       ${failed === 0 ? '' : `${failed} failed, `}${passed} passed, ${failed + passed} total`)
  return failed === 0
}

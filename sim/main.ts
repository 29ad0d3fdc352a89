/**
 * The command line of the simulator.
 *
 *   npm run sim -- --seeds N [--from S] [--hours H]     tells N histories of H simulated hours
 *   npm run sim -- --replay S [--trace] [--hours H] [--only FAULT,FAULT]     tells one again
 *   npm run sim -- --replay S --shrink     looks for a shorter history that fails too
 *   npm run sim -- --long H --state FILE     goes on to H simulated hours in all, over any number of runs
 *   npm run sim:check     what every change must pass
 *   npm run sim:planted     shows that planted bugs are found
 */
import { randomInt } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { check } from './check.ts'
import { Crew } from './crew.ts'
import { tell } from './history.ts'
import { runLong } from './long.ts'
import { findPlanted } from './planted.ts'
import { Report } from './report.ts'
import { shrink } from './shrink.ts'

/** Share of a history that has faults; the rest is for the way back. */
const faultShare = 0.75

/** More threads than this would only take the machine from others. */
const workersMax = 2

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    from: { type: 'string' },
    hours: { type: 'string', default: '1' },
    workers: { type: 'string', default: String(Math.min(workersMax, availableParallelism())) },
    replay: { type: 'string' },
    trace: { type: 'boolean', default: false },
    only: { type: 'string' },
    shrink: { type: 'boolean', default: false },
    long: { type: 'string' },
    state: { type: 'string' },
    check: { type: 'boolean', default: false },
    planted: { type: 'boolean', default: false },
  },
})

const say = (line: string): void => void process.stdout.write(`${line}\n`)

try {
  if (values.replay !== undefined) process.exitCode = await again(whole('replay'), whole('hours'))
  else process.exitCode = (await withCrew()) ? 0 : 1
} catch (error) {
  if (!(error instanceof RangeError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 64
}

async function withCrew(): Promise<boolean> {
  const workers = whole('workers')
  const crew = new Crew(workers)
  try {
    if (values.planted) return await findPlanted(crew, say)
    if (values.check) return await check(crew, { seeds: whole('seeds'), hours: whole('hours') }, say)
    if (values.long === undefined) return await many(crew, whole('seeds'), whole('hours'))
    if (values.state === undefined) refuse('--long needs --state FILE, where what it reached is kept')
    const goal = { hours: whole('long'), file: values.state ?? '', workers }
    return await runLong(crew, goal, (one, seed) => one.tell(lasting(seed, whole('hours'))), say)
  } finally {
    await crew.dismiss()
  }
}

/** A number from the command line. */
function whole(name: 'seeds' | 'from' | 'hours' | 'replay' | 'workers' | 'long'): number {
  const number = Number(values[name])
  if (Number.isFinite(number) && number > 0) return number
  return refuse(`--${name} must be a number above 0, not ${JSON.stringify(values[name])}`)
}

/** @throws RangeError always: what was said on the command line cannot be done */
function refuse(why: string): never {
  throw new RangeError(why)
}

function lasting(seed: number, hours: number): { seed: number; faultsMs: number; atLeastMs: number } {
  const atLeastMs = hours * 3_600_000
  return { seed, faultsMs: faultShare * atLeastMs, atLeastMs }
}

async function many(crew: Crew, seeds: number, hours: number): Promise<boolean> {
  const from = values.from === undefined ? 1 + randomInt(1_000_000_000) : whole('from')
  const report = new Report()
  const one = async (seed: number): Promise<void> => {
    report.add(await crew.tell(lasting(seed, hours)))
    if (process.stdout.isTTY) process.stdout.write(`\r${report.progress(seeds)}`)
  }
  await Promise.all(Array.from({ length: seeds }, (_, at) => one(from + at)))
  say(`${process.stdout.isTTY ? '\n' : ''}seeds ${from} to ${from + seeds - 1}, hours ${hours}`)
  for (const line of report.lines(hours)) say(line)
  return report.failures.length === 0
}

async function again(seed: number, hours: number): Promise<number> {
  process.on('unhandledRejection', () => {})
  if (values.shrink) {
    Error.stackTraceLimit = 0
    const found = await shrink(
      (faultsMs, only) => tell({ seed, faultsMs, only }),
      lasting(seed, hours).faultsMs,
      say,
    )
    if (found === undefined) say(`seed ${seed} breaks no promise`)
    else {
      const least = Math.ceil((10_000 * found.faultsMs) / (3_600_000 * faultShare)) / 10_000
      say(`npm run sim -- --replay ${seed} --hours ${least} --only ${found.only.join(',')} --trace`)
      for (const violation of found.outcome.violations) say(violation)
    }
    return found === undefined ? 0 : 1
  }
  const only = values.only?.split(',')
  const outcome = await tell({ ...lasting(seed, hours), only, print: values.trace ? say : undefined })
  for (const violation of outcome.violations) say(violation)
  say(`seed ${seed}: ${outcome.violations.length} promises broken, trace ${outcome.digest}`)
  return outcome.violations.length === 0 ? 0 : 1
}

/**
 * The command line of the simulator.
 *
 *   npm run sim -- --seeds N [--from S] [--hours H]     tells N histories
 *   npm run sim -- --replay S [--trace] [--hours H]     tells one again
 *   npm run sim:planted                                 shows that planted bugs are found
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { tell, type Outcome } from './history.ts'
import { findPlanted } from './planted.ts'
import { Report } from './report.ts'

/** Share of a history that has faults; the rest is for the way back. */
const faultShare = 0.75

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    from: { type: 'string' },
    hours: { type: 'string', default: '1' },
    replay: { type: 'string' },
    trace: { type: 'boolean', default: false },
    planted: { type: 'boolean', default: false },
  },
})

// A promise that nobody looks after is an assertion of the product: the runtime logs it, and the history
// fails by that.
process.on('unhandledRejection', () => {})

// Thousands of requests fail in every history; their stack traces are wanted only where one is looked at.
if (values.replay === undefined) Error.stackTraceLimit = 0

const say = (line: string): void => void process.stdout.write(`${line}\n`)

if (values.planted) process.exitCode = (await findPlanted(say)) ? 0 : 1
else if (values.replay === undefined) process.exitCode = await many(whole('seeds'), whole('hours'))
else process.exitCode = await again(whole('replay'), whole('hours'))

/** A number from the command line. */
function whole(name: 'seeds' | 'from' | 'hours' | 'replay'): number {
  const number = Number(values[name])
  if (Number.isFinite(number) && number > 0) return number
  process.stderr.write(`--${name} must be a number above 0, not ${JSON.stringify(values[name])}\n`)
  process.exitCode = 64
  throw new RangeError(`--${name}`)
}

function history(seed: number, hours: number, print?: (line: string) => void): Promise<Outcome> {
  const atLeastMs = hours * 3_600_000
  return tell({ seed, faultsMs: faultShare * atLeastMs, atLeastMs, print })
}

async function many(seeds: number, hours: number): Promise<number> {
  const from = values.from === undefined ? 1 + randomInt(1_000_000_000) : whole('from')
  const report = new Report()
  for (let seed = from; seed < from + seeds; seed++) {
    report.add(await history(seed, hours))
    if (process.stdout.isTTY) process.stdout.write(`\r${report.progress(seeds)}`)
    // Lets the terminal have its line; the histories themselves never wait for the event loop.
    await new Promise(resolve => setImmediate(resolve))
  }
  say(`${process.stdout.isTTY ? '\n' : ''}seeds ${from} to ${from + seeds - 1}`)
  for (const line of report.lines()) say(line)
  return report.failures.length === 0 ? 0 : 1
}

async function again(seed: number, hours: number): Promise<number> {
  const outcome = await history(seed, hours, values.trace ? say : undefined)
  for (const violation of outcome.violations) say(violation)
  say(`seed ${seed}: ${outcome.violations.length} promises broken, trace ${outcome.digest}`)
  return outcome.violations.length === 0 ? 0 : 1
}

/**
 * The quick set, `npm run bench`: every table once, small enough for three minutes on two cores.
 *
 * What measures time runs alone; what counts bytes or waits for timers shares the machine at the end. With
 * `--json` the reports come as one JSON object per line.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { progress, readOptions } from './report.ts'

const options = readOptions({})

/** Steps one after the other; the files of one step at the same time. */
const steps: ReadonlyArray<ReadonlyArray<readonly [file: string, ...flags: string[]]>> = [
  [['write.ts', '--rounds', '5', '--rest-ms', '4000']],
  [['propagation.ts', '--rounds', '4', '--writes', '25', '--idle-s', '30']],
  [['scale.ts', '--n', '10k,100k']],
  [
    ['reconcile.ts', '--n', '10k,100k'],
    ['failover.ts', '--rounds', '1', '--peerless', '8', '--stable', '5', '--heartbeat', '2', '--idle', '10'],
  ],
]

async function run([file, ...flags]: readonly [string, ...string[]]): Promise<string> {
  const script = fileURLToPath(new URL(file, import.meta.url))
  const all = [script, ...flags, ...(options.json ? ['--json'] : [])]
  try {
    const { stdout } = await promisify(execFile)(process.execPath, all, { maxBuffer: 2 ** 24 })
    return stdout.trim()
  } catch (error) {
    process.exitCode = 1
    const reason = typeof error === 'object' && error !== null && 'stderr' in error ? error.stderr : error
    console.error(`${file} failed: ${String(reason).trim()}`)
    return ''
  }
}

for (const step of steps) {
  progress(`bench: ${step.map(([file]) => file).join(', ')}`)
  const reports = await Promise.all(step.map(run))
  progress('')
  for (const report of reports) if (report !== '') console.log(options.json ? report : `${report}\n`)
}

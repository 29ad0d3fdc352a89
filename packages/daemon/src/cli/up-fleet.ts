/**
 * The daemons `lattice up` runs: started as processes of their own, watched, and stopped whatever happens.
 *
 * Each holds one end of an IPC channel. When this process dies without a word (SIGKILL), the channel closes
 * and the daemons stop by themselves.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import type { ChaosOrder } from '../chaos-transport.ts'
import { CliError, exitCodes } from './exit.ts'
import type { PlannedNode } from './up-plan.ts'

/** Running daemons. */
export interface Fleet {
  /** Fires with a `CliError` when a daemon ends that should not. */
  readonly broken: AbortSignal
  start(node: PlannedNode): void
  pidOf(node: PlannedNode): number | undefined
  /** Says something to all daemons over their IPC channels; resolves once it is handed over. */
  tell(message: ChaosOrder): Promise<void>
  /** Asks all daemons to stop, then kills those that do not; resolves when none is left. */
  stop(): Promise<void>
}

// A daemon drains within 10 s of SIGTERM (experience O6); after that it is stuck.
const stopMsMax = 12_000
// As many threads for garbage as there are other processors, like the systemd unit: four crowd out two.
const nodeFlags = ['--v8-pool-size=0']
// Enough of a log to show the last error without flooding the screen.
const tailLines = 12

/** A fleet with no daemon yet. After `interrupted` fires, daemons may end: Ctrl-C reaches them too. */
export function createFleet(interrupted: AbortSignal): Fleet {
  const children = new Map<PlannedNode, ChildProcess>()
  const broken = new AbortController()
  let stopping = false
  const start = (node: PlannedNode): void => {
    const log = openSync(node.logFile, 'a', 0o600)
    const child = spawn(process.execPath, [...nodeFlags, daemonScript, 'start'], {
      env: node.env,
      stdio: ['ignore', log, log, 'ipc'],
    })
    closeSync(log)
    children.set(node, child)
    child.on('error', error => broken.abort(new CliError(exitCodes.failed, `${node.name}: ${error.message}`)))
    child.on('exit', (code, signal) => {
      if (!stopping && !interrupted.aborted)
        broken.abort(ended(node, code === null ? `by ${String(signal)}` : `with exit code ${code}`))
    })
  }
  return {
    broken: broken.signal,
    start,
    pidOf: node => children.get(node)?.pid,
    tell: async message => {
      const told = [...children.values()].map(
        child =>
          new Promise<void>((resolve, reject) =>
            child.send(message, error => (error === null ? resolve() : reject(error))),
          ),
      )
      await Promise.all(told)
    },
    stop: async () => {
      stopping = true
      await Promise.all([...children.values()].map(stopChild))
    },
  }
}

/** The last lines a daemon logged. */
export function logTail(node: PlannedNode): readonly string[] {
  try {
    return readFileSync(node.logFile, 'utf8').trimEnd().split('\n').slice(-tailLines)
  } catch {
    return []
  }
}

const daemonScript = fileURLToPath(new URL('../../bin/lattice.js', import.meta.url))

function ended(node: PlannedNode, how: string): CliError {
  const tail = logTail(node).map(line => `  ${line}`)
  const hint = `the whole log is ${node.logFile}`
  return new CliError(exitCodes.failed, [`${node.name} ended ${how}; it said last:`, ...tail].join('\n'), {
    hint,
  })
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  const impatience = new AbortController()
  child.kill('SIGTERM')
  const late = delay(stopMsMax, true, { signal: impatience.signal }).catch(() => false)
  const stuck = await Promise.race([gone.then(() => false), late])
  impatience.abort()
  if (!stuck) return
  child.kill('SIGKILL')
  await gone
}

/**
 * `lattice reload`: makes the daemon of this machine read its configuration again, and says what came of it.
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { isLatticeError } from '@lattice/core'
import type { Command } from 'commander'

import { reloadFile } from '../reload.ts'
import type { ReloadOutcome } from '../reload.ts'
import { acquireStateDirLock, holderFile } from '../state-dir-lock.ts'
import { CliError, exitCodes } from './exit.ts'
import { painter, print, printJson, visible } from './io.ts'
import type { CliIo } from './io.ts'
import type { Register } from './register.ts'
import { loadNeeded, withSettings } from './settings.ts'

// A reload reads a few files; a busy event loop gets this long before the daemon counts as stuck.
const answerMsMax = 10_000
const lookAgainMs = 50

/** Adds the command. */
export const registerReload: Register = (program, { io, run }) => {
  const command = withSettings(program.command('reload'), ['STATE_DIR'])
    .description('make the daemon on this machine read its configuration file again (SIGHUP)')
    .option('--json', 'machine-readable answer (lattice.reload/v1)')
    .addHelpText(
      'after',
      '\nTakes effect at once: LATTICE_LOG_LEVEL, LATTICE_HTTP_POLL_INTERVAL. Everything else that has changed is' +
        '\nnamed and needs a restart. The environment of a running process cannot be changed: edit its --config FILE.' +
        '\n\nExit codes: 0 applied, 2 something needs a restart, 78 refused, 69 no daemon runs there.' +
        '\n\nExample:\n  $ lattice reload --state-dir /var/lib/lattice',
    )
  command.action(
    run(async (_options, self: Command) => {
      const stateDir = resolve(io.cwd, loadNeeded(self, io, ['STATE_DIR']).lookup('STATE_DIR') ?? './data')
      const outcome = await reload(stateDir, io)
      if (self.opts<{ json?: boolean }>().json === true) {
        const { at, applied, needsRestart: needs_restart, problems } = outcome
        printJson(io, { schema: 'lattice.reload/v1', at, applied, needs_restart, problems })
      } else {
        report(outcome, io)
      }
      if (outcome.problems.length > 0) return exitCodes.config
      return outcome.needsRestart.length > 0 ? exitCodes.warning : exitCodes.ok
    }),
  )
}

async function reload(stateDir: string, io: CliIo): Promise<ReloadOutcome> {
  const pid = runningPid(stateDir)
  const before = lastOutcome(stateDir)?.at
  try {
    process.kill(pid, 'SIGHUP')
  } catch (error) {
    const why = Error.isError(error) ? error.message : String(error)
    throw new CliError(exitCodes.failed, `process ${pid} cannot be signalled: ${why}`, {
      hint: 'run this as the user of the daemon, or `systemctl reload lattice`',
    })
  }
  for (const deadline = performance.now() + answerMsMax; performance.now() < deadline;) {
    await delay(lookAgainMs, undefined, { signal: io.signal })
    const outcome = lastOutcome(stateDir)
    if (outcome !== undefined && outcome.at !== before) return outcome
  }
  throw new CliError(exitCodes.timeout, `process ${pid} has not answered within ${answerMsMax / 1000} s`)
}

/** The daemon that holds the lock of a state directory: what the holder's file says alone may be stale. */
function runningPid(stateDir: string): number {
  const none = new CliError(exitCodes.unavailable, `no daemon runs with the state directory ${stateDir}`, {
    hint: 'name it with --state-dir or --config, as at its start',
  })
  let pid: number
  try {
    pid = Number(readFileSync(join(stateDir, holderFile), 'utf8'))
  } catch {
    throw none
  }
  if (!Number.isSafeInteger(pid) || pid <= 1) throw none
  try {
    acquireStateDirLock(stateDir).release()
  } catch (error) {
    if (isLatticeError(error) && error.code === 'STORE_LOCKED') return pid
    throw error
  }
  throw none
}

function lastOutcome(stateDir: string): ReloadOutcome | undefined {
  try {
    return JSON.parse(readFileSync(join(stateDir, reloadFile), 'utf8')) as ReloadOutcome
  } catch {
    return undefined
  }
}

function report({ applied, needsRestart, problems }: ReloadOutcome, io: CliIo): void {
  const paint = painter(io)
  for (const problem of problems) io.stderr.write(`${paint('red', '✗')} ${visible(problem)}\n`)
  if (problems.length > 0) return void io.stderr.write('Nothing was changed; the daemon goes on as before.\n')
  for (const { name, from, to } of applied)
    print(io, `${paint('green', '✓')} LATTICE_${name}: ${from} → ${to}`)
  for (const name of needsRestart) print(io, `${paint('yellow', '!')} ${name} needs a restart`)
  if (applied.length + needsRestart.length === 0) print(io, 'Nothing has changed.')
}

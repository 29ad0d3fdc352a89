/** `lattice doctor`: what is wrong with this node and its place, why, and what to run. */
import { resolve } from 'node:path'

import type { Command } from 'commander'

import { createClient } from '@lattice/api'
import type { Client } from '@lattice/api'

import { examine, type Patient, type Verdict } from '../doctor/index.ts'
import { exitCodes, type ExitCode } from './exit.ts'
import { painter, print, printJson, visible } from './io.ts'
import type { CliIo } from './io.ts'
import type { Register } from './register.ts'
import { urlOf, withRemote } from './session.ts'
import { loadFrom, withSettingFlags } from './settings.ts'

/** How long this machine's own daemon may take to say that it is there. */
const daemonMsMax = 3_000

const marks: Readonly<Record<Verdict, readonly [string, Parameters<ReturnType<typeof painter>>[0]]>> = {
  pass: ['✓', 'green'],
  skip: ['–', 'dim'],
  warn: ['!', 'yellow'],
  fail: ['✗', 'red'],
}

/** Adds the command. */
export const registerDoctor: Register = (program, { io, run }) => {
  const command = withSettingFlags(withRemote(program.command('doctor'), 'doctor'), ['STATE_DIR'])
    .description('examine settings, state, machine, daemon and ways; works with the daemon down')
    .option('--offline', 'ask no other machine')
    .option('--all', 'show what is well, too')
    .option('--fix', 'mend what can be mended without risk: rights of files, never their content')
    .addHelpText(
      'after',
      '\nExit codes: 0 all is well, 2 something wants a look, 1 something does not work.' +
        '\n\nExample:\n  $ lattice doctor --config /etc/lattice/lattice.env',
    )
  command.action(
    run(
      async (options: { offline?: boolean; all?: boolean; fix?: boolean; json?: boolean }, self: Command) => {
        const patient = await patientOf(self, io, options.offline !== true)
        const first = await examine(patient)
        const mended = options.fix === true ? first.filter(({ mend }) => mend !== undefined) : []
        for (const { mend } of mended) mend?.()
        const found = mended.length === 0 ? first : await examine(patient)
        const count = (verdict: Verdict): number => found.filter(each => each.verdict === verdict).length
        const [failed, warned] = [count('fail'), count('warn')]
        const code: ExitCode = failed > 0 ? exitCodes.failed : warned > 0 ? exitCodes.warning : exitCodes.ok
        if (options.json === true) {
          printJson(io, {
            schema: 'lattice.doctor/v1',
            ok: code === exitCodes.ok,
            counts: { pass: count('pass'), skip: count('skip'), warn: warned, fail: failed },
            mended: mended.map(({ name, command: done }) => ({ name, done })),
            checks: found,
          })
          return code
        }
        const paint = painter(io)
        for (const { name, command: done } of mended)
          print(io, `${paint('green', '✓')} ${name}: mended by ${visible(done ?? '')}`)
        for (const { name, verdict, text, cause, command: advice } of found) {
          if (options.all !== true && (verdict === 'pass' || verdict === 'skip')) continue
          const [mark, style] = marks[verdict]
          print(io, `${paint(style, mark)} ${name}: ${visible(text)}`)
          if (cause !== undefined) print(io, `    ${visible(cause)}`)
          if (advice !== undefined) print(io, `    try: ${visible(advice)}`)
        }
        const checked = found.length - count('skip')
        const skipped = count('skip') === 0 ? '' : `, ${count('skip')} could not be looked at`
        print(io, `${checked} checks: ${failed} failed, ${warned} to look at${skipped}.`)
        return code
      },
    ),
  )
}

/** What the checks look at. Never fails: whatever cannot be found out is for the checks to tell. */
export async function patientOf(command: Command, io: CliIo, online: boolean): Promise<Patient> {
  const loaded = loadFrom(command, io)
  return {
    loaded,
    stateDir: resolve(io.cwd, loaded.lookup('STATE_DIR') ?? './data'),
    env: io.env,
    nodeVersion: process.versions.node,
    daemon: await daemonAt(urlOf(command, io, loaded)),
    online,
    now: Date.now(),
  }
}

async function daemonAt(url: string): Promise<Client | undefined> {
  const client = createClient({ baseUrl: url, timeoutMs: daemonMsMax })
  try {
    await client.getHealthReport()
    return client
  } catch {
    return undefined
  }
}

/** `lattice config`: every effective value with its origin, secrets masked, and whatever is wrong with it. */
import type { Command } from 'commander'

import { configJson, configRows, flagOf, formatProblem, settingNames, settingOf } from '../config/index.ts'
import { exitCodes } from './exit.ts'
import { painter, print, printJson, table, visible } from './io.ts'
import type { Register } from './register.ts'
import { loadFrom, withSettings } from './settings.ts'

/** Adds the command. */
export const registerConfig: Register = (program, { io, run }) => {
  const command = withSettings(program.command('config'))
    .description('show every setting with its origin, and check them; needs no daemon')
    .option('--json', 'machine-readable answer (lattice.config/v1)')
    .addHelpText('after', settingsHelp())
  command.action(
    run((_options, self: Command) => {
      const loaded = loadFrom(self, io)
      const paint = painter(io)
      if (self.opts<{ json?: boolean }>().json === true) {
        printJson(io, configJson(loaded))
      } else {
        const rows = configRows(loaded).map(row => row.map(visible))
        print(io, ...table([['KEY', 'VALUE', 'ORIGIN'], ...rows]), '')
        for (const warning of loaded.warnings)
          print(io, `${paint('yellow', '!')} ${visible(formatProblem(warning))}`)
        const verdict = `${loaded.problems.length} problem${loaded.problems.length === 1 ? '' : 's'}`
        if (loaded.problems.length === 0)
          print(io, loaded.insecure.length === 0 ? 'The configuration is valid.' : refused)
        else
          io.stderr.write(
            `${verdict}:\n${loaded.problems.map(each => `✗ ${visible(formatProblem(each))}\n`).join('')}`,
          )
      }
      if (loaded.problems.length > 0) return exitCodes.config
      return loaded.insecure.length > 0 ? exitCodes.warning : exitCodes.ok
    }),
  )
}

const refused = '`lattice start` refuses the insecure settings above, because ENVIRONMENT is production.'

function settingsHelp(): string {
  const rows = settingNames.map(name => {
    const setting = settingOf(name)
    const flag = setting.secret === true ? `LATTICE_${name}_FILE` : flagOf(name)
    return [`  LATTICE_${name}`, flag, setting.meaning]
  })
  return [
    '\nExample:\n  $ lattice config --config /etc/lattice/lattice.env',
    '\nPrecedence: flag > environment > --config FILE > default. Durations: 5, 5s, 500ms, 2m.',
    'Exit code 78: invalid; 2: valid, but refused in production.',
    '\nSettings:',
    ...table(rows),
  ].join('\n')
}

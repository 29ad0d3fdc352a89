/** `lattice config`: every effective value with its origin, secrets masked, and whatever is wrong with it. */
import type { Command } from 'commander'

import { configJson, configRows, flagOf, formatProblem, settingNames, settingOf } from '../config/index.ts'
import type { Loaded } from '../config/index.ts'
import { exitCodes } from './exit.ts'
import type { ExitCode } from './exit.ts'
import { painter, print, printJson, table, visible } from './io.ts'
import type { CliIo } from './io.ts'
import type { Register } from './register.ts'
import { loadFrom, loadOnlyFile, withSettings } from './settings.ts'
import { counted } from '../counted.ts'

/** Adds the command. */
export const registerConfig: Register = (program, { io, run }) => {
  const group = program
    .command('config')
    .usage('[show|validate] [options]')
    .description('show every setting with its origin, and check them; needs no daemon')
    .addHelpText('after', settingsHelp())
  withSettings(group.command('show', { isDefault: true }))
    .description('every effective value with its origin; what `lattice config` does without a word')
    .option('--origin', 'tell where each value comes from (always done)')
    .option('--json', 'machine-readable answer (lattice.config/v1)')
    .action(
      run((_options, self: Command) => {
        const loaded = loadFrom(self, io)
        if (wantsJson(self)) printJson(io, configJson(loaded))
        else showAll(loaded, io)
        return verdict(loaded)
      }),
    )
  group
    .command('validate <file>')
    .description(
      'check one file by itself, without the environment of this shell; nothing is opened or called',
    )
    .option('--json', 'machine-readable answer (lattice.config/v1)')
    .addHelpText('after', '\nExample:\n  $ lattice config validate /etc/lattice/lattice.env')
    .action(
      run((file: string, _options, self: Command) => {
        const loaded = loadOnlyFile(file, io)
        if (wantsJson(self)) printJson(io, configJson(loaded))
        else showFindings(loaded, io)
        return verdict(loaded)
      }),
    )
}

function wantsJson(command: Command): boolean {
  return command.opts<{ json?: boolean }>().json === true
}

function verdict(loaded: Loaded): ExitCode {
  if (loaded.problems.length > 0) return exitCodes.config
  return loaded.insecure.length > 0 ? exitCodes.warning : exitCodes.ok
}

function showAll(loaded: Loaded, io: CliIo): void {
  const rows = configRows(loaded).map(row => row.map(visible))
  print(io, ...table([['KEY', 'VALUE', 'ORIGIN'], ...rows]), '')
  showFindings(loaded, io)
}

function showFindings(loaded: Loaded, io: CliIo): void {
  const paint = painter(io)
  const { problems, warnings, insecure } = loaded
  for (const warning of warnings) print(io, `${paint('yellow', '!')} ${visible(formatProblem(warning))}`)
  if (problems.length === 0) {
    print(io, insecure.length === 0 ? 'The configuration is valid.' : refused)
    return
  }
  const lines = problems.map(each => `✗ ${visible(formatProblem(each))}\n`)
  io.stderr.write(`${counted(problems.length, 'problem')}:\n${lines.join('')}`)
}

const refused = '`lattice start` refuses the insecure settings above, because ENVIRONMENT is production.'

function settingsHelp(): string {
  const rows = settingNames.map(name => {
    const setting = settingOf(name)
    const flag = setting.secret === true ? `LATTICE_${name}_FILE` : flagOf(name)
    return [`  LATTICE_${name}`, flag, setting.meaning]
  })
  return [
    '\nAll take --json.',
    '\nExample:\n  $ lattice config --config /etc/lattice/lattice.env',
    '\nPrecedence: flag > environment > --config FILE > default. Durations: 5, 5s, 500ms, 2m.',
    'Exit code 78: invalid; 2: valid, but refused in production.',
    '\nSettings:',
    ...table(rows),
  ].join('\n')
}

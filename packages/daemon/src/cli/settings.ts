/** The settings as flags, and the configuration as commands use it. */
import { Option } from 'commander'
import type { Command } from 'commander'

import { flagOf, formatProblem, loadConfig, settingNames, settingOf } from '../config/index.ts'
import type { Loaded, SettingName } from '../config/index.ts'
import { CliError, exitCodes } from './exit.ts'
import type { CliIo } from './io.ts'

/** Adds `--config FILE`. */
export function withConfigFile(command: Command): Command {
  return command.option('--config <file>', 'env file with LATTICE_KEY=value lines')
}

/** Adds `--config FILE` and one flag for each setting that is not a secret. */
export function withSettings(command: Command, only: readonly SettingName[] = settingNames): Command {
  return withSettingFlags(withConfigFile(command), only)
}

/** Adds one flag for each setting that is not a secret. */
export function withSettingFlags(command: Command, only: readonly SettingName[] = settingNames): Command {
  for (const name of only) {
    const setting = settingOf(name)
    if (setting.secret === true) continue
    const option = new Option(`${flagOf(name)} <value>`, `${setting.meaning} (${setting.form})`)
    command.addOption(option)
  }
  return command
}

/** Loads the configuration from the flags of a command, the environment and the file. */
export function loadFrom(command: Command, io: CliIo): Loaded {
  const { config } = command.opts<{ config?: string }>()
  return loadConfig({ env: io.env, flags: flagsOf(command), file: config, cwd: io.cwd })
}

/**
 * As `loadFrom`, for a command that goes by the named settings: ends it where one of them is at fault, lest a
 * default be taken for what the operator meant. Faults of other settings are not its business.
 */
export function loadNeeded(command: Command, io: CliIo, names: readonly SettingName[]): Loaded {
  const loaded = loadFrom(command, io)
  refuseFaults(loaded, names)
  return loaded
}

/** Throws CONFIG_INVALID with the faults of the named settings. */
export function refuseFaults({ problems, origins }: Loaded, names: readonly SettingName[]): void {
  // A file that cannot be read, or a line of it, may hide a setting that was found nowhere else.
  const mayHide = names.some(name => !wins.has(origins.get(name)?.source ?? 'default'))
  const faults = problems.filter(({ key, setting }) =>
    setting === undefined ? key === undefined && mayHide : names.includes(setting),
  )
  if (faults.length === 0) return
  throw new CliError(exitCodes.config, faults.map(formatProblem).join('\n'), { code: 'CONFIG_INVALID' })
}

/** Sources as strong as the file or stronger. */
const wins: ReadonlySet<string> = new Set(['flag', 'env', 'file'])

/** The settings given as flags, as they were written. */
export function flagsOf(command: Command): Readonly<Partial<Record<SettingName, string>>> {
  const flags: Partial<Record<SettingName, string>> = {}
  const given = command.opts<Record<string, unknown>>()
  for (const name of settingNames) {
    const value = given[attributeOf(name)]
    if (typeof value === 'string') flags[name] = value
  }
  return flags
}

/** What flags alone would make: to check them without the surroundings. */
export function loadOnlyFlags(flags: ReturnType<typeof flagsOf>, io: CliIo): Loaded {
  return loadConfig({ env: {}, flags, cwd: io.cwd })
}

/** Loads one file and nothing else: what a daemon elsewhere would make of it. */
export function loadOnlyFile(file: string, io: CliIo): Loaded {
  return loadConfig({ env: {}, file, cwd: io.cwd })
}

/** commander's name for a flag: `HTTP_PORT` → `httpPort`. */
function attributeOf(name: SettingName): string {
  return new Option(`${flagOf(name)} <value>`).attributeName()
}

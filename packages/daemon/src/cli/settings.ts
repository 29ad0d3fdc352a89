/** The settings as flags, and the configuration as commands use it. */
import { Option } from 'commander'
import type { Command } from 'commander'

import { flagOf, loadConfig, settingNames, settingOf } from '../config/index.ts'
import type { Loaded, SettingName } from '../config/index.ts'
import type { CliIo } from './io.ts'

/** Adds `--config FILE`. */
export function withConfigFile(command: Command): Command {
  return command.option('--config <file>', 'env file with LATTICE_KEY=value lines')
}

/** Adds `--config FILE` and one flag for each setting that is not a secret. */
export function withSettings(command: Command, only: readonly SettingName[] = settingNames): Command {
  withConfigFile(command)
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
  const flags: Partial<Record<SettingName, string>> = {}
  const given = command.opts<Record<string, unknown>>()
  for (const name of settingNames) {
    const value = given[attributeOf(name)]
    if (typeof value === 'string') flags[name] = value
  }
  const file = typeof given['config'] === 'string' ? given['config'] : undefined
  return loadConfig({ env: io.env, flags, file, cwd: io.cwd })
}

/** commander's name for a flag: `HTTP_PORT` → `httpPort`. */
function attributeOf(name: SettingName): string {
  return new Option(`${flagOf(name)} <value>`).attributeName()
}

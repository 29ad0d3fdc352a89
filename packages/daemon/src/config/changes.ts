/** What differs between two loads of the configuration, and what of it may change while the daemon runs. */
import type { Loaded } from './load.ts'
import { showValue } from './format.ts'
import { settingNames, settingOf } from './schema.ts'
import type { SettingName } from './schema.ts'
import { Secret } from './secret.ts'

/** One setting with another value than before, as it could be written in an env file; secrets masked. */
export interface SettingChange {
  readonly name: SettingName
  readonly from: string
  readonly to: string
  readonly reloadable: boolean
}

/** The settings whose values differ, in the order of the table. */
export function settingChanges(
  before: Pick<Loaded, 'values'>,
  after: Pick<Loaded, 'values'>,
): readonly SettingChange[] {
  return settingNames.flatMap(name => {
    const [old, now] = [before.values.get(name), after.values.get(name)]
    const [from, to] = [showValue(name, old), showValue(name, now)]
    const same = old instanceof Secret && now instanceof Secret ? now.matches(old.reveal()) : from === to
    return same ? [] : [{ name, from, to, reloadable: settingOf(name).reloadable === true }]
  })
}

/**
 * Reload (SIGHUP, `lattice reload`): reads the configuration again, applies what may change while running,
 * and says what needs a restart. A configuration with problems changes nothing.
 *
 * The outcome is also left in STATE_DIR/reload.json: a signal has no answer, and the one who sent it wants
 * one.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { formatProblem, settingChanges } from './config/index.ts'
import type { Config, Loaded, SettingChange, SettingName } from './config/index.ts'
import { prefix } from './config/legacy.ts'
import { sentence } from './failure.ts'
import type { Log } from './host/log.ts'

/** Where the outcome of the last reload is left, within the state directory. */
export const reloadFile = 'reload.json'

/** What a reload did. */
export interface ReloadOutcome {
  /** ISO 8601. */
  readonly at: string
  readonly applied: readonly SettingChange[]
  /** Full names of settings that differ from those in force and wait for a restart. */
  readonly needsRestart: readonly string[]
  /** One line each; with any, nothing was applied. */
  readonly problems: readonly string[]
}

/** What a reloader works on. */
export interface ReloadParts {
  readonly started: Loaded
  readonly stateDir: string
  readonly log: Log
  /** Puts one setting into force. Every reloadable setting has one. */
  readonly appliers: Readonly<Partial<Record<SettingName, (config: Config) => void>>>
}

/** Makes the function that a SIGHUP calls. It never throws. */
export function createReload(parts: ReloadParts): (read: () => Loaded) => ReloadOutcome {
  const inForce = new Map(parts.started.values)
  return read => {
    const outcome = reloadOnce(parts, inForce, read)
    tell(parts.log, outcome)
    try {
      const path = join(parts.stateDir, reloadFile)
      writeFileSync(`${path}.new`, `${JSON.stringify(outcome)}\n`, { mode: 0o600 })
      renameSync(`${path}.new`, path)
    } catch (error) {
      parts.log.warn('the outcome of the reload could not be kept', { reason: sentence(error) })
    }
    return outcome
  }
}

function reloadOnce(
  parts: ReloadParts,
  inForce: Map<SettingName, unknown>,
  read: () => Loaded,
): ReloadOutcome {
  const at = new Date().toISOString()
  const loaded = read()
  const problems = [...loaded.problems, ...loaded.insecure].map(formatProblem)
  const { config } = loaded
  if (config === undefined || problems.length > 0) return { at, applied: [], needsRestart: [], problems }
  const changes = settingChanges({ values: inForce }, loaded)
  const applied = changes.filter(({ name }) => parts.appliers[name] !== undefined)
  for (const { name } of applied) {
    parts.appliers[name]?.(config)
    inForce.set(name, loaded.values.get(name))
  }
  const waiting = changes.filter(change => !applied.includes(change))
  return { at, applied, needsRestart: waiting.map(({ name }) => prefix + name), problems }
}

function tell(log: Log, { applied, needsRestart, problems }: ReloadOutcome): void {
  for (const problem of problems) log.error(`reload refused: ${problem}`, { code: 'CONFIG_INVALID' })
  for (const { name, from, to } of applied)
    log.info(`${prefix}${name}: ${from} → ${to}`, { code: 'RELOADED' })
  if (needsRestart.length > 0) log.warn(`needs a restart: ${needsRestart.join(', ')}`, { code: 'RELOADED' })
  if (problems.length + applied.length + needsRestart.length === 0) log.info('reload: nothing has changed')
}

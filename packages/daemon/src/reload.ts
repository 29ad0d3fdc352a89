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
import type { Tunable } from './engine-params.ts'
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

/** The settings in force: those of the start, and what reloads have changed since. */
export interface InForce {
  readonly config: Config
  readonly loaded: Loaded
}

/** What a reloader works on. */
export interface ReloadParts {
  readonly started: InForce
  readonly log: Log
  /** Puts one setting into force, and says which part of the configuration that is. */
  readonly appliers: Readonly<Partial<Record<SettingName, (config: Config) => Partial<Config>>>>
}

/** Reloads the configuration of a running daemon. */
export interface Reloader {
  /** What a SIGHUP calls. It never throws. */
  readonly reload: (read: () => Loaded) => ReloadOutcome
  /** What a daemon that follows in this process is to start with. */
  readonly inForce: () => InForce
}

/**
 * Reloads of a process in which one daemon may follow another. One that is starting has read its settings
 * already: what is asked for meanwhile it does once it serves.
 */
export class Reloads {
  readonly #first: InForce
  readonly #read: () => Loaded
  #serving: Reloader | undefined
  #isStarting = true
  #isAsked = false

  constructor(first: InForce, read: () => Loaded) {
    this.#first = first
    this.#read = read
  }

  /** A daemon starts, with these settings. */
  starts(): InForce {
    this.#isStarting = true
    return this.#serving?.inForce() ?? this.#first
  }

  /** It serves from now on. */
  serves(daemon: Reloader): void {
    this.#serving = daemon
    this.#isStarting = false
    if (this.#isAsked) this.ask()
  }

  /** What a SIGHUP calls. */
  ask(): void {
    this.#isAsked = this.#isStarting
    if (!this.#isStarting) this.#serving?.reload(this.#read)
  }
}

/** What may change in a daemon while it runs. */
export interface Reloadable {
  readonly started: InForce
  readonly log: Log
  readonly params: Tunable
}

/** Makes the reloader of a daemon. Every reloadable setting has its applier here. */
export function reloaderOf({ started, log, params }: Reloadable): Reloader {
  return createReload({
    started,
    log,
    appliers: {
      LOG_LEVEL: ({ logLevel }) => {
        log.setLevel(logLevel)
        return { logLevel }
      },
      // The engine reads its parameters anew each time it uses one.
      HTTP_POLL_INTERVAL: ({ httpPollIntervalMs }) => {
        params.pollIntervalMs = httpPollIntervalMs
        return { httpPollIntervalMs }
      },
    },
  })
}

/** Makes a reloader. */
export function createReload(parts: ReloadParts): Reloader {
  let inForce = parts.started
  const reload = (read: () => Loaded): ReloadOutcome => {
    const { outcome, now } = reloadOnce(parts, inForce, read)
    inForce = now
    tell(parts.log, outcome)
    try {
      const path = join(inForce.config.stateDir, reloadFile)
      writeFileSync(`${path}.new`, `${JSON.stringify(outcome)}\n`, { mode: 0o600 })
      renameSync(`${path}.new`, path)
    } catch (error) {
      parts.log.warn('the outcome of the reload could not be kept', { reason: sentence(error) })
    }
    return outcome
  }
  return { reload, inForce: () => inForce }
}

function reloadOnce(
  { appliers }: ReloadParts,
  before: InForce,
  read: () => Loaded,
): { readonly outcome: ReloadOutcome; readonly now: InForce } {
  const at = new Date().toISOString()
  const loaded = read()
  const problems = [...loaded.problems, ...loaded.insecure].map(formatProblem)
  const { config } = loaded
  if (config === undefined || problems.length > 0)
    return { outcome: { at, applied: [], needsRestart: [], problems }, now: before }
  const changes = settingChanges(before.loaded, loaded)
  const applied = changes.filter(({ name }) => appliers[name] !== undefined)
  const values = new Map(before.loaded.values)
  let inForce = before.config
  for (const { name } of applied) {
    inForce = { ...inForce, ...appliers[name]?.(config) }
    values.set(name, loaded.values.get(name))
  }
  const waiting = changes.filter(change => !applied.includes(change))
  const needsRestart = waiting.map(({ name }) => prefix + name)
  return {
    outcome: { at, applied, needsRestart, problems },
    now: { config: inForce, loaded: { ...before.loaded, values } },
  }
}

function tell(log: Log, { applied, needsRestart, problems }: ReloadOutcome): void {
  for (const problem of problems) log.error(`reload refused: ${problem}`, { code: 'CONFIG_INVALID' })
  for (const { name, from, to } of applied)
    log.info(`${prefix}${name}: ${from} → ${to}`, { code: 'RELOADED' })
  if (needsRestart.length > 0) log.warn(`needs a restart: ${needsRestart.join(', ')}`, { code: 'RELOADED' })
  if (problems.length + applied.length + needsRestart.length === 0) log.info('reload: nothing has changed')
}

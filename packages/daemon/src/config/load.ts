/**
 * Flag > environment > `--config FILE` > systemd credential > default, for every setting; all problems at
 * once.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'

import { LatticeError } from '@lattice/core'

import { detectSpace } from '../host/space.ts'
import { checkConfig } from './checks.ts'
import { buildConfig } from './config.ts'
import type { Config, Lookup } from './config.ts'
import { envFileLengthMax } from './env-file.ts'
import { findPlaceholder, prefix } from './legacy.ts'
import { settingNames, settingOf } from './schema.ts'
import type { HostFacts, SettingName, SettingValue } from './schema.ts'
import { collect } from './sources.ts'
import type { Candidate, ConfigProblem, ConfigWarning, Origin } from './sources.ts'

/** Where settings are looked for. */
export interface ConfigInput {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly flags?: Readonly<Partial<Record<SettingName, string>>>
  /** Path of the env file; without it `LATTICE_CONFIG` in the environment names one. */
  readonly file?: string | undefined
  /** Relative paths start here; the working directory by default. */
  readonly cwd?: string
}

/** What was found. `config` is there unless a problem stands in the way. */
export interface Loaded {
  readonly config: Config | undefined
  readonly values: ReadonlyMap<SettingName, unknown>
  /** The value of one setting, also where others are at fault. */
  readonly lookup: Lookup
  readonly origins: ReadonlyMap<SettingName, Origin>
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly ConfigWarning[]
  /** Settings that `start` refuses in production; already among the warnings (kind `insecure`). */
  readonly insecure: readonly ConfigProblem[]
}

/** Reads all sources; never throws for what they hold. */
export function loadConfig(input: ConfigInput): Loaded {
  const cwd = input.cwd ?? process.cwd()
  const facts: HostFacts = { space: detectSpace(input.env) }
  const problems: ConfigProblem[] = []
  const file = readConfigFile(input.file ?? nonEmpty(input.env['LATTICE_CONFIG']), cwd, problems)
  const credentials = listDirectory(input.env['CREDENTIALS_DIRECTORY'])
  const flags = input.flags ?? {}
  const collected = collect({ flags, env: input.env, ...(file === undefined ? {} : { file }), credentials })
  problems.push(...collected.problems)
  const candidates = [...collected.candidates, ...platformCandidates(input.env)]
  const values = new Map<SettingName, unknown>()
  const origins = new Map<SettingName, Origin>()
  for (const name of settingNames) {
    const own = candidates.filter(candidate => candidate.name === name && isSet(candidate))
    const chosen = own[0] ?? defaultCandidate(name, facts)
    origins.set(name, chosen?.origin ?? { source: 'default' })
    if (chosen === undefined) continue
    const value = readValue(chosen, own[1], cwd, problems)
    if (value !== undefined) values.set(name, value)
  }
  // The table gives each name its parser, so the value under a name has the type of that name.
  const lookup: Lookup = <N extends SettingName>(name: N) => values.get(name) as SettingValue<N> | undefined
  const found = { values, origins, lookup }
  if (problems.length > 0) {
    return { ...found, config: undefined, problems, warnings: collected.warnings, insecure: [] }
  }
  const config = buildConfig(lookup, facts.space, cwd)
  return judged(config, found, collected.warnings)
}

/**
 * The configuration a daemon starts with. Throws CONFIG_INVALID with every problem, insecure settings
 * included.
 */
export function requireConfig(loaded: Loaded): Config {
  const problems = [...loaded.problems, ...loaded.insecure]
  if (loaded.config !== undefined && problems.length === 0) return loaded.config
  throw new LatticeError('CONFIG_INVALID', problems.map(formatProblem).join('\n'))
}

/** One line: key, what is wrong, where. */
export function formatProblem(problem: ConfigProblem | ConfigWarning): string {
  const key = 'key' in problem && problem.key !== undefined ? `${problem.key}: ` : ''
  const where = problem.origin === undefined ? '' : ` (${formatOrigin(problem.origin)})`
  return `${key}${problem.text}${where}`
}

/** Where a value came from, in a few words: `node.env:3:19`, `env LATTICE_HTTP_PORT`, `default`. */
export function formatOrigin(origin: Origin): string {
  switch (origin.source) {
    case 'file':
      return [origin.file, origin.line, origin.column].filter(part => part !== undefined).join(':')
    case 'default':
      return 'default'
    case 'flag':
      return `flag ${origin.name ?? ''}`
    case 'env':
    case 'platform':
      return `env ${origin.name ?? ''}`
    case 'credential':
      return `credential ${origin.name ?? ''}`
  }
}

function judged(
  config: Config,
  found: Pick<Loaded, 'values' | 'origins' | 'lookup'>,
  earlier: readonly ConfigWarning[],
): Loaded {
  const findings = checkConfig(config).map(({ kind, name, text }) => {
    return {
      kind,
      problem: {
        key: prefix + name,
        setting: name,
        text,
        origin: found.origins.get(name) ?? { source: 'default' as const },
      },
    }
  })
  const problems = findings.filter(({ kind }) => kind === 'contradiction').map(({ problem }) => problem)
  const insecure = findings.filter(({ kind }) => kind === 'insecure').map(({ problem }) => problem)
  const warnings = findings.flatMap(({ kind, problem }): ConfigWarning[] =>
    kind === 'contradiction'
      ? []
      : [{ kind, text: `${problem.key}: ${problem.text}`, origin: problem.origin }],
  )
  const usable = problems.length === 0 ? config : undefined
  return { ...found, config: usable, problems, warnings: [...earlier, ...warnings], insecure }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

function isSet(candidate: Candidate): boolean {
  return candidate.text.trim() !== '' || settingOf(candidate.name).emptyIsValue === true
}

/**
 * PORT is how hosting platforms hand out the port; anything that names HTTP_PORT is stronger (contract §2).
 */
function platformCandidates(env: ConfigInput['env']): Candidate[] {
  const text = nonEmpty(env['PORT'])
  if (text === undefined) return []
  return [
    { name: 'HTTP_PORT', text, origin: { source: 'platform', name: 'PORT' }, fromFile: false, rank: 40 },
  ]
}

function defaultCandidate(name: SettingName, facts: HostFacts): Candidate | undefined {
  const text = settingOf(name).fallback(facts)
  if (text === undefined) return undefined
  const plain = facts.space === undefined ? text : settingOf(name).fallback({ space: undefined })
  const platform = name === 'P2P_ANNOUNCE' ? 'SPACE_HOST' : 'SPACE_ID'
  const origin: Origin = plain === text ? { source: 'default' } : { source: 'platform', name: platform }
  return { name, text, origin, fromFile: false, rank: 50 }
}

function readValue(
  chosen: Candidate,
  runnerUp: Candidate | undefined,
  cwd: string,
  problems: ConfigProblem[],
): unknown {
  const { name, origin } = chosen
  const setting = settingOf(name)
  const key = origin.name ?? prefix + name
  const twin = runnerUp !== undefined && runnerUp.fromFile !== chosen.fromFile
  if (twin && runnerUp.origin.source === origin.source && setting.secret === true) {
    const text = `set together with ${runnerUp.origin.name ?? ''} in the same place; keep one of them`
    problems.push({ key, setting: name, text, origin })
    return undefined
  }
  const text = chosen.fromFile ? readSecretFile(chosen, cwd, problems) : chosen.text.trim()
  if (text === undefined) return undefined
  const placeholder = findPlaceholder(text)
  if (placeholder !== undefined) {
    const advice = `still holds the placeholder ${placeholder}; put ${setting.put} there`
    problems.push({ key, setting: name, text: advice, origin })
    return undefined
  }
  const parsed = setting.parse(text)
  if ('value' in parsed) return parsed.value
  problems.push({ key, setting: name, text: parsed.fault, origin })
  return undefined
}

function readSecretFile(candidate: Candidate, cwd: string, problems: ConfigProblem[]): string | undefined {
  const path = resolve(cwd, candidate.text.trim())
  const text = readBounded(
    path,
    candidate.origin,
    { key: candidate.origin.name ?? '', setting: candidate.name },
    problems,
  )
  return text?.trim()
}

function readConfigFile(
  path: string | undefined,
  cwd: string,
  problems: ConfigProblem[],
): { readonly path: string; readonly text: string } | undefined {
  if (path === undefined) return undefined
  const text = readBounded(resolve(cwd, path), { source: 'file', file: path }, {}, problems)
  return text === undefined ? undefined : { path, text }
}

function readBounded(
  path: string,
  origin: Origin,
  named: Pick<ConfigProblem, 'key' | 'setting'>,
  problems: ConfigProblem[],
): string | undefined {
  try {
    const text = readFileSync(path, 'utf8')
    if (text.length <= envFileLengthMax) return text
    problems.push({ ...named, text: `${path} is larger than 1 MiB; is this the right file?`, origin })
  } catch (error) {
    const code = Error.isError(error) && 'code' in error ? String(error.code) : String(error)
    problems.push({ ...named, text: `the file ${path} cannot be read (${code})`, origin })
  }
  return undefined
}

function listDirectory(path: string | undefined): readonly string[] {
  if (path === undefined || path === '') return []
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/**
 * Collects what flags, environment, env file and systemd credentials say, name by name, and judges the
 * names: today's, deprecated, ignored, unknown. Values are not looked at here.
 */
import { join } from 'node:path'

import { nearest } from './nearest.ts'
import { parseEnvFile } from './env-file.ts'
import { aliases, bareNames, legacyNames, legacyPrefixes, prefix } from './legacy.ts'
import { isSettingName, settingNames, settingOf } from './schema.ts'
import type { SettingName } from './schema.ts'

/** Where a value came from. */
export interface Origin {
  readonly source: 'flag' | 'env' | 'file' | 'credential' | 'platform' | 'default'
  /** The name as written there, such as `DIOTEC360_NODE_NAME` or `--http-port`. */
  readonly name?: string
  readonly file?: string
  readonly line?: number
  readonly column?: number
}

/** Something wrong with the configuration: what, and where. */
export interface ConfigProblem {
  /** The name as written. */
  readonly key?: string
  /** The setting meant, where it is known. */
  readonly setting?: SettingName
  readonly text: string
  readonly origin?: Origin
}

/** Something to know that does not stop a start by itself. */
export interface ConfigWarning {
  readonly kind: 'deprecated' | 'ignored' | 'insecure' | 'suspicious'
  readonly text: string
  readonly origin?: Origin
}

/** One value somebody gave to a setting. */
export interface Candidate {
  readonly name: SettingName
  readonly text: string
  readonly origin: Origin
  /** `text` is the path of a file that holds the value. */
  readonly fromFile: boolean
  /** 0 is the strongest. */
  readonly rank: number
}

/** Variables of the command line client: known, but not settings of the daemon. */
export const clientNames: readonly string[] = ['URL', 'CONFIG']

/** All candidates, strongest first, and what was wrong with the names. */
export interface Collected {
  readonly candidates: readonly Candidate[]
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly ConfigWarning[]
}

type Env = Readonly<Record<string, string | undefined>>
type Verdict =
  | {
      readonly kind: 'setting'
      readonly name: SettingName
      readonly preference: number
      readonly fromFile: boolean
    }
  | { readonly kind: 'deprecated'; readonly name: SettingName; readonly preference: number }
  | { readonly kind: 'ignored' }
  | { readonly kind: 'unknown'; readonly hint: string }
  | { readonly kind: 'foreign' }

interface Bag {
  readonly candidates: Candidate[]
  readonly problems: ConfigProblem[]
  readonly warnings: ConfigWarning[]
  readonly ignored: { name: string; origin: Origin }[]
}

// Between two names of one source the preferred prefix wins; between sources, the source does.
const sourceRank = { flag: 0, env: 10, file: 20, credential: 30 } as const

/** Collects every candidate. `file` is the text of the `--config` file, if one was named. */
export function collect(input: {
  readonly flags: Readonly<Partial<Record<SettingName, string>>>
  readonly env: Env
  readonly file?: { readonly path: string; readonly text: string }
  readonly credentials: readonly string[]
}): Collected {
  const bag: Bag = { candidates: [], problems: [], warnings: [], ignored: [] }
  for (const name of settingNames) {
    const text = input.flags[name]
    const flag = `--${name.toLowerCase().replaceAll('_', '-')}`
    if (text === undefined) continue
    bag.candidates.push({
      name,
      text,
      origin: { source: 'flag', name: flag },
      fromFile: false,
      rank: sourceRank.flag,
    })
  }
  for (const [name, text] of Object.entries(input.env)) {
    if (text === undefined || isServiceLink(name, input.env)) continue
    add(bag, name, text, { source: 'env', name }, { source: 'env', name })
  }
  if (input.file !== undefined) collectFile(bag, input.file)
  collectCredentials(bag, input.env['CREDENTIALS_DIRECTORY'], input.credentials)
  tellIgnored(bag)
  bag.candidates.sort((a, b) => a.rank - b.rank)
  return bag
}

function collectFile(bag: Bag, file: { readonly path: string; readonly text: string }): void {
  const parsed = parseEnvFile(file.text)
  for (const { line, column, text } of parsed.faults) {
    bag.problems.push({ text, origin: { source: 'file', file: file.path, line, column } })
  }
  const seen = new Map<string, number>()
  for (const { name, value, line, column, valueColumn } of parsed.assignments) {
    const origin: Origin = { source: 'file', name, file: file.path, line, column }
    const earlier = seen.get(name)
    seen.set(name, line)
    if (earlier !== undefined && name.startsWith(prefix)) {
      bag.problems.push({ key: name, text: `set twice, first on line ${earlier}; keep one`, origin })
    }
    if (earlier !== undefined) drop(bag, name)
    add(bag, name, value, origin, { ...origin, column: valueColumn })
  }
}

function drop(bag: Bag, name: string): void {
  const stale = bag.candidates.findIndex(({ origin }) => origin.source === 'file' && origin.name === name)
  if (stale >= 0) bag.candidates.splice(stale, 1)
}

function add(bag: Bag, name: string, text: string, nameOrigin: Origin, origin: Origin): void {
  const verdict = judge(name, nameOrigin.source === 'file')
  const base = sourceRank[nameOrigin.source === 'file' ? 'file' : 'env']
  switch (verdict.kind) {
    case 'setting':
      bag.candidates.push({
        name: verdict.name,
        text,
        origin,
        fromFile: verdict.fromFile,
        rank: base + verdict.preference,
      })
      return
    case 'deprecated':
      if (
        !bag.warnings.some(
          warning => warning.origin?.name === name && warning.origin.source === origin.source,
        )
      ) {
        const text = `${name} is deprecated; write ${prefix}${verdict.name}`
        bag.warnings.push({ kind: 'deprecated', text, origin: nameOrigin })
      }
      bag.candidates.push({
        name: verdict.name,
        text,
        origin,
        fromFile: false,
        rank: base + verdict.preference,
      })
      return
    case 'ignored':
      bag.ignored.push({ name, origin: nameOrigin })
      return
    case 'unknown':
      bag.problems.push({ key: name, text: `unknown key; ${verdict.hint}`, origin: nameOrigin })
      return
    case 'foreign':
  }
}

function judge(name: string, inFile: boolean): Verdict {
  if (name.startsWith(prefix)) return judgePrefixed(name)
  for (const [index, legacyPrefix] of legacyPrefixes.entries()) {
    if (!name.startsWith(legacyPrefix)) continue
    const setting = legacyNames.get(name.slice(legacyPrefix.length))
    return setting === undefined
      ? { kind: 'ignored' }
      : { kind: 'deprecated', name: setting, preference: 3 + index }
  }
  if (!inFile) return { kind: 'foreign' }
  const bare = bareNames.get(name)
  if (bare !== undefined) return { kind: 'deprecated', name: bare, preference: 5 }
  const close = nearest(name, fullNames)
  if (close !== undefined && close.distance <= 2)
    return { kind: 'unknown', hint: `did you mean ${close.name}?` }
  return { kind: 'ignored' }
}

function judgePrefixed(name: string): Verdict {
  const rest = name.slice(prefix.length)
  if (isSettingName(rest)) return { kind: 'setting', name: rest, preference: 0, fromFile: false }
  const target = rest.endsWith('_FILE') ? rest.slice(0, -'_FILE'.length) : ''
  if (isSettingName(target) && settingOf(target).secret === true) {
    return { kind: 'setting', name: target, preference: 1, fromFile: true }
  }
  const alias = aliases.get(rest)
  if (alias !== undefined) return { kind: 'setting', name: alias, preference: 2, fromFile: false }
  if (clientNames.includes(rest)) return { kind: 'foreign' }
  const renamed = legacyNames.get(rest) ?? bareNames.get(rest)
  if (renamed !== undefined) return { kind: 'unknown', hint: `did you mean ${prefix}${renamed}?` }
  return { kind: 'unknown', hint: suggestion(rest) }
}

const fullNames: readonly string[] = settingNames.map(name => prefix + name)

function suggestion(rest: string): string {
  const secretFiles = settingNames.filter(name => settingOf(name).secret === true).map(name => `${name}_FILE`)
  const found = nearest(rest, [...settingNames, ...secretFiles])
  if (found === undefined) return 'see `lattice help config`'
  const near = rest.startsWith(found.name) || found.distance <= Math.max(2, Math.floor(rest.length / 3))
  return near ? `did you mean ${prefix}${found.name}?` : `the nearest key is ${prefix}${found.name}`
}

/**
 * Kubernetes injects LATTICE_PORT, LATTICE_SERVICE_HOST … wherever a Service is called "lattice": not ours.
 */
function isServiceLink(name: string, env: Env): boolean {
  return env['KUBERNETES_SERVICE_HOST'] !== undefined && /^LATTICE_(SERVICE_|PORT($|_\d))/.test(name)
}

function collectCredentials(bag: Bag, directory: string | undefined, present: readonly string[]): void {
  if (directory === undefined) return
  for (const name of settingNames.filter(each => settingOf(each).secret === true)) {
    const file = present.find(
      entry =>
        entry
          .toUpperCase()
          .replaceAll('-', '_')
          .replace(/^LATTICE_/, '') === name,
    )
    if (file === undefined) continue
    const path = join(directory, file)
    const origin: Origin = { source: 'credential', name: file, file: path }
    bag.candidates.push({ name, text: path, origin, fromFile: true, rank: sourceRank.credential })
  }
}

function tellIgnored(bag: Bag): void {
  const [first] = bag.ignored
  if (first === undefined) return
  const names = [...new Set(bag.ignored.map(({ name }) => describeIgnored(name)))].sort()
  const count = names.length === 1 ? 'one name has' : `${names.length} names have`
  const text = `${count} no meaning here and no effect: `
  bag.warnings.push({ kind: 'ignored', text: text + names.join(', '), origin: first.origin })
}

function describeIgnored(name: string): string {
  const bare = legacyPrefixes.reduce(
    (rest, each) => (rest.startsWith(each) ? rest.slice(each.length) : rest),
    name,
  )
  const meant = isSettingName(bare) ? bare : legacyNames.get(bare)
  return meant === undefined ? name : `${name} (write ${prefix}${meant})`
}

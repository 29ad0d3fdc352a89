/**
 * The configuration as text and as JSON: every effective value with its origin, secrets masked.
 */
import { formatDuration } from '@lattice/api'
import { isNodeId } from '@lattice/core'
import type { JsonValue } from '@lattice/core'

import type { Loaded } from './load.ts'
import { formatOrigin, formatProblem } from './load.ts'
import { prefix } from './legacy.ts'
import { peerIdFromNodeId } from '../host/peer-id.ts'
import { settingNames, settingOf } from './schema.ts'
import type { SettingName } from './schema.ts'
import { Secret, secretMask } from './secret.ts'
import type { BootstrapAddress, FlapLimit } from './values.ts'

const generated: Readonly<Partial<Record<SettingName, string>>> = {
  NODE_PRIVKEY_HEX: '(STATE_DIR/identity.key)',
  ADMIN_TOKEN: '(STATE_DIR/admin.token)',
}

/** A value as it could be written in an env file; secrets are `***`. */
export function showValue(name: SettingName, value: unknown): string {
  if (value === undefined) return generated[name] ?? '(unset)'
  if (value instanceof Secret) return secretMask
  if (Array.isArray(value)) return value.map(showItem).join(',')
  if (isFlapLimit(value)) return `${value.count}/${formatDuration(value.windowMs)}`
  if (typeof value === 'number' && settingOf(name).form.startsWith('duration')) return formatDuration(value)
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return String(value)
  throw new Error(`setting ${name} has a value of an unknown form`)
}

function showItem(item: unknown): string {
  if (isBootstrap(item)) return item.address
  const text = String(item)
  return isNodeId(text) ? peerIdFromNodeId(text) : text
}

function isFlapLimit(value: unknown): value is FlapLimit {
  return typeof value === 'object' && value !== null && 'windowMs' in value
}

function isBootstrap(value: unknown): value is BootstrapAddress {
  return typeof value === 'object' && value !== null && 'address' in value
}

/** Rows `[key, value, origin]` of every setting, in the order of the table. */
export function configRows(loaded: Loaded): readonly (readonly [string, string, string])[] {
  return settingNames.map(name => {
    const origin = loaded.origins.get(name) ?? { source: 'default' as const }
    const via = origin.source === 'file' && origin.name !== prefix + name ? ` ${origin.name ?? ''}` : ''
    return [prefix + name, showValue(name, loaded.values.get(name)), formatOrigin(origin) + via]
  })
}

/** The answer of `lattice config --json`. */
export function configJson(loaded: Loaded): JsonValue {
  const values: Record<string, JsonValue> = {}
  for (const name of settingNames) {
    const {
      source,
      name: written,
      file,
      line,
      column,
    } = loaded.origins.get(name) ?? { source: 'default' as const }
    values[prefix + name] = {
      value: loaded.values.has(name) ? showValue(name, loaded.values.get(name)) : null,
      secret: settingOf(name).secret === true,
      reloadable: settingOf(name).reloadable === true,
      origin: JSON.parse(JSON.stringify({ source, name: written, file, line, column })) as JsonValue,
    }
  }
  const warnings = loaded.warnings.map(warning => ({ kind: warning.kind, text: formatProblem(warning) }))
  const problems = loaded.problems.map(problem => ({
    key: problem.key ?? null,
    text: formatProblem(problem),
  }))
  return { schema: 'lattice.config/v1', valid: problems.length === 0, values, problems, warnings }
}

/** Where the values came from, for the banner: `defaults, node.env, environment`. */
export function configSources(loaded: Loaded): string {
  const words = new Set<string>(['defaults'])
  for (const origin of loaded.origins.values()) {
    if (origin.source === 'file') words.add(origin.file ?? 'file')
    else if (origin.source === 'flag') words.add('flags')
    else if (origin.source === 'credential') words.add('credentials')
    else if (origin.source !== 'default') words.add('environment')
  }
  return [...words].join(', ')
}

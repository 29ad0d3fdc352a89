/**
 * Names of the earlier system (contract §2.1). They are read so that an old deployment starts unchanged,
 * and each use is told once with the name to write instead.
 */
import type { SettingName } from './schema.ts'

/** The prefix of all settings. */
export const prefix = 'LATTICE_'

/** Prefixes of the earlier system, preferred first. */
export const legacyPrefixes = ['DIOTEC360_', 'AETHEL_'] as const

/** Names read behind a legacy prefix → today's setting. */
export const legacyNames: ReadonlyMap<string, SettingName> = new Map([
  ['P2P_ENABLED', 'P2P_ENABLED'],
  ['P2P_LISTEN', 'P2P_LISTEN'],
  ['P2P_TOPIC', 'P2P_TOPIC'],
  ['P2P_BOOTSTRAP', 'P2P_BOOTSTRAP'],
  ['LATTICE_NODES', 'NODES'],
  ['STATE_DIR', 'STATE_DIR'],
  ['HEARTBEAT_INTERVAL', 'HEARTBEAT_INTERVAL'],
  ['PEERLESS_TIMEOUT', 'PEERLESS_TIMEOUT'],
  ['HTTP_POLL_INTERVAL', 'HTTP_POLL_INTERVAL'],
  ['NODE_NAME', 'NODE_NAME'],
  ['NODE_ROLE', 'NODE_ROLE'],
  ['ENVIRONMENT', 'ENVIRONMENT'],
  ['LOG_LEVEL', 'LOG_LEVEL'],
  ['NODE_PRIVKEY_HEX', 'NODE_PRIVKEY_HEX'],
  ['TRUSTED_STATE_PUBKEYS', 'TRUSTED_KEYS'],
  ['CORS_ORIGINS', 'CORS_ORIGINS'],
])

/**
 * Names read without any prefix, from an env file only: a bare LOG_LEVEL in the environment belongs to
 * somebody else.
 */
export const bareNames: ReadonlyMap<string, SettingName> = new Map([
  ['NODE_NAME', 'NODE_NAME'],
  ['NODE_ROLE', 'NODE_ROLE'],
  ['API_HOST', 'HTTP_HOST'],
  ['API_PORT', 'HTTP_PORT'],
  ['CORS_ORIGINS', 'CORS_ORIGINS'],
  ['LOG_LEVEL', 'LOG_LEVEL'],
])

/**
 * Spellings behind `LATTICE_` that mean another setting: the contract's alias, and a legacy name with
 * today's prefix.
 */
export const aliases: ReadonlyMap<string, SettingName> = new Map([['LATTICE_NODES', 'NODES']])

const placeholders = [
  /GENERATE_AND_REPLACE\w*/i,
  /\bPEER_ID_\w+/,
  /\b(CHANGE|REPLACE)_?(ME|THIS|WITH)\w*/i,
  /\bYOUR_[A-Z0-9_]+/,
  /<[A-Za-z][\w .-]*>/,
]

/** The placeholder a template left in `text`, such as `PEER_ID_1`; undefined where there is none. */
export function findPlaceholder(text: string): string | undefined {
  for (const pattern of placeholders) {
    const match = pattern.exec(text)
    if (match !== null) return match[0]
  }
  return undefined
}

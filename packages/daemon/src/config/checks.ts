/**
 * What no single value shows: settings that contradict each other, and settings that are unsafe in
 * production.
 */
import { existsSync } from 'node:fs'
import { join, sep } from 'node:path'

import { formatDuration } from '@lattice/api'

import { adminTokenFile } from '../host/admin-token.ts'
import type { Config } from './config.ts'
import { prefix } from './legacy.ts'
import type { SettingName } from './schema.ts'

/** One finding about the configuration as a whole. */
export interface Finding {
  /**
   * contradiction: never starts. insecure: does not start in production. suspicious: starts, worth a look.
   */
  readonly kind: 'contradiction' | 'insecure' | 'suspicious'
  readonly name: SettingName
  readonly text: string
}

/** Whether only this machine can reach a listener on `host`. */
export function isLoopbackHost(host: string): boolean {
  const bare = host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
  return (
    bare === 'localhost' || bare.endsWith('.localhost') || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare)
  )
}

/** Everything worth saying about a configuration whose single values are fine. */
export function checkConfig(config: Config): readonly Finding[] {
  return [
    ...contradictions(config),
    ...suspicions(config),
    ...(isProduction(config) ? insecurities(config) : []),
  ]
}

function isProduction(config: Config): boolean {
  return config.environment === 'production'
}

function contradictions(config: Config): Finding[] {
  const found: Finding[] = []
  const { heartbeatIntervalMs, peerlessTimeoutMs, holdDownMs, holdDownMaxMs } = config
  if (peerlessTimeoutMs <= heartbeatIntervalMs) {
    const limit = `${prefix}HEARTBEAT_INTERVAL (${formatDuration(heartbeatIntervalMs)})`
    const text = `${formatDuration(peerlessTimeoutMs)} is not longer than ${limit}; allow several heartbeats`
    found.push({ kind: 'contradiction', name: 'PEERLESS_TIMEOUT', text })
  }
  if (holdDownMaxMs < holdDownMs) {
    const limit = `${prefix}HOLD_DOWN (${formatDuration(holdDownMs)})`
    const text = `${formatDuration(holdDownMaxMs)} is shorter than ${limit}`
    found.push({ kind: 'contradiction', name: 'HOLD_DOWN_MAX', text })
  }
  const { snapshotDir, stateDir } = config
  if (snapshotDir !== undefined && (isWithin(snapshotDir, stateDir) || isWithin(stateDir, snapshotDir))) {
    const text = `${snapshotDir} and ${prefix}STATE_DIR lie in each other; a snapshot must outlive the state`
    found.push({ kind: 'contradiction', name: 'SNAPSHOT_DIR', text })
  }
  return found
}

function isWithin(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep)
}

function suspicions(config: Config): Finding[] {
  const found: Finding[] = []
  const trusted = new Set(config.trustedKeys)
  const strangers = config.p2pBootstrap
    .filter(({ nodeId }) => !trusted.has(nodeId))
    .map(({ peerId }) => peerId)
  if (strangers.length > 0) {
    const text = `${strangers.join(', ')} will be refused: not in ${prefix}TRUSTED_KEYS`
    found.push({ kind: 'suspicious', name: 'P2P_BOOTSTRAP', text })
  }
  const both = config.formerKeys.filter(key => trusted.has(key))
  if (both.length > 0) {
    const text = `${both.join(', ')} is also in ${prefix}TRUSTED_KEYS, and stays a member; remove it from one`
    found.push({ kind: 'suspicious', name: 'FORMER_KEYS', text })
  }
  if (!config.p2pEnabled && config.nodes.length === 0 && trusted.size > 0) {
    const text = `P2P is off and no node is named here: this node only waits to be called`
    found.push({ kind: 'suspicious', name: 'NODES', text })
  }
  if (isProduction(config) && config.corsOrigins.includes('*')) {
    found.push({
      kind: 'suspicious',
      name: 'CORS_ORIGINS',
      text: 'any web page may read this node; name the origins',
    })
  }
  return found
}

function insecurities(config: Config): Finding[] {
  const found: Finding[] = []
  if (config.trustedKeys.length === 0) {
    const text = 'production needs the members of the federation; `lattice id` prints the key of each node'
    found.push({ kind: 'insecure', name: 'TRUSTED_KEYS', text })
  }
  const token = config.adminToken !== undefined || existsSync(join(config.stateDir, adminTokenFile))
  if (!token && !isLoopbackHost(config.httpHost)) {
    const advice = `set ${prefix}ADMIN_TOKEN or ${prefix}ADMIN_TOKEN_FILE, or listen on 127.0.0.1`
    const where = `the API listens on ${config.httpHost}, beyond this machine`
    const text = `${where}, without a token of yours; ${advice}`
    found.push({ kind: 'insecure', name: 'ADMIN_TOKEN', text })
  }
  for (const url of config.nodes) {
    if (!url.startsWith('http://') || isLoopbackHost(new URL(url).hostname)) continue
    found.push({
      kind: 'insecure',
      name: 'NODES',
      text: `${url} is not encrypted; write https:// in production`,
    })
  }
  return found
}

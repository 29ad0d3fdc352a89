/**
 * The configuration as the rest of the daemon sees it: typed, frozen, with units in the names.
 */
import { resolve } from 'node:path'

import type { NodeId } from '@lattice/core'

import type { Space } from '../host/space.ts'
import type { Secret } from './secret.ts'
import type { SettingName, SettingValue } from './schema.ts'
import type { BootstrapAddress, FlapLimit } from './values.ts'

/** Everything a node was told. Durations in milliseconds; lists without repetitions; paths absolute. */
export interface Config {
  readonly nodeName: string
  readonly nodeRole: string
  readonly environment: 'development' | 'test' | 'staging' | 'production'
  readonly httpHost: string
  /** 0: any free port. */
  readonly httpPort: number
  readonly stateDir: string
  /** Absolute; undefined: no snapshots. */
  readonly snapshotDir: string | undefined
  readonly snapshotIntervalMs: number
  readonly p2pEnabled: boolean
  readonly p2pListen: readonly string[]
  /** Empty: derive from where P2P really listens. */
  readonly p2pAnnounce: readonly string[]
  readonly p2pBootstrap: readonly BootstrapAddress[]
  readonly p2pTopic: string
  /** Base URLs without trailing slash. */
  readonly nodes: readonly string[]
  readonly trustedKeys: readonly NodeId[]
  /** Members of the past, whose entries stay good. */
  readonly formerKeys: readonly NodeId[]
  readonly nodePrivkeyHex: Secret | undefined
  readonly adminToken: Secret | undefined
  readonly heartbeatIntervalMs: number
  readonly peerlessTimeoutMs: number
  readonly httpPollIntervalMs: number
  readonly p2pStableAfterMs: number
  readonly hedgeAfterMs: number
  readonly holdDownMs: number
  readonly holdDownMaxMs: number
  readonly flapLimit: FlapLimit
  readonly redialMaxMs: number
  readonly tombstoneRetentionMs: number
  /** Origins, or `*`. */
  readonly corsOrigins: readonly string[]
  /** Whether anybody may read `/status`. */
  readonly statusPage: boolean
  readonly historyBytesMax: number
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug'
  readonly logFormat: 'auto' | 'human' | 'json'
  readonly space: Space | undefined
}

/** Looks up the parsed value of a setting; undefined where nothing was set and nothing is the default. */
export type Lookup = <N extends SettingName>(name: N) => SettingValue<N> | undefined

/** Builds the frozen configuration; `get` must know every setting that has a default. */
export function buildConfig(get: Lookup, space: Space | undefined, cwd: string): Config {
  const must = <N extends SettingName>(name: N): SettingValue<N> => {
    const value = get(name)
    if (value === undefined) throw new Error(`setting ${name} has neither value nor default`)
    return value
  }
  return Object.freeze({
    nodeName: must('NODE_NAME'),
    nodeRole: must('NODE_ROLE'),
    environment: must('ENVIRONMENT'),
    httpHost: must('HTTP_HOST'),
    httpPort: must('HTTP_PORT'),
    stateDir: resolve(cwd, must('STATE_DIR')),
    snapshotDir: get('SNAPSHOT_DIR') === undefined ? undefined : resolve(cwd, get('SNAPSHOT_DIR') ?? ''),
    snapshotIntervalMs: must('SNAPSHOT_INTERVAL'),
    p2pEnabled: must('P2P_ENABLED'),
    p2pListen: must('P2P_LISTEN'),
    p2pAnnounce: must('P2P_ANNOUNCE'),
    p2pBootstrap: must('P2P_BOOTSTRAP'),
    p2pTopic: must('P2P_TOPIC'),
    nodes: must('NODES'),
    trustedKeys: must('TRUSTED_KEYS'),
    formerKeys: must('FORMER_KEYS'),
    nodePrivkeyHex: get('NODE_PRIVKEY_HEX'),
    adminToken: get('ADMIN_TOKEN'),
    heartbeatIntervalMs: must('HEARTBEAT_INTERVAL'),
    peerlessTimeoutMs: must('PEERLESS_TIMEOUT'),
    httpPollIntervalMs: must('HTTP_POLL_INTERVAL'),
    p2pStableAfterMs: must('P2P_STABLE_AFTER'),
    hedgeAfterMs: must('HEDGE_AFTER'),
    holdDownMs: must('HOLD_DOWN'),
    holdDownMaxMs: must('HOLD_DOWN_MAX'),
    flapLimit: Object.freeze(must('FLAP_LIMIT')),
    redialMaxMs: must('REDIAL_MAX'),
    tombstoneRetentionMs: must('TOMBSTONE_RETENTION'),
    corsOrigins: must('CORS_ORIGINS'),
    statusPage: must('STATUS_PAGE'),
    historyBytesMax: must('HISTORY_MIB') * 1_048_576,
    logLevel: must('LOG_LEVEL'),
    logFormat: must('LOG_FORMAT'),
    space,
  })
}

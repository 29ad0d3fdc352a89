/**
 * Every setting in one table (contract §2): how it is read, what it is without being set, what it means.
 *
 * The loader, `lattice config`, `lattice help config`, the flags of `lattice start` and the reference page
 * all come from here, so a setting cannot lack one of its forms.
 */
import { hostname } from 'node:os'

import { formatDuration } from '@lattice/api'

import { spaceAnnounce, spacePort } from '../host/space.ts'
import type { Space } from '../host/space.ts'
import * as values from './values.ts'
import type { Parse } from './values.ts'

/** One setting. */
export interface Setting<T> {
  readonly parse: Parse<T>
  /** What it is when nobody sets it; undefined where there is no value then. */
  readonly fallback: (host: HostFacts) => string | undefined
  /** The form of the value, for help and reference. */
  readonly form: string
  readonly meaning: string
  /** What to put where a template's placeholder was left in; shown as "put … there". */
  readonly put: string
  /** Read from the environment, a file or `…_FILE` only; never printed. */
  readonly secret?: true
  /** Takes effect on reload; everything else needs a restart. */
  readonly reloadable?: true
  /** An empty text is a value (an empty list) and not the same as leaving the key out. */
  readonly emptyIsValue?: true
}

/** What the defaults depend on. */
export interface HostFacts {
  readonly space: Space | undefined
}

type Options = Partial<Pick<Setting<unknown>, 'secret' | 'reloadable' | 'emptyIsValue'>>
type Fallback = string | ((host: HostFacts) => string | undefined) | undefined

function setting<const T>(
  parse: Parse<T>,
  fallback: Fallback,
  [form, meaning, put]: readonly [form: string, meaning: string, put: string],
  options: Options = {},
): Setting<T> {
  return {
    parse,
    fallback: typeof fallback === 'function' ? fallback : () => fallback,
    form,
    meaning,
    put,
    ...options,
  }
}

const label = values.parseText(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
  'a name of 1 to 64 letters, digits, dots, dashes',
)
const list: Options = { emptyIsValue: true }
const reloadable: Options = { reloadable: true }
const second = 1000
const minute = 60 * second
const hour = 60 * minute

function duration(
  fallback: string,
  minMs: number,
  maxMs: number,
  meaning: string,
  options?: Options,
): Setting<number> {
  const form = `duration, ${formatDuration(minMs)} to ${formatDuration(maxMs)}`
  return setting(
    values.parseDurationWithin(minMs, maxMs),
    fallback,
    [form, meaning, `a duration such as ${fallback}`],
    options,
  )
}

function hostLabel(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64)
  return name === '' ? 'node' : name
}

/** Name without prefix → setting. The order is the order of every listing. */
export const settings = {
  NODE_NAME: setting(label, hostLabel, ['name', 'shown in status, logs and metrics', 'a name such as node1']),
  NODE_ROLE: setting(label, 'node', [
    'name',
    'role shown to others; in use: genesis-public, genesis-primary, genesis-backup',
    'a role such as genesis-backup',
  ]),
  ENVIRONMENT: setting(values.parseWord(['development', 'test', 'staging', 'production']), 'development', [
    'development | test | staging | production',
    'with production, insecure settings are refused at start',
    'production or development',
  ]),
  HTTP_HOST: setting(
    values.parseText(/^[A-Za-z0-9_.:-]{1,253}$/, 'an IP address or host name'),
    ({ space }) => (space === undefined ? '127.0.0.1' : '0.0.0.0'),
    [
      'IP address or host name',
      'where REST, dashboard, HTTP sync and WebSockets listen',
      'an address such as 127.0.0.1',
    ],
  ),
  HTTP_PORT: setting(values.parsePort, ({ space }) => String(space === undefined ? 8000 : spacePort), [
    'port, 0 to 65535',
    'the one HTTP port; 0 takes a free one',
    'a port such as 8000',
  ]),
  STATE_DIR: setting(values.parseText(/^[^\u0000]{1,4096}$/, 'a path'), './data', [
    'path',
    'store, identity and history; mode 0700',
    'a directory such as /var/lib/lattice',
  ]),
  SNAPSHOT_DIR: setting(values.parseText(/^[^\u0000]{1,4096}$/, 'a path'), undefined, [
    'path',
    'a directory outside STATE_DIR, such as a mounted bucket, for snapshots; read at a start with an empty disk',
    'a directory such as /data/lattice',
  ]),
  SNAPSHOT_INTERVAL: duration(
    '10m',
    second,
    24 * hour,
    'how often a changed state is written to SNAPSHOT_DIR',
  ),
  P2P_ENABLED: setting(values.parseBoolean, 'true', [
    'boolean',
    'false is the HTTP-Only Resilience Mode',
    'true or false',
  ]),
  P2P_LISTEN: setting(
    values.parseList(values.parseAddress),
    '/ip4/127.0.0.1/tcp/9000',
    [
      'multiaddrs',
      'where P2P listens; loopback only by default',
      'a multiaddr such as /ip4/0.0.0.0/tcp/9000',
    ],
    list,
  ),
  P2P_ANNOUNCE: setting(
    values.parseList(values.parseAddress),
    ({ space }) => (space === undefined ? undefined : spaceAnnounce(space)) ?? '',
    [
      'multiaddrs',
      'addresses to be dialled at; empty means derived from P2P_LISTEN',
      'an address such as /dns4/node1.example.org/tcp/9000',
    ],
    list,
  ),
  P2P_BOOTSTRAP: setting(
    values.parseList(values.parseBootstrap, item => item.address),
    '',
    [
      'multiaddrs with /p2p/<peer id>',
      'peers to dial, for ever',
      'the real peer id: run `lattice id` on that node and copy what it prints',
    ],
    list,
  ),
  P2P_TOPIC: setting(
    values.parseText(/^[!-~]{1,128}$/, 'a topic of 1 to 128 visible ASCII characters'),
    'aethel/lattice/v1',
    ['text', 'gossip topic; equal on all nodes', 'a topic such as aethel/lattice/v1'],
  ),
  NODES: setting(
    values.parseList(values.parseBaseUrl),
    '',
    ['base URLs', 'the other nodes over HTTP', 'URLs such as https://node2.example.org'],
    list,
  ),
  TRUSTED_KEYS: setting(
    values.parseList(values.parseTrustedKey),
    '',
    [
      'peer ids or Ed25519 public keys (hex)',
      'members of the federation; everybody else is refused',
      'the real keys: run `lattice id` on each node and copy what it prints',
    ],
    list,
  ),
  FORMER_KEYS: setting(
    values.parseList(values.parseTrustedKey),
    '',
    [
      'peer ids or Ed25519 public keys (hex)',
      'nodes that are members no more: what they have written stays good, but they are refused',
      'the keys that were taken out of TRUSTED_KEYS, or nothing',
    ],
    list,
  ),
  NODE_PRIVKEY_HEX: setting(
    values.parseSecret(/^[0-9a-fA-F]{64}$/, '64 hex digits (a 32-byte Ed25519 seed)'),
    undefined,
    [
      '64 hex digits',
      'seed of the one key of this node; without it a key is generated into STATE_DIR/identity.key',
      '32 random bytes in hex (`openssl rand -hex 32`), or remove the line and the node makes its own key',
    ],
    { secret: true },
  ),
  ADMIN_TOKEN: setting(
    values.parseSecret(/^[!-~]{16,512}$/, '16 to 512 visible ASCII characters'),
    undefined,
    [
      '16 to 512 visible characters',
      'needed for writes and mode switching; without it one is generated into STATE_DIR/admin.token',
      'a random text (`openssl rand -base64 32`), or remove the line and the node makes its own token',
    ],
    { secret: true },
  ),
  HEARTBEAT_INTERVAL: duration('5s', 50, 5 * minute, 'how often a node tells its peers that it lives'),
  PEERLESS_TIMEOUT: duration('60s', 100, hour, 'no live P2P peer for this long: HTTP mode is declared'),
  HTTP_POLL_INTERVAL: duration('10s', 50, hour, 'fallback cadence where push is not possible', reloadable),
  P2P_STABLE_AFTER: duration('15s', 0, hour, 'P2P must hold this long before AUTO returns to it'),
  HEDGE_AFTER: duration('1s', 10, minute, 'an announce unacknowledged for this long goes over HTTP too'),
  HOLD_DOWN: duration('10s', 0, hour, 'shortest stay on HTTP after a failover'),
  HOLD_DOWN_MAX: duration('300s', 0, 24 * hour, 'longest stay on HTTP while P2P flaps'),
  FLAP_LIMIT: setting(values.parseFlapLimit, '6/10m', [
    'COUNT/WINDOW',
    'more mode changes than this count as flapping',
    'a limit such as 6/10m',
  ]),
  REDIAL_MAX: duration('10s', 100, 10 * minute, 'cap of the endless redial back-off'),
  TOMBSTONE_RETENTION: duration(
    '30d',
    hour,
    3650 * 24 * hour,
    'deletes are remembered at least this long; who was away longer takes the state anew from the others',
  ),
  CORS_ORIGINS: setting(
    values.parseList(values.parseOrigin),
    '',
    ['origins', 'web pages that may call this node', 'origins such as https://app.example.org'],
    list,
  ),
  STATUS_PAGE: setting(values.parseBoolean, 'false', [
    'boolean',
    'true serves a public page at /status: verdict, nodes and the last 90 days, and nothing else',
    'true or false',
  ]),
  HISTORY_MIB: setting(values.parseCountWithin(2, 4096), '64', [
    'MiB, 2 to 4096',
    'hard cap of the history behind the charts, in STATE_DIR/history.db; it may be deleted at any time',
    'a number of MiB such as 64',
  ]),
  LOG_LEVEL: setting(
    values.parseWord(['error', 'warn', 'info', 'debug'], {
      warning: 'warn',
      critical: 'error',
      fatal: 'error',
      trace: 'debug',
    }),
    'info',
    ['error | warn | info | debug', 'least severe level that is logged', 'a level such as info'],
    reloadable,
  ),
  LOG_FORMAT: setting(values.parseWord(['auto', 'human', 'json']), 'auto', [
    'auto | human | json',
    'auto: human on a terminal, JSON lines otherwise',
    'auto, human or json',
  ]),
}

/** Name of a setting, without prefix. */
export type SettingName = keyof typeof settings

/** The parsed value of one setting. */
export type SettingValue<N extends SettingName> = (typeof settings)[N] extends Setting<infer T> ? T : never

/** All names, in the order of the table. */
export const settingNames = Object.keys(settings) as readonly SettingName[]

/** Whether `name` (without prefix) is a setting. */
export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settings, name)
}

/** The table row of a setting, whatever its type of value. */
export function settingOf(name: SettingName): Setting<unknown> {
  return settings[name]
}

/** The flag of a setting: `HTTP_PORT` → `--http-port`. Secrets have none. */
export function flagOf(name: SettingName): string {
  return `--${name.toLowerCase().replaceAll('_', '-')}`
}

/**
 * Health: what is wrong, in words, from what is known already. Nothing here waits for the disk or the
 * network.
 *
 * The verdict: a node that cannot keep or serve its state is unhealthy; one that works but does not reach
 * everybody by the path it prefers is degraded; trouble on a path that nothing needs now is shown, but is no
 * alarm.
 */
import { routes } from '@lattice/api'
import type { ComponentHealth } from '@lattice/api'
import { clocksApartMs, clockTroubleOf, peerName } from '@lattice/core'
import type { NodeStatus, PathKind } from '@lattice/core'
import type { Mount } from './mount.ts'
import type { HttpAppOptions, P2pInfo, Probe } from './options.ts'
import { moment } from './shapes.ts'
import { counted } from '../counted.ts'

/** What health looks at. */
export type HealthOptions = Pick<
  HttpAppOptions,
  'node' | 'config' | 'info' | 'clock' | 'p2p' | 'probes' | 'integrity' | 'salvage' | 'warnings'
>

type Verdict = 'healthy' | 'degraded' | 'unhealthy'
type ComponentName = 'p2p' | 'http_sync' | 'heartbeat' | 'persistence' | 'clock' | 'disk' | 'event_loop'

const ok = (reason: string, more: Partial<ComponentHealth> = {}): ComponentHealth => ({
  status: 'healthy',
  reason,
  ...more,
})
const weak = (reason: string, more: Partial<ComponentHealth> = {}): ComponentHealth => ({
  status: 'degraded',
  reason,
  ...more,
})
const probed = (probe: Probe | undefined): ComponentHealth =>
  probe === undefined ? { status: 'unknown', reason: 'not measured' } : probe()

function linksUp(status: NodeStatus, path: PathKind): number {
  return status.peers.filter(peer => peer.links[path].state === 'up').length
}

function p2pHealth(status: NodeStatus, lung: P2pInfo): ComponentHealth {
  if (!lung.enabled) return { status: 'disabled', reason: 'P2P is switched off in the configuration' }
  if (!lung.started) return weak(lung.error ?? 'P2P has not started')
  const value = { value: status.p2pPeerCount, unit: 'peers' }
  if (status.peers.length === 0) return ok('no other nodes to reach', value)
  return status.p2pPeerCount === 0
    ? weak('no peer has a fresh heartbeat over P2P', value)
    : ok(`${status.p2pPeerCount} of ${counted(status.peers.length, 'peer')} over P2P`, value)
}

function httpHealth({ config: { nodes }, warnings }: HealthOptions, status: NodeStatus): ComponentHealth {
  const up = linksUp(status, 'http')
  const value = { value: up, unit: 'peers' }
  if (status.peers.length === 0) return ok('no other nodes to reach', value)
  const ending = warnings?.().find(({ code }) => code === 'certificate-expiring')
  if (ending !== undefined) return weak(`${ending.title}: ${ending.text}`, value)
  if (up > 0) return ok(`${up} of ${counted(status.peers.length, 'peer')} over HTTP`, value)
  if (nodes.length === 0)
    return { status: 'disabled', reason: 'no HTTP addresses of other nodes are configured' }
  const needed = status.peers.some(peer => peer.path === 'http') || status.syncMode === 'HTTP'
  return needed
    ? weak('no peer answers over HTTP', value)
    : { status: 'unknown', reason: 'idle while P2P carries the state', ...value }
}

function heartbeatHealth(status: NodeStatus, wall: number): ComponentHealth {
  const heard = status.peers.flatMap(peer => peer.lastSeenWall ?? [])
  if (status.peers.length === 0) return ok('no other nodes to hear')
  if (heard.length === 0) return weak('no other node was heard since the start')
  const age = Math.max(0, wall - Math.max(...heard)) / 1000
  const more = { value: age, unit: 'seconds' }
  return linksUp(status, 'p2p') + linksUp(status, 'http') > 0
    ? ok(`last heard ${age.toFixed(1)} s ago`, more)
    : weak(`no fresh heartbeat; last heard ${age.toFixed(1)} s ago`, more)
}

function clockHealth(status: NodeStatus): ComponentHealth {
  const trouble = clockTroubleOf(status)
  const known = status.peers.flatMap(({ clockAheadMs }) => clockAheadMs ?? [])
  if (trouble !== undefined) {
    const more = { value: Math.round(trouble.apartMs) / 1000, unit: 'seconds' }
    return (trouble.apartMs < clocksApartMs ? ok : weak)(trouble.text, more)
  }
  if (known.length === 0) return { status: 'unknown', reason: 'no other clock to compare this one with' }
  return ok(`nothing says that it differs from ${counted(known.length, 'other')}`)
}

function components(options: HealthOptions, status: NodeStatus): Record<ComponentName, ComponentHealth> {
  const { probes } = options
  return {
    p2p: p2pHealth(status, options.p2p()),
    http_sync: httpHealth(options, status),
    heartbeat: heartbeatHealth(status, options.clock.now().wall),
    persistence: probed(probes?.persistence),
    clock: clockHealth(status),
    disk: probed(probes?.disk),
    event_loop: probed(probes?.eventLoop),
  }
}

/** Without these the node cannot do its work; trouble elsewhere only makes it worse at it. */
const vital: readonly ComponentName[] = ['persistence', 'event_loop']
const local: readonly ComponentName[] = ['persistence', 'clock', 'disk', 'event_loop']

/** The verdict and its reason. */
export function judge(options: HealthOptions): {
  readonly overall: Verdict
  readonly reason: string
  readonly parts: Record<ComponentName, ComponentHealth>
} {
  const status = options.node.status()
  const parts = components(options, status)
  const name = (kinds: readonly ComponentName[], bad: readonly string[]): ComponentName | undefined =>
    kinds.find(kind => bad.includes(parts[kind].status))
  const dead = name(vital, ['unhealthy'])
  if (dead) return { overall: 'unhealthy', reason: `${dead}: ${parts[dead].reason}`, parts }
  const ill = name(local, ['unhealthy', 'degraded'])
  if (ill) return { overall: 'degraded', reason: `${ill}: ${parts[ill].reason}`, parts }
  const unreached = status.peers.filter(peer => peer.path === 'none' && peer.asleep !== true)
  if (unreached.length > 0) {
    const who = unreached.map(peerName).join(', ')
    return { overall: 'degraded', reason: `not in reach: ${who}`, parts }
  }
  const fallback = options.p2p().enabled && status.requested === 'auto' && status.syncMode === 'HTTP'
  if (fallback) return { overall: 'degraded', reason: `on HTTP: ${status.reason}`, parts }
  return { overall: 'healthy', reason: 'everything works', parts }
}

function figures({ node, warnings }: HealthOptions): Record<string, number> {
  const status = node.status()
  const { rss, heapUsed } = process.memoryUsage()
  return {
    key_count: status.keyCount,
    entry_count: status.entryCount,
    deferred_count: status.deferredCount,
    tombstone_count: status.compaction.endingCount,
    compaction_blocker_count: status.compaction.blockedBy.length,
    sequence: status.seq,
    epoch: status.epoch,
    peer_count: status.peers.length,
    p2p_peer_count: status.p2pPeerCount,
    http_peer_count: linksUp(status, 'http'),
    behind_max: Math.max(0, ...status.peers.map(peer => peer.behind ?? 0)),
    ahead_max: Math.max(0, ...status.peers.map(peer => peer.ahead ?? 0)),
    warning_count: (warnings?.() ?? status.warnings).length,
    rss_bytes: rss,
    heap_used_bytes: heapUsed,
  }
}

const statusCode = (overall: Verdict): number => (overall === 'unhealthy' ? 503 : 200)

/** Adds health, status and integrity. */
export function mountHealth(mount: Mount, options: HealthOptions): void {
  const { node, config, info, clock, integrity } = options
  mount(routes.getHealth, (_input, _request, response) => {
    const { overall } = judge(options)
    response.status(statusCode(overall)).json({ status: overall })
  })
  mount(routes.getHealthReport, (_input, _request, response) => {
    const { overall, reason, parts } = judge(options)
    const { mono, wall } = clock.now()
    response.status(statusCode(overall)).json({
      success: true,
      timestamp: Math.floor(wall / 1000),
      overall,
      reason,
      version: info.version,
      name: info.name,
      role: info.role,
      // A clock that is set must not look like a restart.
      uptime_seconds: Math.max(0, (mono - info.started.mono) / 1000),
      components: parts,
      metrics: figures(options),
    })
  })
  mount(routes.getStatus, (_input, _request, response) => {
    const { enabled, started } = options.p2p()
    response.json({
      success: true,
      production: info.production,
      safe_mode: info.safeMode,
      violations: info.violations,
      cors_origins: config.corsOrigins,
      p2p: { enabled, started, peer_count: node.status().p2pPeerCount },
    })
  })
  mount(routes.getIntegrity, (_input, _request, response) => {
    integrity?.request?.()
    const last = integrity?.last() ?? {
      status: 'healthy',
      checked: false,
      running: false,
      checked_at: null,
      age_seconds: null,
      duration_seconds: null,
      rows_checked: 0,
      rows_corrupt: 0,
      corrupt: [],
      quarantined: 0,
      quarantined_here_only: 0,
      quarantined_keys: [],
      healed: 0,
      reason: 'this node keeps nothing on a disk',
    }
    const { status, ...rest } = last
    response.json({ status, merkle_root: node.status().root, ...rest })
  })
}

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly reason: string
}

/** The checks behind /readyz. */
export function readinessChecks(
  options: HealthOptions,
  draining: boolean,
  takesSync: boolean,
): readonly Check[] {
  const store = probed(options.probes?.persistence)
  const { started, error } = options.p2p()
  const status = options.node.status()
  const salvage = options.salvage?.()
  return [
    { name: 'shutdown', ok: !draining, reason: draining ? 'the node is stopping' : 'not stopping' },
    { name: 'store', ok: store.status !== 'unhealthy', reason: store.reason },
    {
      name: 'state',
      ok: status.root !== '' && salvage === undefined,
      reason: salvage ?? `${counted(status.keyCount, 'key')} loaded`,
    },
    {
      name: 'transport',
      ok: started || takesSync,
      reason: started ? 'P2P listens' : takesSync ? 'HTTP sync listens' : (error ?? 'no transport listens'),
    },
  ]
}

const lines = (checks: readonly Check[]): string =>
  checks
    .map(check => `[${check.ok ? '+' : '-'}]${check.name} ${check.ok ? 'ok' : `failed: ${check.reason}`}\n`)
    .join('')

/** Adds the two probes for supervisors. `readiness` is asked anew each time. */
export function mountProbes(mount: Mount, startedWall: number, readiness: () => readonly Check[]): void {
  mount(routes.getLiveness, ({ query }, _request, response) => {
    const check = { name: 'event-loop', ok: true, reason: `running since ${moment(startedWall)}` }
    response
      .type('text/plain')
      .send(query.verbose === undefined ? 'ok\n' : `${lines([check])}livez check passed\n`)
  })
  mount(routes.getReadiness, ({ query }, _request, response) => {
    const left = new Set([query.exclude ?? []].flat())
    const checks = readiness().filter(check => !left.has(check.name))
    const passed = checks.every(check => check.ok)
    const verdict = passed ? 'ok\n' : lines(checks.filter(check => !check.ok))
    response.status(passed ? 200 : 503).type('text/plain')
    response.send(
      query.verbose === undefined
        ? verdict
        : `${lines(checks)}readyz check ${passed ? 'passed' : 'failed'}\n`,
    )
  })
}

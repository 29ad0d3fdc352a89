/**
 * Metrics from the read model, the node's events and the requests served. Labels are bounded: members by
 * configured name, routes by their row in the table, never keys or addresses.
 */
import { routes } from '@lattice/api'
import type { NodeEvent, NodeStatus, PeerStatus } from '@lattice/core'
import type { RequestHandler } from 'express'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Mount } from './mount.ts'
import { toOpenMetrics } from './openmetrics.ts'
import type { HttpAppOptions } from './options.ts'
import { visible } from '../visible.ts'

type MetricsOptions = Pick<
  HttpAppOptions,
  'node' | 'identity' | 'info' | 'clock' | 'probes' | 'metrics' | 'onAnswered' | 'warnings'
>

/** Buckets from a cached read to a request at its time limit; goals are 5 ms, 10 ms and 100 ms. */
const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30]

/** Buckets around the figures failover is judged by: 1 s, 6 s, 15 s, 60 s. */
const failoverBuckets = [0.5, 1, 2, 4, 6, 10, 15, 30, 60, 90]

/** Longest name shown as a label. */
const labelCharsMax = 64

function peerLabels(peers: readonly PeerStatus[]): ReadonlyMap<PeerStatus, string> {
  const taken = new Set<string>()
  const labels = new Map<PeerStatus, string>()
  for (const peer of peers) {
    const short = peer.nodeId.slice(0, 8)
    const name = visible(peer.name ?? short).slice(0, labelCharsMax)
    const label = taken.has(name) ? `${name}-${short}` : name
    taken.add(label)
    labels.set(peer, label)
  }
  return labels
}

type Fill = (gauge: Gauge<string>, status: NodeStatus) => void

const peerStates = ['connected', 'degraded', 'down', 'asleep'] as const

function peerState({ path, asleep, links }: PeerStatus): (typeof peerStates)[number] {
  if (path === 'none') return asleep === true ? 'asleep' : 'down'
  return links[path].state === 'up' ? 'connected' : 'degraded'
}

const gauges: readonly (readonly [name: string, help: string, labels: readonly string[], fill: Fill])[] = [
  [
    'lattice_sync_mode',
    'What the operator asked for: 1 for the requested mode',
    ['mode'],
    (gauge, { requested }) => {
      for (const mode of ['auto', 'p2p', 'http']) gauge.set({ mode }, mode === requested ? 1 : 0)
    },
  ],
  [
    'lattice_sync_active_transport',
    'What carries the state: 1 for the active transport',
    ['transport'],
    (gauge, { syncMode }) => {
      for (const transport of ['p2p', 'http', 'none'])
        gauge.set({ transport }, transport === syncMode.toLowerCase() ? 1 : 0)
    },
  ],
  [
    'lattice_peers',
    'Other nodes by state',
    ['state'],
    (gauge, { peers }) => {
      for (const state of peerStates)
        gauge.set({ state }, peers.filter(peer => peerState(peer) === state).length)
    },
  ],
  ['lattice_state_keys', 'Keys readers see', [], (gauge, status) => gauge.set(status.keyCount)],
  [
    'lattice_state_entries',
    'Live entries, tombstones included',
    [],
    (gauge, status) => gauge.set(status.entryCount),
  ],
  [
    'lattice_tombstones',
    'Deletes, removals and what they silenced, until a compaction horizon ends them',
    [],
    (gauge, { compaction }) => gauge.set(compaction.endingCount),
  ],
  [
    'lattice_compaction_horizon_timestamp_seconds',
    'Deletes up to here have ended; 0 if none has',
    [],
    (gauge, { compaction }) => gauge.set((compaction.horizonWall ?? 0) / 1000),
  ],
  [
    'lattice_compaction_blockers',
    'Members for which old deletes have to wait',
    [],
    (gauge, { compaction }) => gauge.set(compaction.blockedBy.length),
  ],
  [
    'lattice_deferred_entries',
    'Entries from the future that wait',
    [],
    (gauge, s) => gauge.set(s.deferredCount),
  ],
  [
    'lattice_clock_lead_seconds',
    'How far the newest stamp is ahead of the wall clock',
    [],
    (gauge, s) => gauge.set(s.clockLeadMs / 1000),
  ],
  [
    'lattice_commit_sequence',
    'Newest commit of this incarnation',
    [],
    (gauge, status) => gauge.set(status.seq),
  ],
]

type PeerFill = (gauge: Gauge<string>, peer: string, status: PeerStatus, ownRoot: string) => void

const peerGauges: readonly (readonly [
  name: string,
  help: string,
  labels: readonly string[],
  fill: PeerFill,
])[] = [
  [
    'lattice_peer_up',
    'Whether the node is reached over some path',
    ['peer'],
    (gauge, peer, status) => gauge.set({ peer }, status.path === 'none' ? 0 : 1),
  ],
  [
    'lattice_peer_last_seen_timestamp_seconds',
    'Last sign of life',
    ['peer'],
    (gauge, peer, { lastSeenWall }) => lastSeenWall !== undefined && gauge.set({ peer }, lastSeenWall / 1000),
  ],
  [
    'lattice_peer_clock_ahead_seconds',
    'How far its clock is ahead of this one, less the way of its last message',
    ['peer'],
    (gauge, peer, { clockAheadMs }) => clockAheadMs !== undefined && gauge.set({ peer }, clockAheadMs / 1000),
  ],
  [
    'lattice_peer_rtt_seconds',
    'Round trip by path, of paths that are up',
    ['peer', 'path'],
    (gauge, peer, { links }) => {
      for (const path of ['p2p', 'http'] as const) {
        const { state, rttMs } = links[path]
        if (state === 'up' && rttMs !== undefined) gauge.set({ peer, path }, rttMs / 1000)
      }
    },
  ],
  [
    'lattice_peer_lag_ops',
    'Commits of the node that this one has not applied',
    ['peer'],
    (gauge, peer, { behind }) => behind !== undefined && gauge.set({ peer }, behind),
  ],
  [
    'lattice_peer_unacknowledged_ops',
    'Commits of this node that the other has not acknowledged',
    ['peer'],
    (gauge, peer, { ahead }) => ahead !== undefined && gauge.set({ peer }, ahead),
  ],
  [
    'lattice_peer_root_equal',
    'Whether the Merkle roots were equal when last heard',
    ['peer'],
    (gauge, peer, { root }, ownRoot) => root !== undefined && gauge.set({ peer }, root === ownRoot ? 1 : 0),
  ],
]

function registerGauges(registry: Registry, options: MetricsOptions): void {
  const registers = [registry]
  const { node, identity, info, probes } = options
  new Gauge({
    name: 'lattice_build_info',
    help: 'Versions',
    labelNames: ['version', 'node_version', 'libp2p_version'],
    registers,
  })
    .labels(info.version, process.version, info.libp2pVersion)
    .set(1)
  new Gauge({
    name: 'lattice_node_info',
    help: 'This node',
    labelNames: ['node', 'role', 'peer_id_short'],
    registers,
  })
    .labels(info.name, info.role, identity.peerId.slice(-8))
    .set(1)
  for (const [name, help, labelNames, fill] of gauges) {
    const gauge: Gauge<string> = new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect: () => fill(gauge, node.status()),
    })
  }
  for (const [name, help, labelNames, fill] of peerGauges) {
    const collect = (): void => {
      gauge.reset()
      const { peers, root } = node.status()
      for (const [peer, label] of peerLabels(peers)) fill(gauge, label, peer, root)
    }
    const gauge: Gauge<string> = new Gauge({ name, help, labelNames, registers, collect })
  }
  const shown: Gauge<string> = new Gauge({
    name: 'lattice_warnings',
    help: 'Warnings shown to the operator',
    labelNames: ['severity'],
    registers,
    collect: () => {
      const warnings = options.warnings?.() ?? node.status().warnings
      for (const severity of ['low', 'medium', 'high'])
        shown.set({ severity }, warnings.filter(warning => warning.severity === severity).length)
    },
  })
  const disk: Gauge = new Gauge({
    name: 'lattice_store_free_ratio',
    help: 'Free part of the disk under the store',
    registers,
    collect: () => {
      const health = probes?.disk?.()
      if (health?.value !== undefined && health.unit === 'ratio') disk.set(health.value)
      // Neither 0, which is a full disk, nor what it was before it stopped to answer.
      else disk.remove()
    },
  })
}

/** Counts what the node does; returns the end of it. */
function registerCounters(registry: Registry, { node, clock }: MetricsOptions): () => void {
  const registers = [registry]
  const applied = new Counter({
    name: 'lattice_ops_applied_total',
    help: 'Changes readers can see, by where they came from',
    labelNames: ['source'],
    registers,
  })
  const switches = new Counter({
    name: 'lattice_mode_switches_total',
    help: 'Transitions of the sync mode, by what made it move',
    labelNames: ['from', 'to', 'reason'],
    registers,
  })
  const failover = new Histogram({
    name: 'lattice_failover_seconds',
    help: 'How long this node waited for P2P before it declared HTTP',
    buckets: failoverBuckets,
    registers,
  })
  let since = clock.now().mono
  let transport = node.status().syncMode.toLowerCase()
  const account = (): void => {
    const { mono } = clock.now()
    seconds.inc({ transport }, Math.max(0, mono - since) / 1000)
    since = mono
    transport = node.status().syncMode.toLowerCase()
  }
  const seconds = new Counter({
    name: 'lattice_mode_seconds_total',
    help: 'Time spent on each transport',
    labelNames: ['transport'],
    registers,
    collect: account,
  })
  for (const source of ['local', 'p2p', 'http']) applied.inc({ source }, 0)
  return node.subscribe((event: NodeEvent) => {
    if (event.kind === 'change') applied.inc({ source: event.via })
    if (event.kind !== 'mode') return
    const { from, to, trigger, lastedMs } = event.transition
    switches.inc({ from, to, reason: trigger })
    if (from === 'GRACE' && to === 'HTTP') failover.observe(lastedMs / 1000)
    account()
  })
}

const knownMethods = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS'])

/** Measures and exports. */
export interface Metrics {
  /** Times every request; mount it first. */
  readonly observe: RequestHandler
  readonly mountMetrics: (mount: Mount) => void
  /** Stops listening to the node. */
  readonly close: () => void
}

/** Makes the metrics of one app in `options.metrics`, or in a registry of their own. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = options.metrics ?? new Registry()
  registerGauges(registry, options)
  const close = registerCounters(registry, options)
  const duration = new Histogram({
    name: 'lattice_http_request_duration_seconds',
    help: 'Requests served, streams excepted',
    labelNames: ['route', 'method', 'code'],
    buckets: requestBuckets,
    registers: [registry],
  })
  return {
    observe: (request, response, next) => {
      const begin = performance.now()
      response.once('close', () => {
        const route = (response.locals['route'] as string | undefined) ?? 'unmatched'
        if (route === routes.getEvents.path) return
        options.onAnswered?.(response.statusCode)
        const method = knownMethods.has(request.method) ? request.method : 'other'
        duration.observe({ route, method, code: response.statusCode }, (performance.now() - begin) / 1000)
      })
      next()
    },
    mountMetrics: mount =>
      mount(routes.getMetrics, async (_input, request, response) => {
        const text = await registry.metrics()
        const open = request.headers.accept?.includes('application/openmetrics-text') === true
        response.set(
          'Content-Type',
          open ? 'application/openmetrics-text; version=1.0.0; charset=utf-8' : registry.contentType,
        )
        response.end(open ? toOpenMetrics(text) : text)
      }),
    close,
  }
}

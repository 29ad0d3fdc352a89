/** What a healthy node of two answers, call by call; tests change single members. */
import type { Client } from '@lattice/api'

import { identityFromSeed } from '../src/host/identity.ts'

/** Route → answer. */
export type Answers = {
  [N in Exclude<keyof Client, 'events' | 'exportLines'>]?: Awaited<ReturnType<Client[N]>>
}

const one = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
const two = identityFromSeed(new Uint8Array(32).fill(2), 'configured')
const root = '9f'.repeat(32)
/** Version of every key and write. */
export const version = '0123456789abcdef'
/** Since when everything is as it is: some hours ago. */
export const since = new Date(Date.now() - 8_000_000).toISOString()

/** The other node, as the peers call shows it. */
export function peer(over: Partial<NonNullable<Answers['getPeers']>['peers'][number]> = {}) {
  const link = { state: 'up', rtt_ms: 9, last_heard: since, last_error: null } as const
  return {
    name: 'node2',
    role: 'backup',
    software: '0.1.0',
    node_id: two.nodeId,
    peer_id: two.peerId,
    url: 'http://127.0.0.1:1',
    path: 'p2p' as const,
    why: 'P2P answers',
    since,
    rtt_ms: { p2p: 9.4, http: null },
    last_seen: new Date().toISOString(),
    merkle_root: root,
    in_sync: true,
    behind: 0,
    ahead: 0,
    links: { p2p: link, http: link },
    addresses: [{ path: 'p2p' as const, address: '/ip4/127.0.0.1/tcp/9', last_error: 'refused' }],
    ...over,
  }
}

/** The store of a healthy node, checked some hours ago. */
export const soundStore: NonNullable<Answers['getIntegrity']> = {
  status: 'healthy',
  merkle_root: root,
  checked: true,
  running: false,
  checked_at: since,
  age_seconds: 8000,
  duration_seconds: 12.5,
  rows_checked: 31_000,
  rows_corrupt: 0,
  corrupt: [],
  quarantined: 0,
  quarantined_here_only: 0,
  quarantined_keys: [],
  healed: 0,
  reason: 'all 31000 rows match their digests',
}

/** All answers of a healthy node that is reached at `url`. */
export function healthy(url: string): Answers {
  const receipt = { success: true as const, key: 'k', version, merkle_root: root }
  return {
    getKey: {
      success: true,
      key: 'k',
      value: { a: [1, 'x'] },
      version,
      author: one.nodeId,
      type: 'register',
    },
    putKey: receipt,
    deleteKey: receipt,
    transact: { success: true, transaction_id: version, version, merkle_root: root },
    getPeers: { success: true, peers: [peer()], count: 1 },
    getNodes: { success: true, nodes: [url], count: 1 },
    getHealth: { status: 'healthy' },
    getIntegrity: soundStore,
    getIdentity: { success: true, peer_id: one.peerId, listen_addrs: [], public_key: one.nodeId },
    getState: {
      success: true,
      merkle_root: root,
      state_size: 0,
      entry_count: 12,
      timestamp: 1,
      signature: '0'.repeat(128),
      public_key: one.nodeId,
      signed: true,
    },
    getHealthReport: healthReport(),
    getP2pStatus: p2pStatus(),
    switchMode: {
      success: true,
      mode: 'HTTP',
      message: 'Switched to HTTP',
      requested: 'http',
      previous: 'auto',
      phase: 'FORCED',
      since,
      reason: 'asked',
      until: null,
    },
  }
}

function healthReport(): NonNullable<Answers['getHealthReport']> {
  const component = { status: 'healthy' as const, reason: 'fine' }
  const parts = ['p2p', 'http_sync', 'heartbeat', 'persistence', 'clock', 'disk', 'event_loop'] as const
  const components = Object.fromEntries(parts.map(part => [part, component])) as Record<
    (typeof parts)[number],
    typeof component
  >
  return {
    success: true,
    timestamp: 1,
    overall: 'healthy',
    reason: 'all well',
    version: '0.1.0',
    name: 'node1',
    role: 'primary',
    uptime_seconds: 3,
    components,
    metrics: {},
  }
}

function p2pStatus(): NonNullable<Answers['getP2pStatus']> {
  return {
    success: true,
    enabled: true,
    started: true,
    libp2p_available: true,
    error: null,
    topic: 't',
    listen_multiaddrs: [],
    bootstrap_peers: [],
    peer_count: 1,
    has_peers: true,
    http_sync_enabled: true,
    sync_mode: 'P2P',
    heartbeat_active: true,
    mode: 'auto',
    phase: 'P2P',
    since,
    reason: 'P2P proved itself',
    forced_until: null,
    last_sync: since,
    merkle_root: root,
    status_text: '🟢 Resilient (P2P Mode)',
    warnings: [],
  }
}

/** What nodes in each of the six states of the dashboard would say. */
import type { Answers } from './scripted-node.ts'

type Peer = Answers['peers'][number]
type Warning = Answers['status']['warnings'][number]

const root = '9f3c'.repeat(16)
const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString()

/** A peer that is well; `over` changes it. */
export function peer(index: number, over: Partial<Peer> = {}): Peer {
  const link = { state: 'up', rtt_ms: 9.4 * index, last_heard: minutesAgo(0), last_error: null } as const
  return {
    name: `node${index}`,
    role: index === 1 ? 'genesis-public' : 'genesis-backup',
    software: 'lattice/0.1.0',
    node_id: String(index).repeat(64),
    peer_id: `12D3KooWpeer${index}`,
    url: `https://node${index}.example`,
    path: 'p2p',
    why: 'P2P answers in both directions',
    since: minutesAgo(131),
    rtt_ms: { p2p: link.rtt_ms, http: link.rtt_ms },
    last_seen: minutesAgo(0),
    merkle_root: root,
    in_sync: true,
    behind: 0,
    ahead: 0,
    links: { p2p: link, http: link },
    addresses: [],
    ...over,
  }
}

const silent = { state: 'down', rtt_ms: null, last_heard: null, last_error: 'connection refused' } as const

/** A peer that nothing reaches. */
export function lostPeer(index: number, over: Partial<Peer> = {}): Peer {
  return peer(index, {
    path: 'none',
    why: 'neither P2P nor HTTP answers',
    last_seen: minutesAgo(7),
    links: { p2p: silent, http: { ...silent, last_error: 'HTTP 502 from the proxy in front' } },
    ...over,
  })
}

function httpPeer(index: number): Peer {
  const http = { state: 'up', rtt_ms: 48.2, last_heard: minutesAgo(0), last_error: null } as const
  return peer(index, {
    path: 'http',
    why: 'HTTP answers, P2P is silent',
    links: { p2p: { ...silent, last_error: 'WebSocket closed (1006)' }, http },
  })
}

function warning(over: Partial<Warning>): Warning {
  return {
    code: 'peer-unreachable',
    title: 'node3 does not answer',
    text: 'Neither P2P nor HTTP answers. It gets what it misses when it returns.',
    severity: 'medium',
    since: minutesAgo(7),
    dependsOn: [],
    impactsConnectivity: true,
    timeToVisible: 10,
    primaryAction: { label: 'See the last error of each address', command: 'lattice peers' },
    etag: '0123456789abcdef',
    ...over,
  }
}

const ownId = 'ab'.repeat(32)

/** What a peer says of its links to this node and to the other peer. */
function linksOf(index: 1 | 3): NonNullable<Answers['links']>[number] {
  const up = { state: 'up', rtt_ms: 9.4 * index, last_heard: minutesAgo(0), last_error: null } as const
  const other = String(4 - index).repeat(64)
  return {
    node_id: String(index).repeat(64),
    name: `node${index}`,
    why: null,
    links: [ownId, other].map(node_id => ({ node_id, p2p: up, http: up })),
  }
}

/** A peer that could not be asked. */
function deafPeer(index: 1 | 3): NonNullable<Answers['links']>[number] {
  return { ...linksOf(index), why: 'it does not answer over HTTP', links: [] }
}

/** A federation of three that is well. */
export function wellAnswers(): Answers {
  return {
    status: {
      success: true,
      enabled: true,
      started: true,
      libp2p_available: true,
      error: null,
      topic: 'aethel/lattice/v1',
      listen_multiaddrs: [],
      bootstrap_peers: [],
      peer_count: 2,
      has_peers: true,
      http_sync_enabled: true,
      sync_mode: 'P2P',
      heartbeat_active: true,
      mode: 'auto',
      phase: 'P2P',
      since: minutesAgo(131),
      reason: 'P2P has proved itself for 15 s',
      forced_until: null,
      last_sync: minutesAgo(0.1),
      merkle_root: root,
      status_text: '🟢 Resilient (P2P Mode)',
      warnings: [],
    },
    peers: [peer(1), peer(3)],
    health: health(),
    links: [linksOf(1), linksOf(3)],
    transitions: [
      transition(1, 'NONE', 'P2P', 'a P2P peer answers', 'startup', 900, 0.5),
      transition(2, 'P2P', 'GRACE', 'no P2P peer answers', 'watchdog', 140, 45_600),
      transition(3, 'GRACE', 'HTTP', 'no P2P peer answered for 60 s', 'watchdog', 139, 60),
      transition(4, 'HTTP', 'TRIAL', 'a P2P peer answers', 'watchdog', 132, 420),
      transition(5, 'TRIAL', 'P2P', 'P2P has proved itself for 15 s', 'watchdog', 131, 15),
    ],
    state: {
      'account:alice': { balance: 1000, nonce: 0 },
      'account:bob': { balance: 250, nonce: 3, note: 'opened by the branch in Valparaíso' },
      counter: 42,
      'demo/hello': { at: '2026-11-23T19:01:34.400Z', from: 'node1' },
    },
  }
}

function health(): Answers['health'] {
  const well = { status: 'healthy', reason: 'fine' } as const
  return {
    success: true,
    timestamp: 1,
    overall: 'healthy',
    reason: 'everything works',
    version: '0.1.0',
    name: 'node2',
    role: 'genesis-primary',
    uptime_seconds: 9000,
    components: {
      p2p: well,
      http_sync: well,
      heartbeat: well,
      persistence: well,
      clock: well,
      disk: well,
      event_loop: well,
    },
    metrics: {},
  }
}

type Transition = Answers['transitions'][number]

function transition(
  epoch: number,
  from: Transition['from'],
  to: Transition['to'],
  reason: string,
  trigger: Transition['trigger'],
  minutes: number,
  seconds: number,
): Transition {
  return { epoch, from, to, reason, trigger, at: minutesAgo(minutes), duration_seconds: seconds }
}

const forced = warning({
  code: 'mode-forced',
  title: 'The sync mode is forced',
  text: 'The operator forced http (server move). It ends by itself in 29 min.',
  severity: 'low',
  since: minutesAgo(1),
  primaryAction: { label: 'Return to auto', command: 'lattice switch auto' },
})
const isolated = warning({
  code: 'isolated',
  title: 'No other node answers',
  text: 'Local reads and writes go on; changes will be exchanged when a peer answers again.',
  severity: 'high',
  primaryAction: { label: 'See why', command: 'lattice peers' },
})

/** State of the dashboard → what a node says in it; `unknown` is a node that has fallen silent. */
export function answersByState(): Readonly<Record<'p2p' | 'http' | 'degraded' | 'down' | 'asleep', Answers>> {
  const well = wellAnswers()
  const status = (over: Partial<Answers['status']>): Answers['status'] => ({ ...well.status, ...over })
  const red = { peer_count: 0, has_peers: false, sync_mode: 'NONE', phase: 'NONE' } as const
  const redText = '🔴 Degraded (No Peers)'
  const sleeper = { url: 'https://org-node1.hf.space', name: 'node1', why: 'HTTP answers with 503' }
  return {
    p2p: well,
    http: {
      ...well,
      status: status({
        peer_count: 0,
        has_peers: false,
        sync_mode: 'HTTP',
        phase: 'FORCED',
        mode: 'http',
        since: minutesAgo(1),
        forced_until: minutesAgo(-29),
        reason: 'server move',
        status_text: '🟡 Resilient (HTTP Fallback)',
        warnings: [forced],
      }),
      peers: [httpPeer(1), httpPeer(3)],
    },
    degraded: {
      ...well,
      status: status({ peer_count: 1, warnings: [warning({})] }),
      peers: [peer(1, { behind: 12, in_sync: false }), lostPeer(3)],
      links: [linksOf(1), deafPeer(3)],
    },
    down: {
      ...well,
      status: status({ ...red, reason: 'nothing answers', status_text: redText, warnings: [isolated] }),
      peers: [lostPeer(1), lostPeer(3)],
      links: [deafPeer(1), deafPeer(3)],
    },
    asleep: {
      ...well,
      status: status({ ...red, reason: 'nothing answers', status_text: redText, warnings: [isolated] }),
      peers: [lostPeer(1, sleeper)],
      links: [deafPeer(1)],
    },
  }
}

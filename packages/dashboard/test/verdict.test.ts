/** The verdict names what is wrong first, and says that all is well only when it is. */
import { describe, expect, it } from '@jest/globals'
import { peerState, verdictOf } from '../src/verdict.ts'
import type { Facts } from '../src/verdict.ts'

type Peer = Facts['peers'][number]

const up = { state: 'up', rtt_ms: 9, last_heard: null, last_error: null } as const
const now = '2026-11-23T19:00:00.000Z'

function peer(over: Partial<Peer> = {}): Peer {
  return {
    name: 'node3',
    role: null,
    software: null,
    node_id: 'ab'.repeat(32),
    peer_id: '12D3KooWabcdef',
    url: null,
    path: 'p2p',
    why: 'P2P answers',
    since: now,
    rtt_ms: { p2p: 9, http: null },
    last_seen: now,
    merkle_root: null,
    in_sync: true,
    behind: 0,
    ahead: 0,
    links: { p2p: up, http: up },
    addresses: [],
    ...over,
  }
}

type Warning = Facts['status']['warnings'][number]

function warning(severity: Warning['severity'], impactsConnectivity = false): Warning {
  const rest = { dependsOn: [], impactsConnectivity, timeToVisible: 0, etag: '', since: now, text: '' }
  return { code: 'any', title: `About ${severity}`, severity, primaryAction: { label: '' }, ...rest }
}

function facts(peers: readonly Peer[], status: Partial<Facts['status']> = {}): Facts {
  return {
    peers,
    status: {
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
      since: now,
      reason: 'a P2P peer answers',
      forced_until: null,
      last_sync: now,
      merkle_root: 'ab'.repeat(32),
      status_text: '🟢 Resilient (P2P Mode)',
      warnings: [],
      ...status,
    },
  }
}

describe('the verdict', () => {
  const cases: readonly (readonly [string, Facts, string, string])[] = [
    ['all well', facts([peer(), peer()]), 'p2p', 'All 3 nodes agree. Auto is using peer-to-peer.'],
    ['two nodes', facts([peer()]), 'p2p', 'Both nodes agree. Auto is using peer-to-peer.'],
    [
      'the fallback is a working state',
      facts([peer({ path: 'http' })], { sync_mode: 'HTTP', phase: 'HTTP' }),
      'http',
      'Both nodes agree. Auto is using HTTP.',
    ],
    [
      'a trial',
      facts([peer()], { sync_mode: 'HTTP', phase: 'TRIAL' }),
      'http',
      'Both nodes agree. Auto is using HTTP and trying peer-to-peer.',
    ],
    [
      'silence',
      facts([peer()], { phase: 'GRACE' }),
      'degraded',
      'Both nodes agree. Auto is using peer-to-peer, which has fallen silent.',
    ],
    [
      'forced',
      facts([peer()], { mode: 'http', sync_mode: 'HTTP', phase: 'FORCED' }),
      'http',
      'Both nodes agree. The operator has forced HTTP.',
    ],
    [
      'one lost',
      facts([peer({ name: 'node1' }), peer({ path: 'none' })]),
      'degraded',
      '2 of 3 nodes are connected, not node3. Auto is using peer-to-peer.',
    ],
    [
      'changes on their way',
      facts([peer({ behind: 3 }), peer()]),
      'p2p',
      'All 3 nodes are connected; changes are on their way. Auto is using peer-to-peer.',
    ],
    [
      'nobody',
      facts([peer({ path: 'none' })]),
      'down',
      'No other node answers. Local reads and writes work.',
    ],
    [
      'a forced mode that reaches nobody',
      facts([peer({ path: 'none' })], { mode: 'p2p', phase: 'FORCED', warnings: [warning('high', true)] }),
      'down',
      'No other node answers over peer-to-peer, which the operator has forced; over HTTP there are answers. ' +
        'Local reads and writes work.',
    ],
    [
      'a forced mode, and nobody either way',
      facts([peer({ path: 'none', links: { p2p: up, http: { ...up, state: 'down' } } })], { mode: 'p2p' }),
      'down',
      'No other node answers. Local reads and writes work.',
    ],
    [
      'one asleep',
      facts([peer({ name: 'node1', path: 'none', asleep: true }), peer()]),
      'asleep',
      '2 of 3 nodes are connected; asleep: node1. Auto is using peer-to-peer.',
    ],
    [
      'all asleep',
      facts([peer({ path: 'none', asleep: true })]),
      'asleep',
      'The other nodes are asleep. Local reads and writes work.',
    ],
    [
      'nobody has said a root yet',
      facts([peer({ in_sync: null }), peer()]),
      'p2p',
      'All 3 nodes are connected. Auto is using peer-to-peer.',
    ],
    [
      'something grave at this node',
      facts([peer()], { warnings: [warning('low'), warning('high')] }),
      'degraded',
      'About high. Auto is using peer-to-peer.',
    ],
    [
      'something that can wait',
      facts([peer()], { warnings: [warning('medium')] }),
      'p2p',
      'Both nodes agree. Auto is using peer-to-peer.',
    ],
    [
      'something grave while a node sleeps',
      facts([peer({ name: 'node1', path: 'none', asleep: true }), peer()], { warnings: [warning('high')] }),
      'degraded',
      '2 of 3 nodes are connected; asleep: node1. About high.',
    ],
    [
      'something grave while nobody answers',
      facts([peer({ path: 'none' })], { warnings: [warning('high', true), warning('high')] }),
      'down',
      'No other node answers. About high.',
    ],
    [
      'nobody answers, and that is all',
      facts([peer({ path: 'none' })], { warnings: [warning('high', true)] }),
      'down',
      'No other node answers. Local reads and writes work.',
    ],
    [
      'something grave while all others sleep',
      facts([peer({ path: 'none', asleep: true })], { warnings: [warning('high')] }),
      'degraded',
      'The other nodes are asleep. About high.',
    ],
    [
      'something grave at a node that is alone',
      facts([], { warnings: [warning('high')] }),
      'degraded',
      'This node is alone: it knows no other nodes. About high.',
    ],
    ['alone', facts([]), 'degraded', 'This node is alone: it knows no other nodes.'],
  ]
  it.each(cases)('%s', (_name, given, state, sentence) => {
    expect(verdictOf(given)).toEqual({ state, sentence })
  })

  it('never lets a lost node pass as agreement', () => {
    for (const lost of [0, 1]) {
      const peers = [0, 1].map(index => peer(index === lost ? { path: 'none' } : {}))
      expect(verdictOf(facts(peers)).sentence).not.toContain('agree')
    }
  })

  it('shows the name of a hostile node without its tricks', () => {
    const { sentence } = verdictOf(facts([peer(), peer({ path: 'none', name: '\u202Eevil' })]))
    expect(sentence).toContain('⟨U+202E⟩evil')
  })
})

describe('a peer', () => {
  it('on a Space that is silent may be asleep', () => {
    const space = peer({ path: 'none', url: 'https://org-node1.hf.space' })
    expect(peerState(space)).toEqual({ state: 'asleep', word: 'May be asleep' })
    expect(peerState(peer({ path: 'none', url: 'https://hf.space.example' })).state).toBe('down')
    expect(peerState(peer({ path: 'none', asleep: true }))).toEqual({ state: 'asleep', word: 'Asleep' })
  })
})

/**
 * Every route answers in its own schema, and the legacy shapes are word for word what deployed clients read.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { routes } from '@lattice/api'
import type { Route } from '@lattice/api'
import type { NodeId, NodeStatus, PeerStatus } from '@lattice/core'
import { jsonBody, rowOf, startWorld } from './http-world.ts'
import type { Answer, Ask, World } from './http-world.ts'

let world: World
beforeEach(async () => {
  world = await startWorld({ config: { statusPage: true } })
})
afterEach(() => world.close())

function expectFits(row: Route, answer: Answer): void {
  const declared = row.answers[answer.status]
  if (declared === undefined)
    throw new Error(`${row.method} ${row.path} answered ${answer.status}: ${answer.text}`)
  if ('schema' in declared) {
    const parsed = declared.schema.safeParse(answer.json)
    expect(parsed.error?.issues ?? []).toEqual([])
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
  } else if ('mediaType' in declared) expect(answer.headers['content-type']).toContain(declared.mediaType)
  else expect(answer.text).toBe('')
}

const peer: PeerStatus = {
  nodeId: 'a'.repeat(64) as NodeId,
  name: 'node1',
  path: 'http',
  why: 'P2P is silent.',
  sinceWall: 1_700_000_000_000,
  links: {
    p2p: { state: 'down', lastError: 'refused' },
    http: { state: 'up', rttMs: 12, lastHeardWall: 1_700_000_000_500 },
  },
  lastSeenWall: 1_700_000_000_500,
  root: 'b'.repeat(64),
  behind: 3,
  ahead: 0,
}

describe('every route answers in the schema of its row', () => {
  const asks: Record<string, readonly [path: string, ask?: Ask]> = {
    getState: ['/api/lattice/state'],
    getKey: ['/api/lattice/state/account%3Aalice'],
    exportState: ['/api/lattice/export'],
    putKey: ['/api/lattice/state/new', jsonBody({ a: [1] })],
    deleteKey: ['/api/lattice/state/account%3Aalice', { method: 'DELETE' }],
    putKeyByQuery: ['/api/lattice/state?key=..', jsonBody(1)],
    deleteKeyByQuery: ['/api/lattice/state?key=account:alice', { method: 'DELETE' }],
    transact: [
      '/api/lattice/transactions',
      { ...jsonBody({ operations: [{ op: 'increment', key: 'n', by: 2 }] }), method: 'POST' },
    ],
    getNodes: ['/api/lattice/nodes'],
    getPeers: ['/api/lattice/peers'],
    getLinks: ['/api/lattice/links'],
    getP2pStatus: ['/api/lattice/p2p/status'],
    getIdentity: ['/api/lattice/p2p/identity'],
    switchMode: ['/api/lattice/sync/switch?mode=http&for=30m&reason=move', { method: 'POST' }],
    getTransitions: ['/api/lattice/transitions'],
    getHealth: ['/health'],
    getHealthReport: ['/api/lattice/health'],
    getLiveness: ['/livez'],
    getReadiness: ['/readyz?verbose'],
    getStatus: ['/api/status'],
    getIntegrity: ['/api/persistence/integrity'],
    getMetrics: ['/metrics'],
    getHistory: ['/api/lattice/metrics/history?series=mode,lag'],
    getRoot: ['/'],
    getOpenapi: ['/openapi.json'],
    getDocs: ['/docs'],
    getStatusPage: ['/status'],
  }

  it('and no row of the table is left out', () => {
    const streams = ['getEvents', 'exchange'] // http-events.test.ts and http-server.test.ts
    expect([...Object.keys(asks), ...streams].sort()).toEqual(Object.keys(routes).sort())
  })

  it.each(Object.keys(asks))('%s', async name => {
    world.node.apply([{ op: 'put', key: 'account:alice', value: { balance: 1000, nonce: 0 } }])
    world.node.overlay = {
      peers: [peer],
      warnings: [
        {
          code: 'PEER_UNREACHABLE',
          title: 'node1 over HTTP only',
          text: 'x',
          severity: 'low',
          sinceWall: 1_700_000_000_000,
          timeToVisibleMs: 0,
          dependsOn: [],
          impactsConnectivity: false,
          primaryAction: { label: 'Check', command: 'lattice peers' },
        },
      ],
    }
    await world.node.switchMode('auto')
    const row = routes[name as keyof typeof routes] as Route
    const [path, ask] = asks[name] ?? ['/']
    expectFits(row, await world.ask(path, ask))
  })
})

describe('legacy shapes', () => {
  it('GET / names the product to programs and shows a page to browsers', async () => {
    const { json } = await world.ask('/')
    expect(Object.keys(json)).toEqual(['name', 'version', 'status', 'endpoints'])
    expect(json).toMatchObject({ name: 'Lattice', version: '0.1.0', status: 'operational' })
    const page = await world.ask('/', { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } })
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(page.text).toContain('<html lang="en">')
    expect(page.text).not.toContain('<script')
    expect((await world.ask('/', { headers: { accept: '*/*' } })).json['status']).toBe('operational')
  })

  it('GET /health', async () => {
    expect((await world.ask('/health')).json).toEqual({ status: 'healthy' })
  })

  it('GET /api/status', async () => {
    expect((await world.ask('/api/status')).json).toEqual({
      success: true,
      production: false,
      safe_mode: false,
      violations: [],
      cors_origins: [],
      p2p: { enabled: true, started: true, peer_count: 0 },
    })
  })

  it('GET /api/lattice/state signs <merkle_root>:<timestamp> and is complete', async () => {
    world.node.apply([{ op: 'put', key: 'account:alice', value: { balance: 1000, nonce: 0 } }])
    world.node.apply([{ op: 'put', key: '__proto__', value: { polluted: true } }])
    const { json, headers } = await world.ask('/api/lattice/state')
    expect(Object.keys(json).sort()).toEqual(
      'entry_count merkle_root public_key signature signed state state_size success timestamp'.split(' '),
    )
    expect(json).toMatchObject({ success: true, state_size: 2, entry_count: 2, signed: true })
    expect(Object.entries(json['state'] as object)).toEqual([
      ['__proto__', { polluted: true }],
      ['account:alice', { balance: 1000, nonce: 0 }],
    ])
    expect(json['merkle_root']).toBe(world.node.root())
    expect(json['public_key']).toBe(world.node.id)
    expect(Number.isInteger(json['timestamp'])).toBe(true)
    const text = `${String(json['merkle_root'])}:${String(json['timestamp'])}`
    expect(world.node.signed(text, String(json['signature']))).toBe(true)
    expect(world.node.signed(`${text}0`, String(json['signature']))).toBe(false)
    expect(headers.etag).toBe(`"${world.node.root()}"`)
  })

  it('GET /api/lattice/nodes', async () => {
    expect((await world.ask('/api/lattice/nodes')).json).toEqual({
      success: true,
      nodes: ['http://127.0.0.1:8001', 'http://127.0.0.1:8002'],
      count: 2,
    })
  })

  it('GET /api/lattice/p2p/status', async () => {
    expect((await world.ask('/api/lattice/p2p/status')).json).toMatchObject({
      success: true,
      enabled: true,
      started: true,
      libp2p_available: true,
      error: null,
      topic: 'aethel/lattice/v1',
      listen_multiaddrs: ['/ip4/127.0.0.1/tcp/9000'],
      bootstrap_peers: ['/ip4/127.0.0.1/tcp/9001/p2p/12D3KooWOther'],
      peer_count: 0,
      has_peers: false,
      http_sync_enabled: true,
      sync_mode: 'NONE',
      heartbeat_active: true,
      mode: 'auto',
      phase: 'NONE',
      merkle_root: world.node.root(),
      last_sync: null,
      warnings: [],
    })
  })

  it('GET /api/lattice/p2p/identity', async () => {
    expect((await world.ask('/api/lattice/p2p/identity')).json).toEqual({
      success: true,
      peer_id: '12D3KooWTestPeerIdOfThisNode',
      listen_addrs: ['/ip4/127.0.0.1/tcp/9000'],
      public_key: world.node.id,
    })
  })

  it('POST /api/lattice/sync/switch needs neither body nor Content-Type and is idempotent', async () => {
    for (const _again of [1, 2]) {
      const { status, json } = await world.ask('/api/lattice/sync/switch?mode=http', { method: 'POST' })
      expect(status).toBe(200)
      expect(json).toMatchObject({ success: true, mode: 'HTTP', requested: 'http', phase: 'FORCED' })
      expect(typeof json['message']).toBe('string')
    }
    const back = await world.ask('/api/lattice/sync/switch?mode=auto', { method: 'POST' })
    expect(back.json).toMatchObject({ success: true, mode: 'NONE', previous: 'http' })
  })

  it.each([
    ['?mode=foo', 'foo'],
    ['?mode=P2P', 'P2P'],
    ['?mode=', ''],
    ['?mode=p2p&mode=http', 'p2p, http'],
  ])('switch %s is refused in the words clients show', async (query, named) => {
    const { status, json } = await world.ask(`/api/lattice/sync/switch${query}`, { method: 'POST' })
    const words = `Invalid mode: ${named}. Use 'p2p', 'http', or 'auto'`
    expect(status).toBe(400)
    expect(json).toMatchObject({ success: false, detail: words, message: words, code: 'MODE_INVALID' })
  })

  it('GET /api/persistence/integrity', async () => {
    expect((await world.ask('/api/persistence/integrity')).json).toMatchObject({
      status: 'healthy',
      merkle_root: world.node.root(),
    })
  })
})

describe('switching', () => {
  it('is 409 only where the mode is impossible', async () => {
    world.node.p2pPossible = false
    const answer = await world.ask('/api/lattice/sync/switch?mode=p2p', { method: 'POST' })
    expect(answer.status).toBe(409)
    expect(answer.json).toMatchObject({ code: 'MODE_IMPOSSIBLE', success: false })
  })

  it('is 202 while auto still weighs the paths', async () => {
    world.node.overlay = { phase: 'TRIAL' }
    expect((await world.ask('/api/lattice/sync/switch?mode=auto', { method: 'POST' })).status).toBe(202)
  })

  it.each([
    'mode=auto&for=30m',
    'mode=http&for=0',
    'mode=http&for=31d',
    'mode=http&for=soon',
    'mode=http&fro=30m',
  ])('refuses %s and names the field', async query => {
    const { status, json } = await world.ask(`/api/lattice/sync/switch?${query}`, { method: 'POST' })
    expect(status).toBe(400)
    expect(json['code']).toBe('REQUEST_INVALID')
    expect(json['errors']).toHaveLength(1)
    expect(world.node.status().requested).toBe('auto')
  })

  it('says until when a limited mode lasts', async () => {
    const { json } = await world.ask('/api/lattice/sync/switch?mode=http&for=30m', { method: 'POST' })
    const leftMs = Date.parse(String(json['until'])) - Date.now()
    expect(leftMs).toBeGreaterThan(29 * 60_000)
    expect(leftMs).toBeLessThanOrEqual(30 * 60_000)
  })
})

describe('health', () => {
  const unreachable: PeerStatus = {
    ...peer,
    path: 'none',
    links: { p2p: { state: 'down' }, http: { state: 'down' } },
  }

  it('P2P down in auto with HTTP good is degraded at most', async () => {
    world.node.overlay = { peers: [peer], syncMode: 'HTTP', phase: 'HTTP' }
    expect((await world.ask('/health')).json).toEqual({ status: 'degraded' })
    const report = (await world.ask('/api/lattice/health')).json
    expect(report['overall']).toBe('degraded')
    expect(report['components']).toMatchObject({
      p2p: { status: 'degraded' },
      http_sync: { status: 'healthy' },
    })
  })

  it('clocks that differ are said, and are no trouble of the node before they are a minute apart', async () => {
    const clock = async (overlay: Partial<NodeStatus>): Promise<unknown> => {
      world.node.overlay = overlay
      const { overall, components } = (await world.ask('/api/lattice/health')).json
      return [overall, (components as Record<string, unknown>)['clock']]
    }
    const apart = (clockAheadMs: number): Promise<unknown> => clock({ peers: [{ ...peer, clockAheadMs }] })
    const sound = [expect.anything(), expect.objectContaining({ status: 'healthy' })]
    expect(await clock({ peers: [] })).toEqual(['healthy', expect.objectContaining({ status: 'unknown' })])
    expect(await apart(-40)).toEqual(sound)
    expect(await apart(3_000)).toEqual([
      expect.anything(),
      { status: 'healthy', reason: expect.stringContaining(' is 3 s ahead of'), value: 3, unit: 'seconds' },
    ])
    expect(await apart(60_000)).toEqual(['degraded', expect.objectContaining({ status: 'degraded' })])
    expect(await clock({ peers: [], clockLeadMs: 60_000 })).toEqual([
      'degraded',
      expect.objectContaining({ status: 'degraded', value: 60 }),
    ])
  })

  it('HTTP cut while P2P works is no alarm', async () => {
    const links = { p2p: { state: 'up' as const }, http: { state: 'down' as const } }
    world.node.overlay = {
      peers: [{ ...peer, path: 'p2p', links }],
      syncMode: 'P2P',
      phase: 'P2P',
      p2pPeerCount: 1,
    }
    expect((await world.ask('/health')).json).toEqual({ status: 'healthy' })
  })

  it('a peer out of reach is degraded and named', async () => {
    world.node.overlay = { peers: [unreachable] }
    const report = (await world.ask('/api/lattice/health')).json
    expect(report).toMatchObject({ overall: 'degraded', reason: 'not in reach: node1' })
    expect((await world.ask('/readyz')).status).toBe(200)
  })

  it('a wall clock that is set makes it neither younger nor older', async () => {
    await world.close()
    let stepMs = 0
    world = await startWorld({
      clock: { now: () => ({ mono: performance.now(), wall: Date.now() + stepMs }) },
    })
    const uptimes: number[] = []
    for (stepMs of [0, 3_600_000, -3_600_000])
      uptimes.push(Number((await world.ask('/api/lattice/health')).json['uptime_seconds']))
    expect(uptimes).toEqual(uptimes.toSorted((a, b) => a - b))
    expect(Math.min(...uptimes)).toBeGreaterThan(0)
    expect(Math.max(...uptimes)).toBeLessThan(60)
  })

  it('a store that fails is unhealthy, 503, and not ready', async () => {
    await world.close()
    const persistence = () => ({ status: 'unhealthy' as const, reason: 'disk full' })
    world = await startWorld({ probes: { persistence } })
    const health = await world.ask('/health')
    expect([health.status, health.json]).toEqual([503, { status: 'unhealthy' }])
    expectFits(rowOf('GET', '/api/lattice/health'), await world.ask('/api/lattice/health'))
    const ready = await world.ask('/readyz?verbose')
    expect(ready.status).toBe(503)
    expect(ready.text).toContain('[-]store failed: disk full')
    expect(ready.text).toContain('[+]transport ok')
    expect((await world.ask('/readyz?exclude=store')).status).toBe(200)
    expect((await world.ask('/livez')).status).toBe(200)
  })

  it('a warning that another one explains stays silent', async () => {
    const warning = (code: string, dependsOn: string[]) => ({
      code,
      title: code,
      text: code,
      severity: 'low' as const,
      sinceWall: 0,
      timeToVisibleMs: 0,
      dependsOn,
      impactsConnectivity: true,
      primaryAction: { label: 'look' },
    })
    world.node.overlay = { warnings: [warning('A', ['B']), warning('B', []), warning('C', ['D'])] }
    const { warnings } = (await world.ask('/api/lattice/p2p/status')).json
    expect((warnings as { code: string }[]).map(({ code }) => code)).toEqual(['B', 'C'])
  })
})

describe('metrics', () => {
  it('count changes, modes and requests with bounded labels, in both formats, again and again', async () => {
    world.node.overlay = { peers: [peer, { ...peer, nodeId: 'c'.repeat(64) as NodeId }] }
    world.node.apply([{ op: 'put', key: 'secret-key-name', value: 1 }])
    await world.ask('/api/lattice/state/secret-key-name')
    await world.ask('/no/such/path')
    await world.node.switchMode('http')
    const accept = { headers: { accept: 'application/openmetrics-text; version=1.0.0' } }
    const open = await world.ask('/metrics', accept)
    const plain = await world.ask('/metrics')
    expect(open.headers['content-type']).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
    expect(open.text.endsWith('\n# EOF\n')).toBe(true)
    expect(open.text).toContain(
      '# TYPE lattice_ops_applied counter\nlattice_ops_applied_total{source="local"} 1\n',
    )
    expect(plain.text).toContain(
      '# TYPE lattice_ops_applied_total counter\nlattice_ops_applied_total{source="local"} 1\n',
    )
    expect(plain.text).toContain('lattice_mode_switches_total{from="NONE",to="FORCED",reason="operator"} 1')
    expect(plain.text).toContain('lattice_sync_mode{mode="http"} 1')
    expect(plain.text).toContain('lattice_peer_lag_ops{peer="node1"} 3')
    expect(plain.text).toContain('lattice_peer_lag_ops{peer="node1-cccccccc"} 3')
    expect(plain.text).toContain('route="/api/lattice/state/{key}",method="GET",code="200"')
    expect(plain.text).toContain('route="unmatched",method="GET",code="404"')
    expect(plain.text).not.toContain('secret-key-name')
    for (const name of plain.text.matchAll(/^# TYPE (\S+)/gm)) expect(name[1]).toMatch(/^lattice_[a-z0-9_]+$/)
  })
})

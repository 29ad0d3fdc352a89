/**
 * What deployed clients of the earlier system call, and the settings of old deployments (contract §2.1, §3).
 */
import { createPublicKey, verify } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { World } from './daemons.ts'
import type { Daemon } from './daemons.ts'
import { put } from './federation.ts'
import { freePort } from './ports.ts'

const world = new World()
const hex64 = expect.stringMatching(/^[0-9a-f]{64}$/)
let node: Daemon

beforeAll(async () => {
  const [{ stateDir, identity }, http, p2p] = await Promise.all([
    world.identity('node1'),
    freePort(),
    freePort(),
  ])
  const settings = {
    DIOTEC360_NODE_NAME: 'node3-backup',
    DIOTEC360_NODE_ROLE: 'genesis-backup',
    DIOTEC360_STATE_DIR: stateDir,
    DIOTEC360_P2P_LISTEN: `/ip4/127.0.0.1/tcp/${p2p}`,
    AETHEL_LATTICE_NODES: 'http://127.0.0.1:9,http://127.0.0.1:10',
    AETHEL_HEARTBEAT_INTERVAL: '5',
    AETHEL_PEERLESS_TIMEOUT: '60',
    AETHEL_TRUSTED_STATE_PUBKEYS: '',
    DIOTEC360_CORS_ORIGINS: 'https://app.example.org',
    DIOTEC360_VAULT_DIR: '.vault',
    PORT: String(http),
    LATTICE_LOG_FORMAT: 'json',
  }
  const url = `http://127.0.0.1:${http}`
  node = world.daemon({ name: 'node1', stateDir, identity, url, p2pAddress: '', settings })
  await node.start()
  await put(node, 'account:alice', { balance: 1000, nonce: 0 })
  await put(node, '__proto__', [1, null, 'ü'])
}, 60_000)

afterAll(() => world.close())

async function ask(path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(node.url + path, init)
  return { status: response.status, body: await response.json() }
}

describe('a deployment with the settings of the earlier system', () => {
  it('starts unchanged, and each old name is told once with the name to write instead', () => {
    const lines = node.log.split('\n').filter(line => line.includes('DIOTEC360_NODE_NAME'))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('LATTICE_NODE_NAME')
    expect(node.log).toContain('AETHEL_PEERLESS_TIMEOUT')
    expect(node.log).toContain('VAULT_DIR')
  })

  it('keeps its name and role', async () => {
    const report = await node.client.getHealthReport()
    expect(report).toMatchObject({ name: 'node3-backup', role: 'genesis-backup' })
  })
})

describe('legacy clients find the shapes they know', () => {
  it('GET /', async () => {
    const { status, body } = await ask('/', { headers: { accept: 'application/json' } })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      name: expect.any(String),
      version: expect.any(String),
      status: 'operational',
      endpoints: expect.objectContaining({ health: '/health' }),
    })
  })

  it('GET /health', async () => {
    expect(await ask('/health')).toEqual({ status: 200, body: { status: 'healthy' } })
  })

  it('GET /api/status', async () => {
    expect(await ask('/api/status')).toEqual({
      status: 200,
      body: {
        success: true,
        production: false,
        safe_mode: true,
        violations: [],
        cors_origins: ['https://app.example.org'],
        p2p: { enabled: true, started: true, peer_count: 0 },
      },
    })
  })

  it('GET /api/lattice/state, with a signature anybody can check', async () => {
    const { status, body } = await ask('/api/lattice/state')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      success: true,
      merkle_root: hex64,
      state: { 'account:alice': { balance: 1000, nonce: 0 } },
      state_size: 2,
      entry_count: 2,
      timestamp: expect.any(Number),
      signature: expect.stringMatching(/^[0-9a-f]{128}$/),
      public_key: node.plan.identity.publicKey,
      signed: true,
    })
    const answer = body as Record<'merkle_root' | 'signature' | 'public_key', string> & { timestamp: number }
    expect(Number.isInteger(answer.timestamp)).toBe(true)
    expect(Math.abs(answer.timestamp - Date.now() / 1000)).toBeLessThan(60)
    const text = Buffer.from(`${answer.merkle_root}:${answer.timestamp}`)
    const x = Buffer.from(answer.public_key, 'hex').toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    expect(verify(null, text, key, Buffer.from(answer.signature, 'hex'))).toBe(true)
    const { state } = body as { state: object }
    expect(Object.entries(state)).toContainEqual(['__proto__', [1, null, 'ü']])
  })

  it('GET /api/lattice/nodes', async () => {
    const nodes = ['http://127.0.0.1:9', 'http://127.0.0.1:10']
    expect(await ask('/api/lattice/nodes')).toEqual({ status: 200, body: { success: true, nodes, count: 2 } })
  })

  it('GET /api/lattice/p2p/status', async () => {
    const { status, body } = await ask('/api/lattice/p2p/status')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      success: true,
      enabled: true,
      started: true,
      libp2p_available: true,
      error: null,
      topic: 'aethel/lattice/v1',
      listen_multiaddrs: [expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+/)],
      bootstrap_peers: [],
      peer_count: 0,
      has_peers: false,
      http_sync_enabled: true,
      sync_mode: 'NONE',
      heartbeat_active: true,
      mode: 'auto',
      phase: 'NONE',
      merkle_root: hex64,
    })
  })

  it('GET /api/lattice/p2p/identity', async () => {
    const { peerId, publicKey } = node.plan.identity
    expect(await ask('/api/lattice/p2p/identity')).toEqual({
      status: 200,
      body: { success: true, peer_id: peerId, listen_addrs: [expect.any(String)], public_key: publicKey },
    })
  })

  it('POST /api/lattice/sync/switch without body and Content-Type, and its refusal in the words they show', async () => {
    const forced = await ask('/api/lattice/sync/switch?mode=http', { method: 'POST' })
    expect(forced).toMatchObject({
      status: 200,
      body: { success: true, mode: 'HTTP', message: expect.any(String) },
    })
    const back = await ask('/api/lattice/sync/switch?mode=auto', { method: 'POST' })
    expect(back).toMatchObject({ status: 200, body: { success: true, mode: 'NONE' } })
    const wrong = "Invalid mode: fast. Use 'p2p', 'http', or 'auto'"
    expect(await ask('/api/lattice/sync/switch?mode=fast', { method: 'POST' })).toMatchObject({
      status: 400,
      body: { success: false, detail: wrong, message: wrong },
    })
  })

  it('GET /api/persistence/integrity', async () => {
    const { status, body } = await ask('/api/persistence/integrity')
    expect(status).toBe(200)
    expect(body).toMatchObject({ status: 'healthy', merkle_root: hex64 })
  })
})

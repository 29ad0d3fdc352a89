/** Configuration of real deployments: legacy files, secrets, production. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'

import { configJson, configRows, formatOrigin, requireConfig } from '../src/config/index.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import { catchError, openConfigWorld } from './config-world.ts'
import type { ConfigWorld } from './config-world.ts'

const one = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
const seed = '5eed'.repeat(16)

let world: ConfigWorld
let directory = ''
const file: ConfigWorld['file'] = (...lines) => world.file(...lines)
const load: ConfigWorld['load'] = input => world.load(input)
const problemsOf: ConfigWorld['problemsOf'] = loaded => world.problemsOf(loaded)
beforeEach(() => {
  world = openConfigWorld()
  directory = world.directory
})
afterEach(() => world.close())

describe('legacy deployments', () => {
  const old = [
    '# Node 3',
    'DIOTEC360_P2P_ENABLED=true',
    'DIOTEC360_P2P_LISTEN=/ip4/0.0.0.0/tcp/9000',
    `DIOTEC360_P2P_BOOTSTRAP=/ip4/192.0.2.1/tcp/9000/p2p/${one.peerId}`,
    'DIOTEC360_LATTICE_NODES=https://api.example.org,https://node1.example.org/',
    'AETHEL_HEARTBEAT_INTERVAL=5',
    'AETHEL_PEERLESS_TIMEOUT=60',
    'DIOTEC360_STATE_DIR=/tmp/lattice-legacy',
    'DIOTEC360_VAULT_DIR=.vault',
    'DIOTEC360_SENTINEL_DIR=.sentinel',
    'NODE_NAME="node3-backup"',
    "NODE_ROLE='genesis-backup'",
    'API_HOST=0.0.0.0',
    'API_PORT=8000  # behind the proxy',
    'API_WORKERS=4',
    'RATE_LIMIT_PER_MINUTE=100',
    'LOG_LEVEL=INFO',
    'LOG_LEVEL=WARNING',
    `DIOTEC360_TRUSTED_STATE_PUBKEYS=${one.nodeId}`,
  ]

  it('an old file starts unchanged; each name is told once, the meaningless ones together', () => {
    const loaded = load({ file: file(...old) })
    expect(problemsOf(loaded)).toEqual([])
    expect(loaded.config).toMatchObject({
      nodeName: 'node3-backup',
      nodeRole: 'genesis-backup',
      httpHost: '0.0.0.0',
      httpPort: 8000,
      heartbeatIntervalMs: 5000,
      peerlessTimeoutMs: 60_000,
      stateDir: '/tmp/lattice-legacy',
      logLevel: 'warn',
      nodes: ['https://api.example.org', 'https://node1.example.org'],
      trustedKeys: [one.nodeId],
    })
    const told = loaded.warnings.map(({ kind }) => kind)
    expect(told.filter(kind => kind === 'deprecated')).toHaveLength(13)
    expect(loaded.warnings.filter(({ kind }) => kind === 'ignored').map(({ text }) => text)).toEqual([
      '4 names have no meaning here and no effect: ' +
        'API_WORKERS, DIOTEC360_SENTINEL_DIR, DIOTEC360_VAULT_DIR, RATE_LIMIT_PER_MINUTE',
    ])
  })

  it("today's prefix beats DIOTEC360_, which beats AETHEL_, whatever their order", () => {
    const names = { AETHEL_NODE_NAME: 'c', DIOTEC360_NODE_NAME: 'b', LATTICE_NODE_NAME: 'a' }
    expect(load({ env: names }).config?.nodeName).toBe('a')
    expect(load({ env: { ...names, LATTICE_NODE_NAME: undefined } }).config?.nodeName).toBe('b')
    expect(load({ env: { AETHEL_NODE_NAME: 'c' } }).config?.nodeName).toBe('c')
    expect(load({ env: names }).warnings.map(({ text }) => text)).toEqual([
      'AETHEL_NODE_NAME is deprecated; write LATTICE_NODE_NAME',
      'DIOTEC360_NODE_NAME is deprecated; write LATTICE_NODE_NAME',
    ])
  })

  it('names without a prefix count in a file only', () => {
    const loaded = load({ env: { NODE_NAME: 'foreign', LOG_LEVEL: 'debug', API_PORT: '1' } })
    expect(loaded.config).toMatchObject({ logLevel: 'info', httpPort: 8000 })
    expect(loaded.warnings).toEqual([])
  })

  it('placeholders are refused, with what to put there', () => {
    const path = file(
      'DIOTEC360_NODE_PRIVKEY_HEX=GENERATE_AND_REPLACE_WITH_HEX',
      'DIOTEC360_P2P_BOOTSTRAP=/ip4/192.0.2.1/tcp/9000/p2p/PEER_ID_1',
      'LATTICE_ADMIN_TOKEN=<your token here>',
    )
    expect(problemsOf(load({ file: path }))).toEqual([
      expect.stringMatching(
        /P2P_BOOTSTRAP: still holds the placeholder PEER_ID_1; put the real peer id: run `lattice id`/,
      ),
      expect.stringMatching(
        /PRIVKEY_HEX: still holds the placeholder GENERATE_AND_REPLACE_WITH_HEX; put 32 random bytes/,
      ),
      expect.stringMatching(/ADMIN_TOKEN: still holds the placeholder/),
    ])
  })
})

describe('secrets', () => {
  const canary = 'canary-0123456789abcdef'

  it('never show up, whatever prints them', () => {
    const loaded = load({ env: { LATTICE_ADMIN_TOKEN: canary, LATTICE_NODE_PRIVKEY_HEX: seed } })
    const { config } = loaded
    const printed = [
      JSON.stringify(config),
      inspect(config, { depth: 9, showHidden: true }),
      `${String(config?.adminToken)} ${String(config?.nodePrivkeyHex)}`,
      JSON.stringify(configJson(loaded)),
      JSON.stringify(configRows(loaded)),
    ].join('\n')
    expect(printed).not.toContain(canary)
    expect(printed).not.toContain(seed)
    expect(config?.adminToken?.reveal()).toBe(canary)
    expect(config?.adminToken?.matches(canary)).toBe(true)
    expect(config?.adminToken?.matches(`${canary}x`)).toBe(false)
  })

  it('a malformed secret is refused without repeating it', () => {
    const env = { LATTICE_ADMIN_TOKEN: 'short canary', LATTICE_NODE_PRIVKEY_HEX: `${seed}canary` }
    const text = problemsOf(load({ env })).join('\n')
    expect(text).toContain('the value is not 64 hex digits')
    expect(text).toContain('the value is not 16 to 512 visible ASCII characters')
    expect(text).not.toContain('canary')
  })

  it('C6: come from a file where …_FILE says so, or from the credentials directory', () => {
    writeFileSync(join(directory, 'secret'), `${canary}\n`)
    writeFileSync(join(directory, 'node-privkey-hex'), seed)
    const env = { LATTICE_ADMIN_TOKEN_FILE: 'secret', CREDENTIALS_DIRECTORY: directory }
    const loaded = load({ env })
    expect(loaded.config?.adminToken?.reveal()).toBe(canary)
    expect(loaded.config?.nodePrivkeyHex?.reveal()).toBe(seed)
    expect(formatOrigin(loaded.origins.get('NODE_PRIVKEY_HEX') ?? { source: 'default' })).toBe(
      'credential node-privkey-hex',
    )
    expect(problemsOf(load({ env: { LATTICE_ADMIN_TOKEN_FILE: 'gone' } }))[0]).toContain(
      'cannot be read (ENOENT)',
    )
    const both = { LATTICE_ADMIN_TOKEN: canary, LATTICE_ADMIN_TOKEN_FILE: 'secret' }
    expect(problemsOf(load({ env: both }))[0]).toContain('set together with LATTICE_ADMIN_TOKEN_FILE')
  })
})

describe('production', () => {
  const open = {
    LATTICE_ENVIRONMENT: 'production',
    LATTICE_HTTP_HOST: '0.0.0.0',
    LATTICE_NODES: 'http://b.example',
  }

  it('refuses to start without trusted keys, with an open API, or with an unencrypted node', () => {
    const loaded = load({ env: open })
    expect(loaded.problems).toEqual([])
    expect(loaded.warnings.map(({ kind }) => kind)).toEqual(['insecure', 'insecure', 'insecure'])
    const text = String(catchError(() => requireConfig(loaded)))
    expect(text).toContain('LATTICE_TRUSTED_KEYS: production needs the members of the federation')
    expect(text).toContain('LATTICE_ADMIN_TOKEN: the API listens on 0.0.0.0')
    expect(text).toContain('LATTICE_NODES: http://b.example is not encrypted')
  })

  it('starts when these are mended, and elsewhere they do not matter', () => {
    const mended = {
      LATTICE_TRUSTED_KEYS: one.nodeId,
      LATTICE_ADMIN_TOKEN: 'a-token-of-some-length',
      LATTICE_NODES: 'https://b.example,http://localhost:8001',
    }
    expect(requireConfig(load({ env: { ...open, ...mended } })).environment).toBe('production')
    expect(requireConfig(load({ env: { ...open, LATTICE_ENVIRONMENT: 'staging' } })).environment).toBe(
      'staging',
    )
  })
})

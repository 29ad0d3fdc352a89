/** Configuration: precedence, platforms, all problems at once with their positions, values. */
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { formatDuration, parseDuration } from '@lattice/api'
import fc from 'fast-check'

import {
  configRows,
  flagOf,
  formatOrigin,
  requireConfig,
  settingNames,
  settingOf,
} from '../src/config/index.ts'
import type { ConfigInput, SettingName } from '../src/config/index.ts'
import { parseEnvFile, writeEnvValue } from '../src/config/env-file.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import { peerIdFromNodeId } from '../src/host/peer-id.ts'
import { catchError, openConfigWorld } from './config-world.ts'
import type { ConfigWorld } from './config-world.ts'

const one = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
const two = identityFromSeed(new Uint8Array(32).fill(2), 'configured')

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

describe('C1: precedence', () => {
  const cases: readonly (readonly [SettingName, string, string, string, string])[] = [
    ['NODE_NAME', 'by-flag', 'by-env', 'by-file', ''],
    ['HTTP_PORT', '1001', '1002', '1003', '8000'],
    ['HEARTBEAT_INTERVAL', '1s', '2s', '3s', '5s'],
    ['P2P_TOPIC', 'topic/flag', 'topic/env', 'topic/file', 'aethel/lattice/v1'],
    ['LOG_LEVEL', 'error', 'warn', 'debug', 'info'],
  ]
  it.each(cases)(
    '%s: flag beats environment beats file beats default',
    (name, flag, env, inFile, fallback) => {
      const key = `LATTICE_${name}`
      const all = { flags: { [name]: flag }, env: { [key]: env }, file: file(`${key}=${inFile}`) }
      const shown = (input: Partial<ConfigInput>): string[] => {
        const row = configRows(load(input)).find(([each]) => each === key)
        return [row?.[1] ?? '', (row?.[2] ?? '').replaceAll(directory, '.')]
      }
      expect(shown(all)).toEqual([flag, `flag ${flagOf(name)}`])
      expect(shown({ ...all, flags: {} })).toEqual([env, `env ${key}`])
      expect(shown({ file: all.file })).toEqual([inFile, `./node.env:1:${key.length + 2}`])
      const [value, origin] = shown({})
      expect(origin).toBe('default')
      if (fallback !== '') expect(value).toBe(fallback)
    },
  )

  it('C2: every setting has an environment name, a flag unless secret, and texts for its reader', () => {
    expect(settingNames.length).toBeGreaterThanOrEqual(27)
    for (const name of settingNames) {
      const setting = settingOf(name)
      expect(name).toMatch(/^[A-Z0-9]+(_[A-Z0-9]+)*$/)
      expect(setting.meaning.length * setting.form.length * setting.put.length).toBeGreaterThan(0)
    }
    expect(settingNames.filter(name => settingOf(name).secret)).toEqual(['NODE_PRIVKEY_HEX', 'ADMIN_TOKEN'])
  })

  it('without anything set there is a complete, frozen, loopback-only configuration', () => {
    const { config, problems, warnings } = load({})
    expect([problems, warnings]).toEqual([[], []])
    expect(config).toMatchObject({ httpHost: '127.0.0.1', httpPort: 8000, p2pEnabled: true, trustedKeys: [] })
    expect(config?.stateDir).toBe(join(directory, 'data'))
    expect(config?.p2pListen).toEqual(['/ip4/127.0.0.1/tcp/9000'])
    expect(config?.flapLimit).toEqual({ count: 6, windowMs: 600_000 })
    expect(Object.isFrozen(config)).toBe(true)
  })

  it('an empty value leaves a scalar unset, and empties a list', () => {
    const path = file('LATTICE_HTTP_PORT=', 'LATTICE_NODES=https://a.example')
    const loaded = load({ file: path, env: { LATTICE_NODES: '', LATTICE_NODE_ROLE: '' } })
    expect(loaded.config).toMatchObject({ httpPort: 8000, nodes: [], nodeRole: 'node' })
  })
})

describe('platforms', () => {
  it('PORT counts below HTTP_PORT, above everything else', () => {
    expect(load({ env: { PORT: '5000' } }).config?.httpPort).toBe(5000)
    expect(load({ env: { PORT: '5000' }, file: file('LATTICE_HTTP_PORT=6000') }).config?.httpPort).toBe(6000)
    expect(load({ env: { PORT: '5000', SPACE_ID: 'o/n' } }).config?.httpPort).toBe(5000)
    expect(problemsOf(load({ env: { PORT: 'http' } }))).toEqual([
      'PORT: "http" is not a port; write 0 to 65535 (env PORT)',
    ])
  })

  it('C8: a Space listens on 0.0.0.0:7860 and announces its TLS edge by itself', () => {
    const loaded = load({ env: { SPACE_ID: 'org/node1', SPACE_HOST: 'org-node1.hf.space' } })
    expect(loaded.config).toMatchObject({
      httpHost: '0.0.0.0',
      httpPort: 7860,
      p2pAnnounce: ['/dns4/org-node1.hf.space/tcp/443/tls/ws'],
      space: { id: 'org/node1', host: 'org-node1.hf.space' },
    })
    expect(formatOrigin(loaded.origins.get('HTTP_PORT') ?? { source: 'default' })).toBe('env SPACE_ID')
  })

  it('a Kubernetes service called lattice does not count as unknown keys', () => {
    const env = {
      KUBERNETES_SERVICE_HOST: '10.0.0.1',
      LATTICE_PORT: 'tcp://10.0.0.2:8000',
      LATTICE_SERVICE_HOST: 'x',
    }
    expect(load({ env }).problems).toEqual([])
    expect(load({ env: { LATTICE_PORT: 'tcp://10.0.0.2:8000' } }).problems).toHaveLength(1)
  })
})

describe('problems', () => {
  it('C3, C4: four faults in a file give four messages at once, each with line and column', () => {
    const path = file(
      '# a node',
      'LATTICE_HTTP_PORT=99999',
      'LATTICE_HEARTBEET_INTERVAL=5',
      'LATTICE_P2P_ENABLED=perhaps',
      'export LATTICE_NODES="https://a.example, gopher://b"',
      'LATTICE_NODE_ROLE=genesis-backup',
    )
    expect(problemsOf(load({ file: path }))).toEqual([
      'LATTICE_HEARTBEET_INTERVAL: unknown key; did you mean LATTICE_HEARTBEAT_INTERVAL? (./node.env:3:1)',
      'LATTICE_HTTP_PORT: "99999" is not a port; write 0 to 65535 (./node.env:2:19)',
      'LATTICE_P2P_ENABLED: "perhaps" is not a boolean; write true or false (./node.env:4:21)',
      'LATTICE_NODES: "gopher://b" is not an http(s) URL; write one like https://node.example.org ' +
        '(./node.env:5:22)',
    ])
    const error = catchError(() => requireConfig(load({ file: path })))
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
    expect(String(error).split('\n')).toHaveLength(4)
  })

  it.each([
    ['LATTICE_HTPP_PORT', 'did you mean LATTICE_HTTP_PORT?'],
    ['LATTICE_NODE_PRIVKEY_HEX_FIEL', 'did you mean LATTICE_NODE_PRIVKEY_HEX_FILE?'],
    ['LATTICE_TRUSTED_STATE_PUBKEYS', 'did you mean LATTICE_TRUSTED_KEYS?'],
    ['LATTICE_HTTP_PORT_FILE', 'did you mean LATTICE_HTTP_PORT?'],
    ['LATTICE_QQQQQQQQQQ', 'the nearest key is LATTICE_'],
  ])('the unknown key %s names the nearest valid one', (key, hint) => {
    const [line = ''] = problemsOf(load({ env: { [key]: 'x' } }))
    expect(line).toContain(`${key}: unknown key; ${hint}`)
    expect(line).toContain(`(env ${key})`)
  })

  it.each([
    ['no equals sign', 'LATTICE_HTTP_PORT 80', 'expected KEY=value'],
    ['an open quote', 'LATTICE_NODE_NAME="a', 'the quote " is never closed'],
    ['text after a quote', "LATTICE_NODE_NAME='a' b", "unexpected text after the closing '"],
    ['a control character', 'LATTICE_NODE_NAME=a\u0000b', 'a control character'],
    ['a key set twice', 'LATTICE_NODE_NAME=a\nLATTICE_NODE_NAME=b', 'set twice, first on line 1'],
    ['a misspelt prefix', 'LATICE_NODE_NAME=a', 'did you mean LATTICE_NODE_NAME?'],
  ])('a file with %s is refused', (_what, text, message) => {
    expect(problemsOf(load({ file: file(text) })).join('\n')).toContain(message)
  })

  it('a missing file is named', () => {
    expect(problemsOf(load({ file: 'absent.env' }))).toEqual([
      'the file ./absent.env cannot be read (ENOENT) (absent.env)',
    ])
  })

  it.each([
    [{ HEARTBEAT_INTERVAL: '10ms' }, '"10ms" is out of range; 50ms to 5m is allowed'],
    [{ HEARTBEAT_INTERVAL: 'soon' }, 'is not a duration; write 5, 5s, 500ms or 2m'],
    [{ PEERLESS_TIMEOUT: '5s' }, 'is not longer than LATTICE_HEARTBEAT_INTERVAL (5s)'],
    [{ HOLD_DOWN: '10m' }, 'is shorter than LATTICE_HOLD_DOWN (10m)'],
    [{ FLAP_LIMIT: '6' }, 'is not COUNT/WINDOW; write 6/10m'],
    [{ P2P_LISTEN: '/ip4/300.0.0.1/tcp/1' }, '"300.0.0.1" is not a valid /ip4 host'],
    [{ P2P_LISTEN: '/ip4/127.0.0.1/udp/1/quic-v1' }, 'only TCP and WebSocket are spoken'],
    [{ P2P_BOOTSTRAP: '/dns4/a.example/tcp/1' }, 'lacks the peer id; append /p2p/'],
    [{ P2P_BOOTSTRAP: '/dns4/a.example/tcp/1/p2p/12D3KooWnope' }, '"12D3KooWnope" is not an Ed25519 peer id'],
    [{ TRUSTED_KEYS: 'abcd' }, 'is not an Ed25519 peer id (12D3KooW…) or public key (64 hex digits)'],
    [{ TRUSTED_KEYS: '0'.repeat(64) }, 'is the key of no node: anybody could sign for it'],
    [{ NODES: 'https://u:p@a.example' }, 'a base URL holds no user or password'],
    [{ CORS_ORIGINS: 'https://a.example/path' }, 'is not an origin'],
    [{ ENVIRONMENT: 'prodution' }, 'is not one of development, test, staging, production'],
    [{ NODE_NAME: 'a b' }, 'is not a name of 1 to 64'],
    [{ LOG_LEVEL: 'loud' }, 'is not one of error, warn, info, debug'],
  ])('%j is refused with what to write instead', (values, message) => {
    const env = Object.fromEntries(Object.entries(values).map(([key, value]) => [`LATTICE_${key}`, value]))
    const loaded = load({ env })
    expect(problemsOf(loaded)).toHaveLength(1)
    expect(problemsOf(loaded)[0]).toContain(message)
    expect(loaded.config).toBeUndefined()
  })
})

describe('values', () => {
  it('written into a file are read back as they were', () => {
    const part = fc.constantFrom(' ', '#', '"', "'", '\\', '$', '=', '\t', '\n', 'n', 'ä', '😀', '\u00a0')
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), parts => {
        const value = parts.join('')
        const { assignments, faults } = parseEnvFile(`A=${writeEnvValue(value)}\nB=1\n`)
        expect([assignments.map(each => each.value), faults]).toEqual([[value, '1'], []])
      }),
    )
  })

  it('durations read back what they are written as', () => {
    const unit = fc.constantFrom(
      ['', 1000],
      ['s', 1000],
      ['ms', 1],
      ['m', 60_000],
      ['h', 3_600_000],
    ) as fc.Arbitrary<[string, number]>
    fc.assert(
      fc.property(fc.nat(1_000_000), unit, (count, [suffix, ms]) => {
        expect(parseDuration(`${count}${suffix}`)).toBe(count * ms)
        expect(parseDuration(formatDuration(count * ms))).toBe(count * ms)
      }),
    )
  })

  it('whatever is not a number with a known unit is no duration', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        const ms = parseDuration(text)
        expect(ms !== undefined).toBe(
          /^\d{1,15}(\.\d{1,3})?(ms|s|m|h|d)?$/.test(text.trim()) && Number.isSafeInteger(ms),
        )
      }),
    )
  })

  it('trusted keys may be peer ids or hex, and count once', () => {
    const keys = [one.peerId, one.nodeId.toUpperCase(), two.nodeId].join(' , ')
    expect(load({ env: { LATTICE_TRUSTED_KEYS: keys } }).config?.trustedKeys).toEqual([
      one.nodeId,
      two.nodeId,
    ])
  })

  it('node URLs lose their trailing slash and their doubles', () => {
    const env = { LATTICE_LATTICE_NODES: 'https://A.example/,https://a.example,http://127.0.0.1:1/base//' }
    const loaded = load({ env })
    expect(loaded.config?.nodes).toEqual(['https://a.example', 'http://127.0.0.1:1/base'])
    expect(loaded.warnings).toEqual([])
  })

  it('bootstrap addresses give the node that must answer there', () => {
    const address = `/dns4/a.example/tcp/443/tls/ws/p2p/${one.peerId}`
    const loaded = load({ env: { LATTICE_P2P_BOOTSTRAP: address, LATTICE_TRUSTED_KEYS: one.nodeId } })
    expect(loaded.config?.p2pBootstrap).toEqual([{ address, peerId: one.peerId, nodeId: one.nodeId }])
    expect(loaded.warnings).toEqual([])
    const [warning] = load({ env: { LATTICE_P2P_BOOTSTRAP: address } }).warnings
    expect(warning?.text).toContain('not in LATTICE_TRUSTED_KEYS')
  })

  it('peer id and node id are two spellings of every key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bytes => {
        const { nodeId, peerId } = identityFromSeed(bytes, 'configured')
        const env = { LATTICE_TRUSTED_KEYS: peerId }
        expect(peerIdFromNodeId(nodeId)).toBe(peerId)
        expect(load({ env }).config?.trustedKeys).toEqual([nodeId])
      }),
      { numRuns: 20 },
    )
  })
})

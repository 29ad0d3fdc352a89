/**
 * lattice doctor and lattice netcheck on real files, ports and servers, each with one fault put in (L6, L7,
 * L15).
 */
import * as fs from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'

import { doctorChecks, examine, type Patient } from '../src/doctor/index.ts'
import { loadConfig } from '../src/config/index.ts'
import { answers, tryOutbound } from '../src/netcheck/outbound.ts'
import { climb } from '../src/netcheck/steps.ts'
import { openIdentity } from '../src/host/identity.ts'
import { openSqliteStore } from '../src/sqlite-store.ts'
import { peer } from './rest-answers.ts'
import { startRestServer } from './rest-server.ts'
import { runInProcess } from './run-cli.ts'

let directory = ''
let stateDir = ''
const servers: Server[] = []
const sockets = new Set<Socket>()

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'lattice-doctor-'))
  stateDir = join(directory, 'state')
  fs.mkdirSync(stateDir, { mode: 0o700 })
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  await Promise.all(servers.splice(0).map(server => new Promise(resolve => server.close(resolve))))
  fs.rmSync(directory, { recursive: true, force: true })
})

async function listening(server: Server): Promise<number> {
  servers.push(server)
  server.on('connection', (socket: Socket) => void sockets.add(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** A node that has lived: key and store. */
async function lived(): Promise<void> {
  openIdentity({ stateDir })
  await (await openSqliteStore(stateDir)).close()
}

/** What a machine for tests may lack. */
const ofThisMachine = new Set(['addresses', 'dashboard', 'memory', 'open-files', 'file-system'])
const member = 'ab'.repeat(32)
const quiet = { LATTICE_HTTP_PORT: '0', LATTICE_P2P_LISTEN: '/ip4/127.0.0.1/tcp/0' }

async function diagnose(env: Record<string, string> = {}, changed: Partial<Patient> = {}) {
  const all = { ...quiet, LATTICE_STATE_DIR: stateDir, ...env }
  const found = await examine({
    loaded: loadConfig({ env: all, cwd: directory }),
    stateDir,
    env: all,
    nodeVersion: '24.22.1',
    daemon: undefined,
    online: false,
    now: Date.now(),
    ...changed,
  })
  return Object.fromEntries(found.map(each => [each.name, each]))
}

describe('L6: the doctor', () => {
  it('has at least 20 checks with names of their own, and finds nothing wrong with a node at rest but that it rests', async () => {
    await lived()
    const found = await diagnose({
      LATTICE_TRUSTED_KEYS: member,
      LATTICE_NODES: 'https://a.example',
      LATTICE_P2P_ENABLED: 'false',
    })
    expect(doctorChecks.length).toBeGreaterThanOrEqual(20)
    expect(Object.keys(found)).toHaveLength(doctorChecks.length)
    const wrong = Object.values(found).filter(
      ({ name, verdict }) => verdict === 'fail' || (verdict === 'warn' && !ofThisMachine.has(name)),
    )
    expect(wrong.map(({ name }) => name)).toEqual(['daemon'])
  })

  const faults: ReadonlyArray<
    readonly [
      what: string,
      check: string,
      verdict: string,
      words: RegExp,
      inject: () => Promise<Parameters<typeof diagnose>> | Parameters<typeof diagnose>,
    ]
  > = [
    [
      'Node below the floor',
      'node-version',
      'warn',
      /CVE-2026-111497/,
      () => [{}, { nodeVersion: '24.21.0' }],
    ],
    ['Node 22', 'node-version', 'fail', /needs Node 24/, () => [{}, { nodeVersion: '22.23.4' }]],
    [
      'a clock set back',
      'clock',
      'fail',
      /set back/,
      async () => {
        await lived()
        return [{}, { now: Date.now() - 3_600_000 }]
      },
    ],
    [
      'a misspelt setting',
      'settings-valid',
      'fail',
      /LATTICE_HEARTBEAT_INTERVAL/,
      () => [{ LATTICE_HEARTBEET_INTERVAL: '5' }],
    ],
    [
      'an open production node',
      'settings-secure',
      'fail',
      /TRUSTED_KEYS/,
      () => [{ LATTICE_ENVIRONMENT: 'production' }],
    ],
    ['an old prefix', 'settings-clean', 'warn', /AETHEL_LOG_LEVEL/, () => [{ AETHEL_LOG_LEVEL: 'info' }]],
    ['no members', 'members', 'warn', /refuses all sync/, () => []],
    [
      'members, but no way to them',
      'paths',
      'warn',
      /wait to be called/,
      () => [{ LATTICE_TRUSTED_KEYS: member }],
    ],
    ['P2P on loopback only', 'announce', 'warn', /nobody beyond/, () => [{ LATTICE_TRUSTED_KEYS: member }]],
    [
      'a key on the disk of a Space',
      'space-identity',
      'fail',
      /lost at each restart/,
      () => [{ SPACE_ID: 'a/b' }],
    ],
    [
      'a directory others may write to',
      'state-dir',
      'fail',
      /replace the key/,
      () => {
        fs.chmodSync(stateDir, 0o777)
        return []
      },
    ],
    [
      'a key others can read',
      'identity',
      'fail',
      /0644/,
      async () => {
        await lived()
        fs.chmodSync(join(stateDir, 'identity.key'), 0o644)
        return []
      },
    ],
    [
      'a lost key',
      'identity',
      'fail',
      /the key that signed it is gone/,
      async () => {
        await lived()
        fs.rmSync(join(stateDir, 'identity.key'))
        return []
      },
    ],
    [
      'a torn token',
      'admin-token',
      'fail',
      /symbolic link/,
      () => {
        fs.symlinkSync('/dev/null', join(stateDir, 'admin.token'))
        return []
      },
    ],
    [
      'a damaged store',
      'store',
      'fail',
      /STORE_CORRUPT/,
      async () => {
        await lived()
        fs.writeFileSync(join(stateDir, 'store.db'), 'x'.repeat(5000))
        return []
      },
    ],
    [
      'a lost store',
      'store-life',
      'fail',
      /there was one here before/,
      async () => {
        await lived()
        fs.rmSync(join(stateDir, 'store.db'))
        return []
      },
    ],
    [
      'what a restore left',
      'leftovers',
      'warn',
      /a running node reads none/,
      () => {
        fs.mkdirSync(join(stateDir, 'replaced-2026-01-01-x'))
        return []
      },
    ],
    [
      'a damaged database that was moved aside',
      'leftovers',
      'warn',
      /store\.db\.damaged-20260101T000000Z-0000 in /,
      () => {
        fs.writeFileSync(join(stateDir, 'store.db.damaged-20260101T000000Z-0000'), '')
        return []
      },
    ],
    [
      'snapshots that cannot be read',
      'snapshots',
      'fail',
      /ENOENT/,
      () => [{ LATTICE_SNAPSHOT_DIR: '/nowhere/at/all' }],
    ],
    [
      'snapshots that no start could use',
      'snapshots',
      'warn',
      /^unused-snap-1-x\.cbor in .* may hold what this node lacks$/,
      () => {
        fs.writeFileSync(join(directory, 'unused-snap-1-x.cbor'), '')
        return [{ LATTICE_SNAPSHOT_DIR: directory }]
      },
    ],
    [
      'another program on the port',
      'http-port',
      'fail',
      /another program has it/,
      async () => [{ LATTICE_HTTP_PORT: String(await listening(createServer())) }],
    ],
    [
      'another program on the P2P port',
      'p2p-port',
      'fail',
      /another program has it/,
      async () => [{ LATTICE_P2P_LISTEN: `/ip4/127.0.0.1/tcp/${await listening(createServer())}` }],
    ],
  ]

  it.each(faults)('names %s', async (_what, check, verdict, words, inject) => {
    const found = (await diagnose(...(await inject())))[check]
    expect([found?.verdict, `${found?.text ?? ''} ${found?.cause ?? ''}`]).toEqual([
      verdict,
      expect.stringMatching(words),
    ])
    expect(found?.command).toMatch(/\S/)
  })

  it('L6: --fix takes rights away from others, touches no content and no link, and looks again', async () => {
    await lived()
    fs.chmodSync(stateDir, 0o755)
    const [key, token] = ['identity.key', 'admin.token'].map(name => join(stateDir, name)) as [string, string]
    const content = fs.readFileSync(key, 'utf8')
    fs.chmodSync(key, 0o644)
    const elsewhere = join(directory, 'elsewhere')
    fs.writeFileSync(elsewhere, 'x', { mode: 0o644 })
    fs.symlinkSync(elsewhere, token)
    const at = { cwd: directory, env: { ...quiet, LATTICE_STATE_DIR: stateDir } }
    const fixed = await runInProcess(
      ['doctor', '--offline', '--fix', '--json', '--url', 'http://127.0.0.1:9'],
      at,
    )
    const { mended, checks } = JSON.parse(fixed.stdout) as {
      mended: Array<{ name: string }>
      checks: Array<{ name: string; verdict: string }>
    }
    expect(mended.map(({ name }) => name)).toEqual(['state-dir', 'identity'])
    const verdicts = Object.fromEntries(checks.map(({ name, verdict }) => [name, verdict]))
    expect(verdicts).toMatchObject({ 'state-dir': 'pass', identity: 'pass', 'admin-token': 'fail' })
    const mode = (path: string): number => fs.statSync(path).mode & 0o777
    expect([mode(stateDir), mode(key), mode(elsewhere), fixed.code]).toEqual([0o700, 0o600, 0o644, 1])
    expect(fs.readFileSync(key, 'utf8')).toBe(content)
  })

  it('O2: names the nodes that run another version', async () => {
    const server = await startRestServer()
    try {
      server.answers.getPeers = {
        success: true,
        peers: [peer({ name: 'old', software: 'lattice/0.0.9' })],
        count: 1,
      }
      const seen = await runInProcess(['doctor', '--offline', '--json', '--url', server.url], {
        cwd: directory,
        env: quiet,
      })
      const { checks } = JSON.parse(seen.stdout) as {
        checks: Array<{ name: string; verdict: string; text: string }>
      }
      expect(checks.find(({ name }) => name === 'same-version')).toMatchObject({
        verdict: 'warn',
        text: 'old (lattice/0.0.9) differ',
      })
    } finally {
      await server.close()
    }
  })

  it('ends with 1 for a failure and 2 for a warning, in words and as JSON, with the daemon down', async () => {
    const at = { cwd: directory, env: { ...quiet, LATTICE_STATE_DIR: stateDir } }
    const warned = await runInProcess(['doctor', '--offline', '--url', 'http://127.0.0.1:9'], at)
    expect([warned.code, warned.stdout]).toEqual([2, expect.stringMatching(/^! .*\n {4}.*\n {4}try: /m)])
    fs.chmodSync(stateDir, 0o777)
    const failed = await runInProcess(['doctor', '--offline', '--json', '--url', 'http://127.0.0.1:9'], at)
    expect([failed.code, JSON.parse(failed.stdout)]).toMatchObject([
      1,
      { schema: 'lattice.doctor/v1', ok: false },
    ])
  })
})

describe('L7: netcheck', () => {
  it('waits no longer than it was told, also for what does not listen to that', async () => {
    const deaf = new Promise<never>(() => undefined)
    const steps = await climb(
      [
        ['dns', () => deaf],
        ['tcp', () => ({ text: 'never tried' })],
      ],
      20,
    )
    expect(steps.map(({ outcome, text }) => [outcome, text])).toEqual([
      ['failed', 'nobody answered in time (0.02 s)'],
      ['not tested', 'an earlier step failed'],
    ])
  })

  it('L15: says what is wrong with each of ten broken ways in the words of its first failing step, and leaves the rest untested', async () => {
    const notLibp2p = await listening(
      createServer(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n').on('error', () => undefined)),
    )
    const silent = await listening(createServer(socket => void socket.on('error', () => undefined)))
    const other = await listening(createHttpServer((_request, answer) => answer.writeHead(404).end()))
    const closed = await listening(createServer())
    await new Promise(resolve => servers.pop()?.close(resolve))
    const cases: ReadonlyArray<readonly [target: string, step: string, words: RegExp]> = [
      [`http://127.0.0.1:${closed}`, 'tcp', /refused.*is Lattice started/],
      ['http://no-such-host.invalid', 'dns', /name is not known|no name server/],
      [`http://127.0.0.1:${other}`, 'http', /answers 404/],
      [`https://127.0.0.1:${other}`, 'tls', /does not speak TLS/],
      [`http://127.0.0.1:${silent}`, 'http', /nobody answered in time/],
      [`/ip4/127.0.0.1/tcp/${closed}`, 'tcp', /refused/],
      [`/ip4/127.0.0.1/tcp/${notLibp2p}`, 'libp2p', /something else than libp2p/],
      [`/ip4/127.0.0.1/tcp/${silent}`, 'libp2p', /nobody answered in time/],
      [`/ip4/127.0.0.1/tcp/${other}/ws`, 'websocket', /upgrade was answered 404/],
      ['/ip4/127.0.0.1/udp/1', 'address', /only TCP and WebSocket/],
    ]
    const targets = cases.map(([target]) => target)
    const checked = await runInProcess(['netcheck', ...targets, '--json', '--timeout', '1s'], {
      cwd: directory,
    })
    expect(checked.code).toBe(1)
    const { ways } = JSON.parse(checked.stdout) as {
      ways: Array<{
        target: string
        steps: Array<{ name: string; outcome: string; text: string; hint?: string }>
      }>
    }
    for (const [target, name, words] of cases) {
      const steps = ways.find(way => way.target === target)?.steps ?? []
      const at = steps.findIndex(step => step.outcome === 'failed')
      expect([target, steps[at]?.name]).toEqual([target, name])
      expect(`${steps[at]?.text ?? ''}; ${steps[at]?.hint ?? ''}`).toMatch(words)
      expect(steps.slice(at + 1).every(step => step.outcome === 'not tested')).toBe(true)
    }
  })

  it('says of ports and NAT only what it tested: an open port and a refusal leave the machine, silence tells nothing', async () => {
    const open = await listening(createServer())
    const closed = await listening(createServer())
    await new Promise(resolve => servers.pop()?.close(resolve))
    expect(await answers('127.0.0.1', open, 1_000)).toBe(true)
    expect(await answers('127.0.0.1', closed, 1_000)).toBe(true)
    const silent = await tryOutbound(['no-such-host.invalid', '127.0.0.1'], [443], 300)
    expect(silent).toEqual([
      { port: 443, outcome: 'warning', text: expect.stringContaining('from no-such-host.invalid:') },
    ])
    const { stdout } = await runInProcess(['netcheck', `http://127.0.0.1:${closed}`, '--timeout', '1s'], {
      cwd: directory,
    })
    expect(stdout).toMatch(/443 +not tested: no other node beyond this network/)
    expect(stdout).toMatch(/NAT: (none, it has a public|likely, .* not tested|not tested, it has no)/)
  })

  it('without any other node is a usage error', async () => {
    expect((await runInProcess(['netcheck'], { cwd: directory })).code).toBe(64)
  })
})

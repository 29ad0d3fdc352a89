/**
 * The commands that talk to a daemon, against a server that answers each call in the shapes of the route
 * table.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { healthy, peer, since, soundStore, version } from './rest-answers.ts'
import { startRestServer, type RestServer } from './rest-server.ts'
import { runInProcess } from './run-cli.ts'
import type { Outcome, Surroundings } from './run-cli.ts'

type Json = Record<string, unknown>

let home = ''
let server: RestServer
let url = ''
let answers: RestServer['answers']
let problems: RestServer['problems']
let calls: RestServer['calls']

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'lattice-remote-'))
  server = await startRestServer()
  ;({ url, answers, problems, calls } = server)
})
afterEach(async () => {
  await server.close()
  rmSync(home, { recursive: true, force: true })
})

function lattice(args: readonly string[], at: Partial<Surroundings> = {}): Promise<Outcome> {
  return runInProcess(args, { cwd: home, ...at, env: { LATTICE_URL: url, ...at.env } })
}

describe('integrity', () => {
  it('says when a sound store was checked, and what of; 0', async () => {
    const { code, stdout } = await lattice(['integrity'])
    expect(code).toBe(0)
    expect(stdout).toBe(
      '✓ healthy: all 31000 rows match their digests\n' +
        'Checked 31000 rows 2 h 13 min ago in 13 s: no damage.\n',
    )
  })

  it('names what is damaged, and what to do about entries that nobody else has; 1', async () => {
    answers.getIntegrity = {
      ...soundStore,
      status: 'corrupt',
      running: true,
      rows_corrupt: 3,
      quarantined: 2,
      quarantined_here_only: 1,
      quarantined_keys: ['a\u001b[31m', '?'],
      healed: 1,
      reason: '2 damaged entries wait to be fetched again',
    }
    const { code, stdout } = await lattice(['integrity'])
    expect(code).toBe(1)
    expect(stdout).toContain('3 damaged. A check is under way.')
    expect(stdout).toContain('Waiting 2, mended 1 since the start.\nDamaged: a\\x1b[31m, ?\n')
    expect(stdout).toContain('lattice delete KEY')
    const { schema, quarantined } = JSON.parse((await lattice(['integrity', '--json'])).stdout) as Json
    expect([schema, quarantined]).toEqual(['lattice.integrity/v1', 2])
  })

  it('warns until a first check has ended; 2', async () => {
    const unchecked = {
      checked: false,
      running: true,
      checked_at: null,
      age_seconds: null,
      duration_seconds: null,
    }
    answers.getIntegrity = { ...soundStore, ...unchecked }
    const { code, stdout } = await lattice(['integrity'])
    expect([code, stdout]).toEqual([
      2,
      expect.stringContaining('No check has ended yet. A check is under way.'),
    ])
  })
})

describe('status and peers', () => {
  it('L1: says the verdict first, then a table, within 24 lines of 100 columns', async () => {
    const warning = {
      code: 'PEER_UNREACHABLE',
      title: 't',
      text: `node3 ${'is away '.repeat(30)}`,
      severity: 'low' as const,
      since,
      timeToVisible: 0,
      dependsOn: [],
      impactsConnectivity: true,
      primaryAction: { label: 'look', command: 'lattice peers' },
      etag: 'e',
    }
    const peers = Array.from({ length: 30 }, (_, index) => peer({ name: `node${index}\u001b[31m` }))
    answers.getPeers = { success: true, peers, count: 30 }
    answers.getP2pStatus = { ...healthy(url).getP2pStatus, warnings: Array(9).fill(warning) } as never
    const { code, stdout } = await lattice(['status'])
    const lines = stdout.trimEnd().split('\n')
    expect([code, lines[0]]).toEqual([0, '✓ All 31 nodes agree.'])
    expect(lines.length).toBeLessThanOrEqual(24)
    expect(Math.max(...lines.map(line => Array.from(line).length))).toBeLessThanOrEqual(100)
    expect(stdout).not.toContain('\u001b')
    expect(stdout).toContain('PEER_UNREACHABLE')
  })

  it('names the nodes that do not agree', async () => {
    const peers = [peer(), peer({ name: 'node3', in_sync: false }), peer({ name: 'node4', path: 'none' })]
    answers.getPeers = { success: true, peers, count: 3 }
    const { stdout } = await lattice(['status'])
    expect(stdout).toMatch(/^✓ 2 of 4 nodes agree; not node3, node4\.\n/)
    expect(stdout).toMatch(/^node4 .*✗ down/m)
  })

  it('ends with 2 when degraded and 1 when unhealthy', async () => {
    for (const [overall, expected, own] of [
      ['degraded', 2, '! degraded'],
      ['unhealthy', 1, '✗ unhealthy'],
    ] as const) {
      answers.getHealthReport = { ...healthy(url).getHealthReport, overall } as never
      const { code, stdout } = await lattice(['status'])
      expect([code, /^node1 \* +\w+ +(.*?) +this node/m.exec(stdout)?.[1]]).toEqual([expected, own])
    }
  })

  it('L2: every answer has its schema', async () => {
    for (const command of [
      'status',
      'peers',
      'get k',
      'put k 1',
      'delete k',
      'switch http',
      'wait',
      'verify',
    ]) {
      const args = [...command.split(' '), '--json']
      const { code, stdout } = await lattice(args)
      const [name = ''] = args
      expect([command, code, code === 0 || stdout]).toEqual([command, 0, true])
      const schema = name === 'get' ? 'key' : name
      expect(JSON.parse(stdout)).toMatchObject({ schema: `lattice.${schema}/v1` })
    }
  })

  it('shows the last error of each address', async () => {
    expect((await lattice(['peers'])).stdout).toMatch(/p2p +\/ip4\/127.0.0.1\/tcp\/9 +refused/)
  })
})

describe('L4: ping', () => {
  const link = { state: 'up', rtt_ms: 9, last_heard: since, last_error: null } as const
  const overHttp = peer({
    path: 'http',
    why: 'HTTP answers; P2P: connection refused',
    rtt_ms: { p2p: null, http: 212 },
    links: { p2p: { ...link, state: 'down' }, http: link },
  })

  it('prints path, round trip, age of the proof and the reason, as often as asked', async () => {
    const proof = { ...link, last_heard: new Date(Date.now() - 30_000).toISOString() }
    answers.getPeers = { success: true, peers: [peer({ links: { p2p: proof, http: link } })], count: 1 }
    const { code, stdout } = await lattice(['ping', 'node2', '-c', '2'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^(node2 {2}p2p {3}9 ms {2}heard 3\d s ago {2}\(P2P answers\)\n){2}$/)
  })

  it('--until-p2p goes on until P2P carries', async () => {
    const later = { success: true as const, peers: [peer()], count: 1 }
    answers.getPeers = { success: true, peers: [overHttp], count: 1 }
    setTimeout(() => (answers.getPeers = later), 500)
    const { code, stdout } = await lattice(['ping', 'node2', '--until-p2p'])
    expect([code, stdout.split('\n')[0]]).toEqual([
      0,
      expect.stringMatching(
        /^node2 {2}http {2}via http:\/\/127.0.0.1:1 {2}212 ms .*P2P: connection refused\)$/,
      ),
    ])
    expect(stdout).toContain('p2p reached after 2 probes.')
  })

  it('--until-p2p ends with 1 when P2P never came', async () => {
    answers.getPeers = { success: true, peers: [overHttp], count: 1 }
    const args = ['ping', peer().peer_id.slice(-8), '--until-p2p', '--timeout', '1200ms', '--json']
    const { code, stdout } = await lattice(args)
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'lattice.ping/v1',
      name: 'node2',
      path: 'http',
      p2p: false,
      probes: [{ path: 'http', rtt_ms: 212, errors: [{ path: 'p2p', error: 'refused' }] }, { path: 'http' }],
    })
  })

  it('without a path ends with 1; an unknown name tells the known ones', async () => {
    answers.getPeers = { success: true, peers: [peer({ path: 'none' })], count: 1 }
    expect((await lattice(['ping', 'node2', '-c', '1'])).code).toBe(1)
    const { code, stderr } = await lattice(['ping', 'node9'])
    expect([code, stderr]).toEqual([1, expect.stringContaining('known are node2')])
  })
})

describe('keys and transactions', () => {
  it('get prints the value as JSON, or a string raw', async () => {
    expect((await lattice(['get', 'k'])).stdout).toBe('{"a":[1,"x"]}\n')
    answers.getKey = { ...healthy(url).getKey, value: 'hello' } as never
    expect((await lattice(['get', 'k'])).stdout).toBe('"hello"\n')
    expect((await lattice(['get', 'k', '--raw'])).stdout).toBe('hello\n')
  })

  it('a missing key ends with 1 and the code', async () => {
    problems.getKey = { status: 404, code: 'KEY_NOT_FOUND' }
    const { code, stderr } = await lattice(['get', 'a/b'])
    expect(code).toBe(1)
    expect(stderr).toContain('[KEY_NOT_FOUND]')
    expect(calls[0]?.url).toBe('/api/lattice/state/a%2Fb')
  })

  it('put sends JSON, plain text, or standard input, with its conditions', async () => {
    await lattice(['put', 'k', '{"__proto__":1}', '--if-version', version])
    await lattice(['put', 'k', 'plain', '--string', '--if-absent'])
    await lattice(['put', 'k', '-'], { stdin: '[1]' })
    expect(calls.map(({ body }) => JSON.stringify(body))).toEqual(['{"__proto__":1}', '"plain"', '[1]'])
    expect(calls[0]?.headers['if-match']).toBe(`"${version}"`)
    expect(calls[1]?.headers['if-none-match']).toMatch(/^"?\*"?$/)
  })

  it('tx takes an array, an object, a file or standard input, and makes its retry safe', async () => {
    const operations = [{ op: 'increment', key: 'k', by: 2 }]
    writeFileSync(join(home, 'tx.json'), JSON.stringify({ operations }))
    await lattice(['tx', JSON.stringify(operations)])
    await lattice(['tx', '@tx.json', '--idempotency-key', 'mine'])
    await lattice(['tx', '-'], { stdin: JSON.stringify(operations) })
    expect(calls.map(({ body }) => body)).toEqual([{ operations }, { operations }, { operations }])
    expect(calls[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/)
    expect(calls[1]?.headers['idempotency-key']).toBe('mine')
  })

  it('a refused write says how to get the token', async () => {
    problems.putKey = { status: 401, code: 'UNAUTHORIZED' }
    const { code, stderr } = await lattice(['put', 'k', '1'])
    expect(code).toBe(1)
    expect(stderr).toContain('LATTICE_ADMIN_TOKEN')
  })
})

describe('token', () => {
  const canary = 'canary-token-0123456789'

  it('comes from the environment, or from STATE_DIR for this machine', async () => {
    await lattice(['put', 'k', '1'], { env: { LATTICE_ADMIN_TOKEN: canary } })
    writeFileSync(join(home, 'admin.token'), 'token-of-state-dir-1\n', { mode: 0o600 })
    await lattice(['put', 'k', '1'], { env: { LATTICE_STATE_DIR: home } })
    await lattice(['put', 'k', '1'])
    expect(calls.map(({ token }) => token)).toEqual([canary, 'token-of-state-dir-1', ''])
  })

  it('is never printed', async () => {
    problems.putKey = { status: 401, code: 'UNAUTHORIZED' }
    for (const extra of [[], ['--json']]) {
      const { stdout, stderr } = await lattice(['put', 'k', '1', ...extra], {
        env: { LATTICE_ADMIN_TOKEN: canary },
      })
      expect(stdout + stderr).not.toContain(canary)
    }
  })
})

describe('switch, wait, verify', () => {
  it('switch sends mode, duration and reason, and tells how to undo it', async () => {
    const { code, stdout } = await lattice(['switch', 'http', '--for', '30m', '--reason', 'server move'])
    expect(code).toBe(0)
    expect(stdout).toContain('Mode AUTO → HTTP.')
    expect(stdout).toContain('Undo: lattice switch auto')
    expect(calls[0]?.url).toBe('/api/lattice/sync/switch?mode=http&for=30m&reason=server+move')
  })

  it('L5: wait ends when every peer has the same root', async () => {
    answers.getPeers = { success: true, peers: [peer({ in_sync: false, behind: 3 })], count: 1 }
    const waiting = lattice(['wait', '--in-sync', '--key', 'k'])
    while (calls.filter(({ name }) => name === 'getPeers').length < 2)
      await new Promise(resolve => setImmediate(resolve))
    Object.assign(answers, healthy(url))
    const { code, stdout, stderr } = await waiting
    expect(code).toBe(0)
    expect(stdout).toMatch(/^In sync after /)
    expect(stderr).toBe('waiting: node2 differs (3 to come, 0 unacknowledged)\n')
  })

  it('L5, L12: wait gives up with 124 and says what is missing', async () => {
    problems.getKey = { status: 404, code: 'KEY_NOT_FOUND' }
    const { code, stderr } = await lattice(['wait', '--key', 'k', '--timeout', '50ms'])
    expect(code).toBe(124)
    expect(stderr).toContain('key "k" is not here')
    answers.getPeers = { success: true, peers: [peer({ path: 'none' })], count: 1 }
    const unreached = await lattice(['wait', '--timeout', '50ms'])
    expect([unreached.code, unreached.stderr.includes('node2 is not reached')]).toEqual([124, true])
  })

  it('verify fails when roots differ', async () => {
    const other = await startRestServer()
    const status = { ...healthy(url).getP2pStatus, merkle_root: 'ab'.repeat(32) }
    other.answers.getP2pStatus = status as never
    try {
      const differs = await lattice(['verify', url, other.url, '--timeout', '0s'])
      expect(differs.code).toBe(1)
      expect(differs.stdout).toContain('The nodes hold 2 different states.')
      const equal = await lattice(['verify', url, url])
      expect(equal.code).toBe(0)
      expect(equal.stdout).toContain('The node is well')
    } finally {
      await other.close()
    }
  })
})

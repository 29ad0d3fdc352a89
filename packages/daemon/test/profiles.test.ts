/** The files in configs/ and what `lattice init` writes, against the real parser (rows F4, T1.1). */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'

import { formatProblem, loadConfig, requireConfig } from '../src/config/index.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import { runInProcess } from './run-cli.ts'

const configs = join(import.meta.dirname, '../../../configs')
const files = readdirSync(configs, { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.env'))
  .sort()
const ids = [1, 2, 3].map(each => identityFromSeed(new Uint8Array(32).fill(each), 'configured').peerId)

/** What an operator supplies: the keys of the three nodes and the name of the Space. */
function supplied(text: string): Record<string, string> {
  const env: Record<string, string> = {}
  for (const [, name = '', value = ''] of text.matchAll(/^(LATTICE_[A-Z0-9_]+)=(.*)$/gm)) {
    const real = value
      .replace(/PEER_ID_NODE(\d)/g, (_all, index: string) => ids[Number(index) - 1] ?? '')
      .replaceAll('YOUR_SPACE', 'org-node1')
    if (real !== value) env[name] = real
  }
  return env
}

describe('F4: configs/', () => {
  it('has each production node as hybrid and HTTP-only, staging, and three local nodes', () => {
    const nodes = ['node1.huggingface', 'node2.diotec360', 'node3.backup']
    const wanted = [
      ...nodes.flatMap(name => [`${name}.env`, `${name}.http-only.env`]),
      'staging.env',
      ...[1, 2, 3].map(each => join('local', `node${each}.env`)),
    ]
    expect(files).toEqual(wanted.sort())
  })

  it.each(files)('%s holds no secret, and nothing is wrong with it but the keys to be supplied', name => {
    const text = readFileSync(join(configs, name), 'utf8')
    expect(text).not.toMatch(/^\s*LATTICE_(NODE_PRIVKEY_HEX|ADMIN_TOKEN)/m)
    expect(text).not.toMatch(/\b[0-9a-f]{64}\b/i)
    const loaded = loadConfig({ env: {}, file: join(configs, name) })
    const others = loaded.problems.map(formatProblem).filter(line => !/holds the placeholder/.test(line))
    expect(others).toEqual([])
    for (const problem of loaded.problems) expect(problem.text).toMatch(/put .+ there$/)
  })

  it.each(files)('%s starts once keys and an admin token come from the environment', name => {
    const file = join(configs, name)
    const env = { ...supplied(readFileSync(file, 'utf8')), LATTICE_ADMIN_TOKEN: 'a-token-of-some-length' }
    const loaded = loadConfig({ env, file })
    const config = requireConfig(loaded)
    expect(loaded.warnings).toEqual([])
    expect(config.p2pEnabled).toBe(!name.includes('http-only'))
    expect([config.heartbeatIntervalMs, config.httpPollIntervalMs, config.peerlessTimeoutMs]).toEqual([
      5_000, 10_000, 60_000,
    ])
    const production = /^node\d/.test(name)
    expect(config.environment).toBe(
      production ? 'production' : name === 'staging.env' ? 'staging' : 'development',
    )
    if (production) expect(config.trustedKeys).toHaveLength(3)
  })

  it('the three production nodes have their roles, and name each other', () => {
    const nodes = ['node1.huggingface', 'node2.diotec360', 'node3.backup'].map(name => {
      const file = join(configs, `${name}.env`)
      const env = { ...supplied(readFileSync(file, 'utf8')), LATTICE_ADMIN_TOKEN: 'a-token-of-some-length' }
      return requireConfig(loadConfig({ env, file }))
    })
    expect(nodes.map(({ nodeRole }) => nodeRole)).toEqual([
      'genesis-public',
      'genesis-primary',
      'genesis-backup',
    ])
    expect(nodes.map(({ nodes: urls }) => urls.length)).toEqual([2, 2, 2])
    const dialled = nodes.map(({ p2pBootstrap }) => p2pBootstrap.map(({ peerId }) => peerId))
    expect(dialled).toEqual([
      [ids[1], ids[2]],
      [ids[0], ids[2]],
      [ids[0], ids[1]],
    ])
  })
})

describe('F4: lattice init', () => {
  let directory = ''
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lattice-init-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))
  const lattice = (...args: string[]) => runInProcess(args, { cwd: directory })

  it.each([
    ['hf-space', ['.dockerignore', 'Dockerfile', 'README.md', 'lattice.env']],
    ['server', ['lattice.env', 'lattice.service']],
    ['backup', ['lattice.env', 'lattice.service']],
    ['staging', ['lattice.env']],
    ['local', ['lattice.env']],
  ])('--profile %s writes its files, and they pass config validate', async (profile, names) => {
    for (const more of [[], ['--http-only', '--force']]) {
      const { code, stdout } = await lattice('init', '--profile', profile, ...more)
      expect([code, stdout.match(/^wrote /gm)?.length]).toEqual([0, names.length])
      expect(readdirSync(directory).sort()).toEqual(names)
      const checked = await lattice('config', 'validate', 'lattice.env')
      expect([checked.code, checked.stdout, checked.stderr]).toEqual([0, 'The configuration is valid.\n', ''])
    }
  })

  it("writes the user's values where the profile has them, and the others at the end", async () => {
    const given = ['--node-name', 'node9', '--http-port', '8123', '--hold-down', '20s']
    expect((await lattice('init', '--profile', 'server', '--out', 'sub', ...given)).code).toBe(0)
    const text = readFileSync(join(directory, 'sub/lattice.env'), 'utf8')
    expect(text).toMatch(/^LATTICE_NODE_NAME=node9$/m)
    expect(text).toMatch(/^LATTICE_HTTP_PORT=8123$/m)
    expect(text).toMatch(/^LATTICE_HOLD_DOWN=20s$/m)
    const loaded = loadConfig({ env: {}, file: join(directory, 'sub/lattice.env') })
    expect(loaded.config).toMatchObject({ nodeName: 'node9', httpPort: 8123, holdDownMs: 20_000 })
  })

  it('says where the unit keeps the state whatever the file says, if that is elsewhere', async () => {
    const init = (profile: string, ...more: string[]) =>
      lattice('init', '--profile', profile, '--force', ...more)
    const told = await init('server', '--state-dir', 'mine')
    expect(told.stdout).toMatch(
      /^STATE_DIR mine is for a start by hand: .*lattice.service .*\/var\/lib\/lattice/m,
    )
    expect(JSON.parse((await init('backup', '--state-dir', '/srv/x', '--json')).stdout)).toMatchObject({
      notes: [expect.stringContaining('STATE_DIR /srv/x')],
    })
    const silent = [await init('server'), await init('server', '--state-dir', '/var/lib/lattice/')]
    silent.push(await init('local', '--state-dir', 'mine'))
    for (const { code, stdout } of silent)
      expect([code, stdout]).toEqual([0, expect.not.stringMatching('by hand')])
  })

  it('values that a file would read as a comment or a quote are read back as they were given', async () => {
    const given = ['--state-dir', `/srv/it's #1`, '--p2p-topic', '#ours', '--snapshot-dir', '"/srv" "b"']
    expect((await lattice('init', '--profile', 'local', ...given)).code).toBe(0)
    const { lookup, problems } = loadConfig({ env: {}, file: join(directory, 'lattice.env') })
    const read = (['STATE_DIR', 'P2P_TOPIC', 'SNAPSHOT_DIR'] as const).map(name => lookup(name))
    expect([...read, problems]).toEqual([given[1], given[3], given[5], []])
  })

  it('replaces nothing unasked, and writes no value the daemon would refuse', async () => {
    await lattice('init', '--profile', 'server')
    const before = statSync(join(directory, 'lattice.env')).mtimeMs
    const again = await lattice('init', '--profile', 'server')
    expect([again.code, statSync(join(directory, 'lattice.env')).mtimeMs]).toEqual([1, before])
    expect(again.stderr).toContain('--force')
    const wrong = await lattice('init', '--profile', 'local', '--out', 'other', '--http-port', '99999')
    expect(wrong.code).toBe(78)
    expect(wrong.stderr).toContain('--http-port: "99999" is not a port')
    expect(readdirSync(directory)).not.toContain('other')
    expect((await lattice('init', '--profile', 'moon')).code).toBe(64)
  })
})

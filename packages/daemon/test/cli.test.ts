/**
 * The command line without a daemon: usage errors, exit codes, id, config, help; a few of them as real
 * processes.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'

import { runInProcess } from './run-cli.ts'
import type { Outcome } from './run-cli.ts'

const script = fileURLToPath(new URL('../bin/lattice.js', import.meta.url))

let home = ''
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'lattice-cli-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

function lattice(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return runInProcess(args, { env, cwd: home })
}

function spawnLattice(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return new Promise(resolve => {
    const options = { cwd: home, env: { PATH: process.env['PATH'] ?? '', ...env } }
    const child = execFile(process.execPath, [script, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
    child.stdin?.end()
  })
}

describe('usage', () => {
  it.each([
    [['statu'], "unknown command 'statu'\n(Did you mean status?)"],
    [['config', '--http-prot', '1'], "unknown option '--http-prot'\n(Did you mean --http-port?)"],
    [['config', '--admin-token', 'x'], "unknown option '--admin-token'"],
    [['get'], "missing required argument 'key'"],
    [['switch', 'foo'], 'Allowed choices are auto, p2p, http'],
    [['put', 'k', '{'], 'the value is not JSON'],
    [['put', 'k', '{"a":1,"a":2}'], 'the name "a" stands twice in one object'],
    [['tx', '[{"op":"fly"}]'], 'operations[0].op'],
    [['wait', '--timeout', 'soon'], '"soon" is not a duration'],
    [['up', '--count', '1'], '--count takes 2 to 9'],
  ])('%j ends with 64 and says why', async (args, message) => {
    const { code, stdout, stderr } = await lattice(args)
    expect([code, stdout]).toEqual([64, ''])
    expect(stderr).toContain(message)
  })

  it('as a process: 64, and nothing on standard output', async () => {
    const { code, stdout, stderr } = await spawnLattice(['statu'])
    expect([code, stdout]).toEqual([64, ''])
    expect(stderr).toContain('Did you mean status?')
  })

  it('L11: every command has help with an example', async () => {
    const { code, stdout } = await lattice(['help'])
    expect(code).toBe(0)
    const names = [...stdout.matchAll(/^ {2}([a-z][a-z-]*) /gm)].map(([, name]) => name ?? '')
    const verbs =
      'start up status peers ping get put delete tx switch wait verify doctor netcheck watch support-bundle ' +
      'verify-proof integrity export import backup restore id config init invite join reload check ' +
      'completion man help'
    expect(names).toEqual(verbs.split(' '))
    const helps = await Promise.all(names.map(name => lattice(['help', name])))
    for (const [index, help] of helps.entries()) {
      expect(help.code).toBe(0)
      expect(help.stdout).toContain(`$ lattice ${names[index]}`)
      expect(help.stdout).toContain('--json')
    }
  })

  it('without a word it shows help', async () => {
    const { code, stdout } = await spawnLattice([])
    expect([code, stdout.startsWith('Usage: lattice')]).toEqual([0, true])
  })
})

describe('without a daemon', () => {
  it('a REST command ends with 69, names the URL and the next command', async () => {
    const url = 'http://127.0.0.1:9'
    const plain = await spawnLattice(['get', 'k', '--url', url])
    expect(plain.code).toBe(69)
    expect(plain.stderr).toContain(`no daemon answers at ${url}`)
    expect(plain.stderr).toContain('lattice start')
    const json = await lattice(['status', '--json'], { LATTICE_URL: url })
    expect(json.code).toBe(69)
    expect(JSON.parse(json.stdout)).toMatchObject({
      schema: 'lattice.error/v1',
      error: { code: 'UNREACHABLE' },
    })
  })

  it('verify lists what does not answer, and fails', async () => {
    const { code, stdout } = await lattice(['verify', '127.0.0.1:9', '--json'])
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'lattice.verify/v1',
      ok: false,
      nodes: [{ ok: false }],
    })
  })
})

describe('id', () => {
  it('creates the identity once, and prints it as text and JSON', async () => {
    const args = ['id', '--state-dir', 'one']
    const first = await lattice(args)
    const second = await spawnLattice([...args, '--json'])
    expect([first.code, second.code, second.stderr]).toEqual([0, 0, ''])
    expect(first.stderr).toContain('A new identity was created')
    const document = JSON.parse(second.stdout) as Record<string, string>
    expect(document).toEqual({
      schema: 'lattice.id/v1',
      peer_id: expect.stringMatching(/^12D3KooW\w{44}$/),
      public_key: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(first.stdout).toContain(document['peer_id'])
    expect(statSync(join(home, 'one', 'identity.key')).mode & 0o777).toBe(0o600)
  })

  it('works while other keys still wait for the very id that is asked for', async () => {
    writeFileSync(join(home, 'new.env'), 'LATTICE_P2P_BOOTSTRAP=/ip4/192.0.2.1/tcp/9/p2p/PEER_ID_1\n')
    const { code } = await lattice(['id', '--config', 'new.env', '--state-dir', 'two'])
    expect(code).toBe(0)
  })

  it('refuses a damaged identity with 78', async () => {
    await lattice(['id', '--state-dir', 'three'])
    writeFileSync(join(home, 'three', 'identity.key'), 'torn')
    const { code, stderr } = await lattice(['id', '--state-dir', 'three'])
    expect(code).toBe(78)
    expect(stderr).toContain('IDENTITY_INVALID')
  })
})

describe('config and start', () => {
  const canary = 'canary-token-0123456789'

  it('C1: shows values, origins and masked secrets', async () => {
    const { code, stdout } = await spawnLattice(['config', '--http-port', '1234'], {
      LATTICE_ADMIN_TOKEN: canary,
    })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^LATTICE_HTTP_PORT +1234 +flag --http-port$/m)
    expect(stdout).toMatch(/^LATTICE_ADMIN_TOKEN +\*\*\* +env LATTICE_ADMIN_TOKEN$/m)
    expect(stdout).not.toContain(canary)
    expect(stdout).not.toContain('\u001b')
  })

  it('C4, L12: an invalid configuration ends config and start with 78 and every problem', async () => {
    const env = { LATTICE_HEARTBEET_INTERVAL: '5', LATTICE_HTTP_PORT: 'x', LATTICE_ADMIN_TOKEN: canary }
    for (const command of ['config', 'start']) {
      const { code, stderr } = await lattice([command], env)
      expect(code).toBe(78)
      expect(stderr).toContain('did you mean LATTICE_HEARTBEAT_INTERVAL?')
      expect(stderr).toContain('"x" is not a port')
      expect(stderr).not.toContain(canary)
    }
    const { code, stdout } = await lattice(['config', '--json'], env)
    expect(code).toBe(78)
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'lattice.config/v1', valid: false })
    expect((JSON.parse(stdout) as { problems: unknown[] }).problems).toHaveLength(2)
  })

  it('insecure production settings are warnings for config (2) and errors for start (78)', async () => {
    const env = { LATTICE_ENVIRONMENT: 'production' }
    const shown = await lattice(['config'], env)
    expect(shown.code).toBe(2)
    expect(shown.stdout).toContain('! LATTICE_TRUSTED_KEYS: production needs')
    const refused = await spawnLattice(['start', '--check-config'], env)
    expect(refused.code).toBe(78)
    expect(refused.stderr).toContain('[CONFIG_INVALID]')
    expect((await lattice(['start', '--check-config'])).stdout).toBe('The configuration is valid.\n')
  })
})

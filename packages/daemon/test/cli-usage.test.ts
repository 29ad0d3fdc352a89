/** What operators type by mistake: refused as wrong usage, in words that say what was wrong. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { peer } from './rest-answers.ts'
import { startRestServer, type RestServer } from './rest-server.ts'
import { runInProcess } from './run-cli.ts'
import type { Outcome } from './run-cli.ts'

let home = ''
let server: RestServer

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'lattice-usage-'))
  server = await startRestServer()
})
afterEach(async () => {
  await server.close()
  rmSync(home, { recursive: true, force: true })
})

const lattice = (...args: readonly string[]): Promise<Outcome> =>
  runInProcess(args, { cwd: home, env: { LATTICE_URL: server.url } })

describe('a URL', () => {
  it.each([
    ['ftp://127.0.0.1', 'not the base URL'],
    ['http://127.0.0.1/?a=1', 'not the base URL'],
    ['http://127.0.0.1/#a', 'not the base URL'],
    ['http://', 'not a URL'],
  ])('that leads to no daemon is refused before it is asked: %s', async (url, words) => {
    for (const args of [
      ['status', '--url', url],
      ['verify', url],
    ]) {
      const { code, stderr } = await lattice(...args)
      expect([code, stderr]).toEqual([64, expect.stringContaining(words)])
    }
  })

  it('with a password is refused, and the password is not told', async () => {
    const { code, stdout, stderr } = await lattice('status', '--json', '--url', 'http://me:hidden@127.0.0.1')
    expect([code, stderr]).toEqual([64, expect.stringContaining('user name or password')])
    expect(stdout + stderr).not.toContain('hidden')
  })
})

it('L2: with --json wrong usage is told as a document, too', async () => {
  for (const [words, message, hint] of [
    ['get', "missing required argument 'key'", 'lattice help get'],
    ['status --frob', "unknown option '--frob'", 'lattice help status'],
    ['frobnicate', "unknown command 'frobnicate'", 'lattice help'],
  ] as const) {
    const { code, stdout } = await lattice(...words.split(' '), '--json')
    const error = { message: expect.stringContaining(message), code: null, hint }
    expect([code, JSON.parse(stdout)]).toEqual([64, { schema: 'lattice.error/v1', error }])
  }
})

it('check takes a node with peer only', async () => {
  const { code, stderr } = await lattice('check', 'health', 'node2')
  expect([code, stderr]).toEqual([64, expect.stringContaining('lattice check peer node2')])
  expect((await lattice('check', 'peer', 'node2')).code).toBe(0)
})

it.each([
  ['watch --interval 0', '--interval takes a duration from 500ms on, not "0"'],
  ['import - --accept-root-mismatch', 'is for snapshots: add --legacy'],
  ['put k 1 --if-version 17', 'A version has 16 lower-case hex digits'],
  ['delete k --if-version "0000000000000011', 'A version has 16 lower-case hex digits'],
  [
    'put k 1 --if-absent --if-version 0000000000000011',
    "cannot be used with option '--if-version <version>'",
  ],
])('%s is refused', async (line, words) => {
  const { code, stderr } = await lattice(...line.split(' '))
  expect([code, stderr]).toEqual([64, expect.stringContaining(words)])
})

it('restore --if-newer does not speak of a store where there is none', async () => {
  const { code, stdout } = await lattice('restore', 'node.tar', '--if-newer', '--state-dir', 'empty')
  expect([code, stdout]).toEqual([0, 'No later version has written a store there: nothing to do.\n'])
})

it('tx names its own form, not that of put', async () => {
  const { code, stderr } = await lattice('tx', 'put k 1')
  expect([code, stderr]).toEqual([64, expect.stringMatching(/operations are not JSON\n.*lattice help tx/)])
})

it('help for a command that is none says so', async () => {
  const { code, stderr } = await lattice('help', 'frobnicate')
  expect([code, stderr]).toEqual([
    64,
    expect.stringMatching(/^error: unknown command 'frobnicate'\n.*lattice help/),
  ])
})

it('netcheck says of an address whether the daemon has reached it, failed, or never tried', async () => {
  const at = (port: number) => ({ path: 'p2p' as const, address: `/ip4/127.0.0.1/tcp/${port}` })
  const addresses = [
    { ...at(1), answered: true, last_error: null },
    { ...at(2), answered: false, last_error: null },
    { ...at(3), answered: false, last_error: 'refused' },
  ]
  server.answers.getPeers = { success: true, peers: [peer({ addresses })], count: 1 }
  const { stdout } = await lattice('netcheck', server.url, '--timeout', '1s')
  expect(stdout.match(/^ +\S+ +node2 +p2p .*$/gm)?.map(line => line.replaceAll(/ +/g, ' '))).toEqual([
    ' ✓ node2 p2p /ip4/127.0.0.1/tcp/1 reached',
    ' – node2 p2p /ip4/127.0.0.1/tcp/2 not tried by the daemon so far',
    ' ✗ node2 p2p /ip4/127.0.0.1/tcp/3 refused',
  ])
})

it('watch says of nodes that are silent that their states are not known, not that they differ', async () => {
  const { stdout } = await lattice('watch', server.url, 'http://127.0.0.1:9', '--for', '1m', '--grace', '0s')
  expect(stdout).toMatch(/ {2}states not all known; node1 healthy P2P, http:\/\/127.0.0.1:9 silent –\n/)
})

it('export takes - for standard output, as import does for standard input', async () => {
  const line = { key: 'a', type: 'register', value: 1 }
  server.answers.exportState = line as never
  const { code, stdout } = await lattice('export', '-')
  expect([code, stdout, existsSync(join(home, '-'))]).toEqual([0, `${JSON.stringify(line)}\n`, false])
  writeFileSync(join(home, 'file'), '')
  const below = join(home, 'file', 'below')
  expect((await lattice('export', below)).stderr).toBe(`error: ${below} cannot be written (ENOTDIR)\n`)
  server.answers.exportState = 'a page of a proxy'
  const { code: other, stderr } = await lattice('export', '-')
  expect([other, stderr]).toEqual([69, expect.stringContaining('is no export of a node [UNEXPECTED_ANSWER]')])
})

describe('backup', () => {
  const backup = (...args: readonly string[]): Promise<Outcome> =>
    lattice('backup', ...args, '--state-dir', join(home, 'state'))

  it('--keep is for directories: nothing else is taken for one that was not made yet', async () => {
    const { code, stderr } = await backup('backups', '--keep', '7')
    expect([code, stderr]).toEqual([64, expect.stringContaining('mkdir -p')])
  })

  it('where no store is says so, and not that its key was lost', async () => {
    const { code, stderr } = await backup('node.tar')
    expect([code, stderr]).toEqual([78, expect.stringContaining('holds no store')])
    expect(existsSync(join(home, 'node.tar'))).toBe(false)
  })
})

describe('a directory that cannot be made', () => {
  it('ends init at once, also where mkdir never answers what it should', async () => {
    const { code, stderr } = await lattice('init', '--profile', 'local', '--out', '/proc/lattice')
    expect([code, stderr]).toEqual([1, 'error: /proc/lattice/lattice.env cannot be written (ENOENT)\n'])
    writeFileSync(join(home, 'file'), '')
    expect((await lattice('init', '--profile', 'local', '--out', 'file')).stderr).toMatch(/ENOTDIR\)\n$/)
  })

  it('makes no identity', async () => {
    expect((await lattice('id', '--state-dir', '/proc/lattice')).code).not.toBe(0)
  })
})

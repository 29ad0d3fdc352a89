/**
 * What holds for the whole command line: `--json` gives one document with its schema, also for failures (L2);
 * few exit codes (L12); completions that shells read, pages that man reads (L11); checks that call nobody
 * (C5).
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'

import { openIdentity } from '../src/host/identity.ts'
import { openSqliteStore } from '../src/sqlite-store.ts'
import { runInProcess, type Outcome } from './run-cli.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lattice-cli-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** Nothing listens there: port 9 is "discard", and nobody runs it. */
const nowhere = ['--url', 'http://127.0.0.1:9']
const run = (...args: string[]): Promise<Outcome> =>
  runInProcess(args, { cwd: directory, env: { LATTICE_STATE_DIR: join(directory, 'state') } })

describe('L2: every command with --json', () => {
  const withoutDaemon: ReadonlyArray<readonly [args: string, schema: string]> = [
    ['id', 'id'],
    ['config show', 'config'],
    ['config validate a.env', 'config'],
    ['init --profile backup --out made', 'init'],
    ['invite', 'invite'],
    ['doctor --offline --url http://127.0.0.1:9', 'doctor'],
    ['netcheck http://127.0.0.1:9 --url http://127.0.0.1:9', 'netcheck'],
    ['support-bundle b.tar.gz --offline --log a.env --url http://127.0.0.1:9', 'support-bundle'],
    ['backup node.tar', 'backup'],
    ['restore node.tar --dry-run', 'restore'],
    ['watch http://127.0.0.1:9 --grace 0s --for 10s', 'watch'],
    ['verify http://127.0.0.1:9', 'verify'],
    ['check health --url http://127.0.0.1:9', 'check'],
    ['completion bash', 'completion'],
    ['man lattice.8', 'man'],
    ['help', 'help'],
    ['help config show', 'help'],
  ]

  it('gives one document that names its schema, with the daemon down', async () => {
    const stateDir = join(directory, 'state')
    openIdentity({ stateDir })
    await (await openSqliteStore(stateDir)).close()
    writeFileSync(join(directory, 'a.env'), 'LATTICE_NODE_NAME=a\n')
    for (const [line, schema] of withoutDaemon) {
      const { stdout, code } = await run(...line.split(' '), '--json')
      expect([line, JSON.parse(stdout)]).toEqual([
        line,
        expect.objectContaining({ schema: `lattice.${schema}/v1` }),
      ])
      expect([0, 1, 2]).toContain(code)
    }
  })

  it('fails with a document, too: sentence, code and what to do', async () => {
    for (const line of [
      'status',
      'peers',
      'get k',
      'put k 1',
      'delete k',
      'switch http',
      'wait',
      'export',
      'ping n',
    ]) {
      const { code, stdout } = await run(...line.split(' '), '--json', ...nowhere)
      expect([line, code, JSON.parse(stdout)]).toEqual([
        line,
        69,
        {
          schema: 'lattice.error/v1',
          error: expect.objectContaining({ code: 'UNREACHABLE', hint: expect.any(String) }),
        },
      ])
    }
  })
})

it('L11: help as a document has every command with its arguments and options', async () => {
  const { commands } = JSON.parse((await run('help', '--json')).stdout) as { commands: { command: string }[] }
  expect(commands.map(({ command }) => command)).toEqual(expect.arrayContaining(['start', 'tx', 'help']))
  const { stdout } = await run('help', 'switch', '-o', 'json')
  expect(JSON.parse(stdout)).toMatchObject({
    command: 'switch',
    arguments: [{ name: 'mode', required: true, choices: ['auto', 'p2p', 'http'] }],
    options: expect.arrayContaining([expect.objectContaining({ flags: '--for <duration>' })]),
  })
})

describe('L11: completions and pages', () => {
  it('the script for bash is bash, and completes commands and their options', async () => {
    const { stdout } = await run('completion', 'bash')
    execFileSync('bash', ['-n'], { input: stdout })
    const asked = 'COMP_WORDS=(lattice restore --d); COMP_CWORD=2; _lattice; printf "%s\\n" "${COMPREPLY[@]}"'
    const completed = execFileSync('bash', ['-c', `${stdout}\n${asked}`], { encoding: 'utf8' })
    expect(completed.trim()).toBe('--dry-run')
  })

  it('every command has its place in lattice(1), every setting in lattice.env(5)', async () => {
    const { stdout: page } = await run('man')
    for (const name of ['backup', 'restore', 'doctor', 'netcheck', 'watch', 'support\\-bundle'])
      expect(page).toMatch(new RegExp(`^\\.SS ${name.replace('\\', '\\\\')} `, 'm'))
    expect((await run('man', 'lattice.env.5')).stdout).toContain('.B LATTICE_SNAPSHOT_DIR')
  })
})

it.each([
  [['--url', 'http://127.0.0.1:1', '--json'], ['status']],
  [['--url=http://127.0.0.1:1'], ['get', 'key']],
  [
    ['--url', 'http://127.0.0.1:1'],
    ['put', 'key', '1'],
  ],
])('options may stand before the command: %j', async (options, command) => {
  const [before, after] = [await run(...options, ...command), await run(...command, ...options)]
  expect(before).toEqual(after)
  expect(before.code).toBe(69)
})

it('C5: --check-config is the check of start, needs no network and starts nothing', async () => {
  expect((await run('--check-config')).code).toBe(0)
  const bad = await run('--check-config', '--http-port', 'x')
  expect([bad.code, bad.stderr]).toEqual([78, expect.stringContaining('--http-port: "x" is not a port')])
})

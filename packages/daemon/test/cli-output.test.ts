/** L3: the form of an answer, colour and repetition, the same options on every command. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { parse, parseAllDocuments } from 'yaml'

import { buildProgram } from '../src/cli/program.ts'
import { peer } from './rest-answers.ts'
import { startRestServer, type RestServer } from './rest-server.ts'
import { runInProcess, type Outcome, type Surroundings } from './run-cli.ts'

let server: RestServer
beforeEach(async () => {
  server = await startRestServer()
})
afterEach(() => server.close())

function lattice(line: string, at: Partial<Surroundings> = {}): Promise<Outcome> {
  return runInProcess(line.split(' '), { cwd: tmpdir(), ...at, env: { LATTICE_URL: server.url, ...at.env } })
}

describe('-o', () => {
  it('L3: json is --json, and yaml the same document', async () => {
    for (const command of ['status', 'peers', 'verify', 'config show', 'completion bash']) {
      const [json, long, yaml] = await Promise.all(
        ['--json', '-o json', '-o yaml'].map(form => lattice(`${command} ${form}`)),
      )
      const document = JSON.parse(json?.stdout ?? '') as Record<string, unknown>
      expect([command, Object.keys(JSON.parse(long?.stdout ?? '') as object)]).toEqual([
        command,
        Object.keys(document),
      ])
      const read = parse(yaml?.stdout ?? '') as Record<string, unknown>
      expect([command, read['schema'], Object.keys(read)]).toEqual([
        command,
        document['schema'],
        Object.keys(document),
      ])
      expect(yaml?.stdout).not.toMatch(/^\s*\{/)
    }
  })

  it('L3: failures are documents of that form, too', async () => {
    const failed = await lattice('peers -o yaml', { env: { LATTICE_URL: 'http://127.0.0.1:9' } })
    expect([failed.code, parse(failed.stdout)]).toEqual([
      69,
      expect.objectContaining({
        schema: 'lattice.error/v1',
        error: expect.objectContaining({ code: 'UNREACHABLE' }),
      }),
    ])
  })

  it('L3: name gives names for a loop, wide gives whole ids and moments', async () => {
    server.answers.getPeers = { success: true, peers: [peer(), peer({ name: 'node3' })], count: 2 }
    expect((await lattice('peers -o name')).stdout).toBe('node2\nnode3\n')
    expect((await lattice('status -o name')).stdout).toMatch(/^\S+\nnode2\nnode3\n$/)
    for (const command of ['peers', 'status']) {
      const wide = (await lattice(`${command} -o wide`)).stdout
      expect(wide).toMatch(/ LAST SEEN +PEER ID +ROOT$/m)
      expect(wide).toMatch(new RegExp(` \\d{4}-\\d\\d-\\d\\dT\\S+ +${peer().peer_id} +[0-9a-f]{64}$`, 'm'))
    }
  })

  it('L3: every command that has --json has -o, and refuses a form that is none', async () => {
    const io = {
      stdout: { write: () => true },
      stderr: { write: () => true },
      stdin: (async function* () {})(),
    }
    const surroundings = { ...io, env: {}, cwd: tmpdir(), signal: new AbortController().signal }
    const { program } = buildProgram(surroundings, { startDaemon: () => Promise.resolve(0) })
    const all = program.commands.flatMap(each => [each, ...each.commands])
    const has = (flag: string) =>
      all.filter(each => each.options.some(({ long }) => long === flag)).map(each => each.name())
    expect(has('--output')).toEqual(has('--json'))
    expect((await lattice('status -o xml')).code).toBe(64)
  })
})

describe('colour', () => {
  it('L3: FORCE_COLOR paints without a terminal; NO_COLOR and --no-color win over it', async () => {
    const forced = { env: { FORCE_COLOR: '1' } }
    expect((await lattice('status', forced)).stdout).toContain('\u001b[')
    expect((await lattice('status', { env: { ...forced.env, NO_COLOR: '1' } })).stdout).not.toContain(
      '\u001b',
    )
    for (const line of ['status --no-color', '--no-color status'])
      expect((await lattice(line, forced)).stdout).not.toContain('\u001b')
  })
})

describe('--watch', () => {
  /** Runs a watch until `enough` holds, then interrupts it. */
  async function watching(line: string, enough: () => boolean): Promise<Outcome> {
    const interrupt = new AbortController()
    const running = lattice(line, { signal: interrupt.signal })
    while (!enough()) await new Promise(resolve => setTimeout(resolve, 20))
    interrupt.abort()
    return running
  }
  const looks = (): number => server.calls.filter(({ name }) => name === 'getPeers').length

  it('L3: looks again and again, one document each, until it is interrupted', async () => {
    const watched = await watching('peers --watch 500ms -o yaml', () => looks() > 2)
    const documents = parseAllDocuments(watched.stdout)
    expect(documents.length).toBeGreaterThanOrEqual(2)
    for (const document of documents) expect(document.toJS()).toMatchObject({ schema: 'lattice.peers/v1' })
    expect(watched.code).toBe(0)
  })

  it('L3: a daemon that is away for a while ends no watch', async () => {
    server.problems.getPeers = { status: 503, code: 'NOT_READY' }
    setTimeout(() => delete server.problems.getPeers, 600)
    const watched = await watching('peers --watch 500ms', () => looks() > 3)
    expect(watched.stderr).toContain('told NOT_READY')
    expect(watched.stdout).toContain('node2')
    expect((await lattice('peers --watch 1ms')).code).toBe(64)
  })
})

describe('a reader that goes away', () => {
  const script = fileURLToPath(new URL('../bin/lattice.js', import.meta.url))

  /** Runs a command of which `stream` is read once and closed; its exit code. */
  async function unread(line: string, stream: 'stdout' | 'stderr'): Promise<number | null> {
    const env = { PATH: process.env['PATH'] ?? '', LATTICE_URL: server.url, LATTICE_HTTP_PORT: 'x' }
    const child = spawn(process.execPath, [script, ...line.split(' ')], { cwd: tmpdir(), env })
    const ended = once(child, 'exit') as Promise<[number | null]>
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000)
    if (stream === 'stdout') await once(child.stdout, 'data')
    child[stream].destroy()
    const [code] = await ended
    clearTimeout(late)
    return code
  }

  it('ends a command that would go on without end', async () => {
    expect(await unread('status --watch 500ms', 'stdout')).toBe(0)
  }, 30_000)

  it('that cannot take the answer is a failure: a full disk', async () => {
    const full = openSync('/dev/full', 'w')
    const env = { PATH: process.env['PATH'] ?? '', LATTICE_URL: server.url }
    const child = spawn(process.execPath, [script, 'status'], { env, stdio: ['ignore', full, 'pipe'] })
    closeSync(full)
    const ended: Promise<unknown[]> = once(child, 'exit')
    expect(await text(child.stderr as Readable)).toContain('ENOSPC')
    expect(await ended).toEqual([1, null])
  }, 30_000)

  it('of the errors changes no exit code', async () => {
    expect(await unread('config validate missing.env', 'stderr')).toBe(78)
  }, 30_000)
})

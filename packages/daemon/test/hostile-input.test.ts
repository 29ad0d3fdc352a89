/**
 * Whatever reaches the daemon from outside is an answer or an error with a name: no crash, no rejection that
 * nobody handles. Configuration, command line, raw HTTP, ids of the event stream, gossip.
 */
import { sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { defaultParams, encodeMessage, type Inbox, type Signer, type Transport } from '@lattice/core'
import { anyMessage, createMemoryStore, createVirtualClock, runsFromEnvironment } from '@lattice/core/testing'
import { Runtime } from '@lattice/daemon/runtime'
import fc from 'fast-check'
import { settingNames } from '../src/config/schema.ts'
import { exitCodes } from '../src/cli/exit.ts'
import { openConfigWorld, type ConfigWorld } from './config-world.ts'
import { createKeys, seededRandom, sha256 } from './federation.ts'
import { startWorld, token, type World } from './http-world.ts'
import { runInProcess } from './run-cli.ts'

/** Tries of each property: some seconds in all; FC_RUNS makes them many. */
const params = runsFromEnvironment(60)
const bounds = { numRuns: params.numRuns, ...(params.seed === undefined ? {} : { seed: params.seed }) }

const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
beforeAll(() => void process.on('unhandledRejection', note))
afterAll(() => void process.off('unhandledRejection', note))
afterEach(async () => {
  await new Promise(setImmediate)
  expect(unhandled.splice(0)).toEqual([])
})

/** Text of any characters, with those that parsers trip over. */
const awkward = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom(
    '',
    '=',
    '"',
    "'",
    '\\',
    '$(x)',
    '__proto__',
    '\u0000',
    '\ufeff',
    '1e999',
    '-0',
    '∞',
    '0x10',
  ),
  fc.constantFrom(
    '5s',
    '2m',
    '-1',
    '99999999999999999999',
    'true',
    'http://[',
    '/ip4/1',
    '/dns4//tcp/0/p2p/x',
  ),
)

describe('the configuration', () => {
  let world: ConfigWorld
  beforeEach(() => void (world = openConfigWorld()))
  afterEach(() => world.close())

  const name = fc.oneof(fc.constantFrom(...settingNames), awkward)
  const prefix = fc.constantFrom('LATTICE_', 'DIOTEC360_', 'AETHEL_', '', 'export LATTICE_')
  const line = fc.oneof(
    fc.tuple(prefix, name, awkward).map(([before, key, value]) => `${before}${key}=${value}`),
    awkward,
  )

  it('is one, or problems that each name their place', () => {
    const property = fc.property(
      fc.array(line, { maxLength: 12 }),
      fc.dictionary(name, awkward, { maxKeys: 6 }),
      (lines, env) => {
        const path = world.file(...lines)
        const prefixed = Object.fromEntries(
          Object.entries(env).map(([key, value]) => [`LATTICE_${key}`, value]),
        )
        const loaded = world.load({ env: prefixed, file: path })
        expect(loaded.config !== undefined || loaded.problems.length > 0).toBe(true)
        for (const problem of world.problemsOf(loaded)) expect(problem.length).toBeGreaterThan(10)
      },
    )
    fc.assert(property, bounds)
  })
})

describe('the command line', () => {
  let cwd: string
  beforeEach(() => void (cwd = mkdtempSync(join(tmpdir(), 'lattice-args-'))))
  afterEach(() => rmSync(cwd, { recursive: true, force: true }))

  // Those that start daemons, look at the network around or wait for long are left out.
  const command = fc.constantFrom(
    ...['status', 'peers', 'get', 'put', 'delete', 'tx', 'switch', 'verify', 'export', 'import', 'id'],
    ...[
      'config',
      'init',
      'invite',
      'join',
      'reload',
      'check',
      'completion',
      'verify-proof',
      'help',
      'nonsense',
    ],
  )
  const option = fc.constantFrom(
    '--json',
    '--url',
    '--config',
    '--state-dir',
    '--limit',
    '--for',
    '--',
    '-',
    '-h',
  )
  const word = fc.oneof(option, awkward, fc.constantFrom('auto', 'p2p', 'file.json', 'k', '{}', '[1', '-V'))

  it('ends with an exit code of the list and a sentence, never with a stack', async () => {
    writeFileSync(join(cwd, 'file.json'), '{"operations":[{"op":"put"}]}')
    const env = { LATTICE_URL: 'http://127.0.0.1:1', LATTICE_STATE_DIR: join(cwd, 'data'), NO_COLOR: '1' }
    const property = fc.asyncProperty(
      command,
      fc.array(word, { maxLength: 5 }),
      awkward,
      async (verb, words, stdin) => {
        const signal = AbortSignal.timeout(2_000)
        const { code, stderr } = await runInProcess([verb, ...words], { cwd, env, stdin, signal })
        expect(Object.values(exitCodes)).toContain(code)
        expect(stderr).not.toMatch(/\n {4}at /)
      },
    )
    await fc.assert(property, bounds)
  }, 30_000)
})

describe('the HTTP port', () => {
  let world: World
  beforeAll(async () => void (world = await startWorld()))
  afterAll(() => world.close())

  /** Sends bytes and hangs up; what came back until the other side closed. */
  const hurl = (bytes: Uint8Array): Promise<string> =>
    new Promise(resolve => {
      let answer = ''
      const socket = connect({ port: world.port, host: '127.0.0.1' }, () => socket.end(bytes))
      socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk))
      socket.on('error', () => {}).on('close', () => resolve(answer))
    })

  const verb = fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'BREW', '')
  const path = fc.oneof(
    fc.constantFrom(
      '/health',
      '/api/lattice/state',
      '/api/lattice/transactions',
      '/metrics',
      '/openapi.json',
    ),
    fc.constantFrom(
      '/api/lattice/sync/switch?mode=',
      '/api/lattice/metrics/history?from=',
      '/%',
      '//',
      '*',
      '',
    ),
    awkward.map(text => `/api/lattice/state/${encodeURIComponent(text.toWellFormed())}`),
    awkward.map(text => `/api/lattice/state?prefix=${text}&limit=${text}&cursor=${text}`),
  )
  const header = fc.oneof(
    fc.constantFrom('Content-Type: application/json', 'Transfer-Encoding: chunked', 'Content-Length: 5'),
    fc.constantFrom(
      `Authorization: Bearer ${token}`,
      'If-Match: *',
      'Idempotency-Key: 1',
      'Host: x',
      'Range: b',
    ),
    fc.constantFrom('If-None-Match: "', 'Content-Length: -1', 'Expect: 100-continue', 'Upgrade: websocket'),
    awkward.map(text => `X-${text}: ${text}`),
  )
  const ask = fc
    .tuple(verb, path, fc.array(header, { maxLength: 5 }), fc.oneof(fc.json(), awkward))
    .map(([method, target, headers, body]) =>
      Buffer.from([`${method} ${target} HTTP/1.1`, 'Host: localhost', ...headers, '', body].join('\r\n')),
    )
  const bytes = fc.uint8Array({ maxLength: 300 })

  it('answers raw bytes or hangs up, and goes on', async () => {
    const property = fc.asyncProperty(fc.array(fc.oneof(ask, ask, bytes), { maxLength: 8 }), async sent => {
      for (const answer of await Promise.all(sent.map(hurl)))
        expect(answer).toMatch(/^(HTTP\/1\.1 (?!500)\d|$)/)
      expect((await world.ask('/health')).status).toBe(200)
    })
    await fc.assert(property, bounds)
    expect(world.log.filter(({ level }) => level === 'error')).toEqual([])
  }, 30_000)

  /** The status of the event stream for an id; the stream is not read. */
  const statusFor = (lastEventId: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const headers = { 'last-event-id': lastEventId }
      const asked = request({ port: world.port, path: '/api/lattice/events', headers }, response => {
        resolve(response.statusCode)
        response.on('error', () => {}).destroy()
      })
      asked.on('error', reject).end()
    })

  it('takes any id of an event for one, or refuses it', async () => {
    const printable = fc
      .string({ unit: 'binary-ascii', maxLength: 60 })
      .map(text => text.replaceAll(/[^ -~]/g, '~'))
    const id = fc.oneof(
      printable,
      fc.constantFrom('0-0', '-1', '1e9', `${'9'.repeat(400)}`, 'x-9007199254740993'),
    )
    const property = fc.asyncProperty(id, async text => {
      expect([200, 204, 400]).toContain(await statusFor(text))
    })
    await fc.assert(property, bounds)
    expect(world.log.filter(({ level }) => level === 'error')).toEqual([])
  })
})

describe('gossip', () => {
  const createSigner = (): Signer => {
    const { id, privateKey } = createKeys()
    return { nodeId: id, sign: message => sign(null, message, privateKey) }
  }

  it('of any bytes changes nothing where no signature holds, and the node goes on', async () => {
    const [self, friend] = [createSigner(), createSigner()]
    let inbox: Inbox | undefined
    const p2p: Transport = {
      kind: 'p2p',
      start: given => Promise.resolve(void (inbox = given)),
      stop: () => Promise.resolve(),
      connect: () => Promise.resolve(),
      request: () => new Promise(() => {}),
      announce: () => Promise.resolve(),
      addresses: () => [],
    }
    const runtime = new Runtime({
      info: { name: 'one', role: 'node', software: 'test' },
      store: createMemoryStore(),
      hash: sha256,
      signer: self,
      verifier: { verify: items => Promise.resolve(items.map(() => false)) },
      random: seededRandom(1),
      params: defaultParams,
      members: new Set([self.nodeId, friend.nodeId]),
      clock: createVirtualClock(),
      transports: [p2p],
      log: () => {},
    })
    await runtime.start()
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 })
    const frame = fc.tuple(anyMessage([friend], sha256), damage).map(([message, changes]) => {
      const sent = new Uint8Array(encodeMessage(message))
      for (const [at, byte] of changes) sent[at % sent.length] = byte
      return sent
    })
    const property = fc.asyncProperty(fc.oneof(frame, fc.uint8Array({ maxLength: 200 })), async heard => {
      inbox?.announced(friend.nodeId, heard)
      await new Promise(setImmediate)
      expect(runtime.status().keyCount).toBe(0)
    })
    await fc.assert(property, bounds)
    await runtime.write([{ op: 'put', key: 'k', value: 1 }])
    expect(runtime.read('k')?.value).toBe(1)
    await runtime.stop()
  })
})

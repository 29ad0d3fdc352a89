/** Every command of the CLI against real daemons: what it prints as JSON, and how it exits. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { documentOf, lattice } from '../command.ts'
import type { Outcome, Surroundings } from '../command.ts'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { metOverP2p } from '../federation.ts'
import { freePort } from '../ports.ts'

const world = new World()
const root = expect.stringMatching(/^[0-9a-f]{64}$/)
const version = expect.stringMatching(/^[0-9a-f]{16}$/)
let one: Daemon
let two: Daemon

beforeAll(async () => {
  ;[one, two] = (await world.federation(2)) as [Daemon, Daemon]
  await metOverP2p([one, two])
}, 60_000)

afterAll(() => world.close())

/** Runs a command against node 1. */
function ask(args: readonly string[], at: Surroundings = {}): Promise<Outcome> {
  return lattice([...args, '--json', '--url', one.url], { cwd: world.directory, ...at })
}

async function expectAnswer(args: readonly string[], answer: object, at: Surroundings = {}): Promise<void> {
  const outcome = await ask(args, at)
  expect({ code: outcome.code, stderr: outcome.stderr }).toEqual({ code: 0, stderr: '' })
  expect(documentOf(outcome)).toMatchObject(answer)
}

describe('keys', () => {
  it('put, get, delete, and get again', async () => {
    const receipt = { key: 'a/b c', version, merkle_root: root }
    await expectAnswer(['put', 'a/b c', '{"n":[1,null]}'], { schema: 'lattice.put/v1', ...receipt })
    const read = {
      schema: 'lattice.key/v1',
      key: 'a/b c',
      value: { n: [1, null] },
      type: 'register',
      version,
    }
    await expectAnswer(['get', 'a/b c'], read)
    await expectAnswer(['delete', 'a/b c'], { schema: 'lattice.delete/v1', ...receipt })
    const gone = await ask(['get', 'a/b c'])
    expect(gone.code).toBe(1)
    expect(documentOf(gone)).toMatchObject({ schema: 'lattice.error/v1', error: { code: 'KEY_NOT_FOUND' } })
    expect(gone.stderr).toContain('KEY_NOT_FOUND')
  })

  it('put from standard input', async () => {
    await expectAnswer(['put', 'piped', '-'], { schema: 'lattice.put/v1', key: 'piped' }, { stdin: '[true]' })
    await expectAnswer(['get', 'piped'], { value: [true] })
  })

  it('tx, once for each idempotency key', async () => {
    const args = ['tx', '[{"op":"increment","key":"n","by":2}]', '--idempotency-key', 'cli-1']
    const answer = { schema: 'lattice.tx/v1', operations: 1, transaction_id: version, merkle_root: root }
    await expectAnswer(args, answer)
    await expectAnswer(args, answer)
    await expectAnswer(['get', 'n'], { value: 2, type: 'counter' })
  })
})

describe('the federation', () => {
  it('L5: wait --in-sync', () =>
    expectAnswer(['wait', '--in-sync'], { schema: 'lattice.wait/v1', done: true, in_sync: true }))

  it('L5: wait for a key that never comes exits 124', async () => {
    const outcome = await ask(['wait', '--key', 'never', '--timeout', '300ms'])
    expect(outcome.code).toBe(124)
  })

  it('status', () =>
    expectAnswer(['status'], {
      schema: 'lattice.status/v1',
      overall: 'healthy',
      sync_mode: 'P2P',
      merkle_root: root,
      node: { name: one.name, peer_id: one.plan.identity.peerId },
      peers: [{ name: two.name, path: 'p2p' }],
    }))

  it('peers', () =>
    expectAnswer(['peers'], {
      schema: 'lattice.peers/v1',
      count: 1,
      peers: [{ node_id: two.plan.identity.publicKey, path: 'p2p', why: expect.any(String) }],
    }))

  it('verify, with URLs and without', async () => {
    const answer = { schema: 'lattice.verify/v1', ok: true, equal_roots: true, merkle_root: root }
    await expectAnswer(['verify', one.url, two.url], {
      ...answer,
      nodes: [{ url: one.url }, { url: two.url }],
    })
    await expectAnswer(['verify'], { ...answer, nodes: [{ url: one.url }, { url: two.url }] })
  })

  it('verify fails where a node does not answer', async () => {
    const dead = `http://127.0.0.1:${await freePort()}`
    const outcome = await ask(['verify', one.url, dead, '--timeout', '1s'])
    expect(outcome.code).toBe(1)
    expect(documentOf(outcome)).toMatchObject({ ok: false, nodes: [{ ok: true }, { ok: false, url: dead }] })
  })

  it('switch to http and back', async () => {
    const forced = { schema: 'lattice.switch/v1', requested: 'http', mode: 'HTTP', reason: 'rehearsal' }
    await expectAnswer(['switch', 'http', '--for', '5m', '--reason', 'rehearsal'], forced)
    await expectAnswer(['switch', 'auto'], { requested: 'auto', previous: 'http', until: null })
  })

  it('the same in words: a verdict first, no colour where nobody looks', async () => {
    const outcome = await lattice(['status', '--url', one.url])
    expect(outcome.stdout).toMatch(/^. All 2 nodes agree\./)
    expect(outcome.stdout).not.toContain('\u001b[')
  })
})

describe('without a daemon', () => {
  it('id creates the identity once', async () => {
    const args = ['id', '--json', '--state-dir', `${world.directory}/fresh`]
    const first = documentOf(await lattice(args))
    expect(first).toEqual({
      schema: 'lattice.id/v1',
      peer_id: expect.stringMatching(/^12D3KooW\w{44}$/),
      public_key: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(documentOf(await lattice(args))).toEqual(first)
  })

  it('C1: config shows values with their origin and masks secrets', async () => {
    const env = { LATTICE_HTTP_PORT: '8123', LATTICE_ADMIN_TOKEN: 'not-to-be-shown-anywhere' }
    const outcome = await lattice(['config', '--json'], { env })
    expect(outcome.code).toBe(0)
    expect(documentOf(outcome)).toMatchObject({ schema: 'lattice.config/v1' })
    expect(outcome.stdout).toContain('8123')
    expect(outcome.stdout).not.toContain('not-to-be-shown-anywhere')
  })

  it('C5: start --check-config', async () => {
    const outcome = await lattice(['start', '--check-config', '--json'], { cwd: world.directory })
    expect(outcome.code).toBe(0)
    expect(documentOf(outcome)).toEqual({ schema: 'lattice.check-config/v1', valid: true })
  })

  it('help names every command', async () => {
    const { code, stdout } = await lattice(['help'])
    expect(code).toBe(0)
    const verbs = 'start up status peers get put delete tx switch wait verify id config help'.split(' ')
    for (const verb of verbs) expect(stdout).toMatch(new RegExp(`^  ${verb}\\b`, 'm'))
  })

  it('L12: every mistake is told, and has its exit code', async () => {
    const mistakes: readonly (readonly [args: readonly string[], code: number])[] = [
      [['status', '--url', 'http://127.0.0.1:9'], 69],
      [['statsu'], 64],
      [['get'], 64],
      [['put', 'k', '{'], 64],
      [['switch', 'fast'], 64],
      [['config', '--config', '/dev/null/none'], 78],
      [['up', '--count', '1'], 64],
    ]
    const outcomes = await Promise.all(mistakes.map(([args]) => lattice(args, { cwd: world.directory })))
    expect(outcomes.map(({ code }) => code)).toEqual(mistakes.map(([, code]) => code))
    for (const { stderr } of outcomes) expect(stderr).toMatch(/error:|lattice help|problem/)
  })
})

/** What operators ask about a real federation: doctor, netcheck, support-bundle (L6, L7, L14). */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { documentOf, lattice, type Outcome } from './command.ts'
import { World, type Daemon } from './daemons.ts'
import { eventually } from './eventually.ts'
import { metOverP2p, put } from './federation.ts'

const limitMs = 90_000

const world = new World()
let nodes: readonly Daemon[] = []
let node: Daemon
let other: Daemon
const token = 'an-admin-token/of+the=operator'

const run = (...args: string[]): Promise<Outcome> => lattice(args, { env: node.plan.settings })

beforeAll(async () => {
  nodes = await world.federation(2, { each: [{ LATTICE_ADMIN_TOKEN: token }] })
  ;[node, other] = nodes as [Daemon, Daemon]
  await metOverP2p(nodes)
  await put(node, 'a', 1)
}, limitMs)

afterAll(() => world.close())

interface Check {
  readonly name: string
  readonly verdict: string
}

it(
  'L6, L7, L14: a sound federation passes the doctor and the netcheck, and a bundle of it holds no secret',
  async () => {
    const checks = documentOf(await run('doctor', '--json'))['checks'] as readonly Check[]
    const verdicts = Object.fromEntries(checks.map(({ name, verdict }) => [name, verdict]))
    const vital = [
      'daemon',
      'daemon-version',
      'health',
      'peers',
      'same-state',
      'store',
      'identity',
      'reach-http',
      'reach-p2p',
    ]
    expect(Object.fromEntries(vital.map(name => [name, verdicts[name]]))).toEqual(
      Object.fromEntries(vital.map(name => [name, 'pass'])),
    )
    expect(checks.filter(({ verdict }) => verdict === 'fail')).toEqual([])
    const found = await run('netcheck', '--json')
    expect([found.code, found.stderr]).toEqual([0, ''])
    expect(documentOf(found)).toMatchObject({
      schema: 'lattice.netcheck/v1',
      ways: [
        { target: other.url, outcome: 'ok' },
        { path: 'p2p', outcome: 'ok' },
      ],
    })
    const key = readFileSync(join(node.plan.stateDir, 'identity.key'), 'utf8').trim()
    const log = join(world.directory, 'some.log')
    writeFileSync(
      log,
      `${node.log}\nkey ${key.toUpperCase()}\nAuthorization: Bearer ${token}\nurl /x?t=${encodeURIComponent(token)}\n`,
    )
    const bundle = join(world.directory, 'bundle.tar.gz')
    expect((await run('support-bundle', bundle, '--log', log)).code).toBe(0)
    const opened = join(world.directory, 'opened')
    mkdirSync(opened)
    execFileSync('tar', ['-xzf', bundle, '-C', opened])
    const text = execFileSync(
      'cat',
      [...execFileSync('find', [opened, '-type', 'f'], { encoding: 'utf8' }).trim().split('\n')],
      {
        encoding: 'utf8',
      },
    )
    expect(text).toContain('"schema": "lattice.config/v1"')
    expect(text).toContain('lattice_build_info')
    for (const secret of [key, key.toUpperCase(), token, encodeURIComponent(token)])
      expect(text).not.toContain(secret)
  },
  limitMs,
)

it(
  'L15: a wrong peer id in an address is told with the id that is wanted and the one that answers',
  async () => {
    const { identity: ghost } = await world.identity('ghost')
    await node.stop()
    await node.start({
      LATTICE_P2P_BOOTSTRAP: `${other.plan.p2pAddress}/p2p/${ghost.peerId}`,
      LATTICE_TRUSTED_KEYS: `${other.plan.identity.publicKey},${ghost.publicKey}`,
    })
    const told = `another node answers at this address: ${other.plan.identity.peerId}, not ${ghost.peerId}`
    const peers = await eventually(
      'the address is told as wrong',
      async () => {
        const { stdout } = await run('peers')
        return stdout.includes('another node answers') && stdout
      },
      40_000,
    )
    expect(peers).toContain(told)
  },
  limitMs,
)

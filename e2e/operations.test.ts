/**
 * From configuration to a running node, as an operator meets it: the production configurations as one
 * federation, a Space by its variables alone, reload, checks for monitors.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from '@jest/globals'
import { documentOf, environment, lattice } from './command.ts'
import { World, type Daemon } from './daemons.ts'
import { deployed } from './deployed.ts'
import { eventually } from './eventually.ts'
import { arrives, equalRoots, metOverP2p, put } from './federation.ts'
import { freePort } from './ports.ts'

/** Nothing here is a promise about time; a busy machine runs a dozen commands one after the other. */
const limitMs = 120_000

const world = new World()
const checkout = join(import.meta.dirname, '..')

afterAll(() => world.close())

describe('F4: the three production configurations (T1.1, T2.2)', () => {
  it(
    'start, with keys supplied from the environment, as one federation over P2P that agrees',
    async () => {
      const nodes = await deployed(world, [
        'node1.huggingface.env',
        'node2.diotec360.env',
        'node3.backup.env',
      ])
      for (const node of nodes) await node.start()
      await metOverP2p(nodes)
      const [first] = nodes
      if (first === undefined) throw new Error('three nodes')
      await put(first, 'account:alice', { balance: 1000 })
      await arrives(nodes, 'account:alice', { balance: 1000 })
      await equalRoots(nodes)
      const reports = await Promise.all(nodes.map(({ client }) => client.getHealthReport()))
      expect(reports.map(({ name, role }) => `${name} ${role}`)).toEqual([
        'node1-huggingface genesis-public',
        'node2-diotec360 genesis-primary',
        'node3-backup genesis-backup',
      ])
      await monitored(nodes)
    },
    limitMs,
  )
})

/** L8: each check in each language, with the exit codes of monitoring plugins. */
async function monitored(nodes: readonly Daemon[]): Promise<void> {
  const [first, second] = nodes
  const check = (...args: string[]) =>
    lattice(['check', ...args, '--url', first?.url ?? '', '--timeout', '10s'])
  const sync = await check('sync', '--format', 'nagios')
  expect([sync.code, sync.stdout]).toEqual([
    0,
    'OK - all nodes within 0 ops | max_lag_ops=0;100;1000 nodes=3\n',
  ])
  const disk = await check('disk', '--format', 'json', '--warn', '100')
  expect(documentOf(disk)).toMatchObject({ schema: 'lattice.check/v1', check: 'disk', state: 'warning' })
  expect(disk.code).toBe(1)
  const full = await check('disk', '--critical', '100')
  expect([full.code, full.stdout]).toEqual([2, expect.stringMatching(/^CRITICAL: \d/)])
  const health = await check('health', '--format', 'prometheus')
  expect(health.stdout).toMatch(
    /^# HELP lattice_check_state .*\n# TYPE lattice_check_state gauge\nlattice_check_state\{check="health"\} 0$/m,
  )
  const peer = await check('peer', 'node2-diotec360')
  expect([peer.code, peer.stdout]).toEqual([0, 'OK: node2-diotec360 p2p\n'])
  expect((await check('peer', 'node9')).code).toBe(3)
  expect((await check('disk', '--warn', 'much')).code).toBe(64)
  await second?.kill()
  await eventually('the lost peer is told', async () => (await check('peer')).code === 2, 30_000)
  const down = await lattice(['check', 'health', '--url', second?.url ?? ''])
  expect([down.code, down.stdout]).toEqual([2, expect.stringMatching(/^CRITICAL: /)])
}

describe('C8: a Space by its variables alone', () => {
  it(
    'listens on 0.0.0.0:7860, announces its TLS edge, and makes its own identity',
    async () => {
      const { stateDir, identity } = await world.identity('space')
      // Another process may have the port of Spaces on a shared machine: then the port alone is another one.
      const port = (await isFree(7860)) ? 7860 : await freePort()
      const node = world.daemon({
        name: 'space',
        stateDir,
        identity,
        url: `http://127.0.0.1:${port}`,
        p2pAddress: '',
        settings: {
          SPACE_ID: 'org/node1',
          SPACE_HOST: 'org-node1.hf.space',
          LATTICE_STATE_DIR: stateDir,
          LATTICE_P2P_LISTEN: '',
          LATTICE_LOG_FORMAT: 'json',
          ...(port === 7860 ? {} : { LATTICE_HTTP_PORT: String(port) }),
        },
      })
      await node.start()
      const listening = execFileSync('ss', ['-ltnH', 'sport', '=', `:${port}`], { encoding: 'utf8' })
      expect(listening).toContain(`0.0.0.0:${port}`)
      const { listen_addrs: announced } = await node.client.getIdentity()
      expect(announced).toEqual([`/dns4/org-node1.hf.space/tcp/443/tls/ws/p2p/${identity.peerId}`])
      for (const name of ['identity.key', 'admin.token'])
        expect(statSync(join(stateDir, name)).mode & 0o777).toBe(0o600)
    },
    limitMs,
  )
})

describe('F2: `lattice start` without any settings, in an empty directory', () => {
  it(
    'makes key, token and store for itself alone, and listens on loopback alone',
    async () => {
      const home = join(world.directory, 'empty')
      mkdirSync(home, { mode: 0o700 })
      // A network of its own: the default ports may be taken on a shared machine.
      const script = `ip link set lo up
        "$0" "$@" start >log 2>&1 &
        until grep -q '"READY"' log; do sleep 0.1; kill -0 $!; done
        ss -ltnH >listening
        kill $!
        wait $!`
      const command = ['node_modules/.bin/node', 'packages/daemon/bin/lattice.js'].map(path =>
        join(checkout, path),
      )
      const env = { ...environment(), HOME: home }
      execFileSync('unshare', ['--net', 'sh', '-ec', script, ...command], {
        cwd: home,
        env,
        timeout: limitMs - 5_000,
      })
      const read = (name: string): string => readFileSync(join(home, name), 'utf8')
      const places = [...read('listening').matchAll(/(\S+):(\d+) +\S+:\*/g)]
      expect(new Set(places.map(([, host]) => host))).toEqual(new Set(['127.0.0.1']))
      expect(places.map(([, , port]) => port)).toEqual(expect.arrayContaining(['8000', '9000']))
      for (const name of ['identity.key', 'admin.token', 'store.db'])
        expect([name, statSync(join(home, 'data', name)).mode & 0o777]).toEqual([name, 0o600])
      expect(statSync(join(home, 'data')).mode & 0o777).toBe(0o700)
    },
    limitMs,
  )
})

async function isFree(port: number): Promise<boolean> {
  const listening = execFileSync('ss', ['-ltnH', 'sport', '=', `:${port}`], { encoding: 'utf8' })
  return Promise.resolve(listening.trim() === '')
}

describe('C7: reload', () => {
  it(
    'SIGHUP by lattice reload: the log level follows the file, a new port waits, a wrong file is refused',
    async () => {
      const [node] = await world.federation(1, { start: 0 })
      if (node === undefined) throw new Error('one node')
      const file = join(world.directory, 'reload.env')
      writeFileSync(file, 'LATTICE_LOG_LEVEL=info\n')
      await node.start({ LATTICE_CONFIG: file })
      const reload = () => lattice(['reload', '--state-dir', node.plan.stateDir, '--json'])
      writeFileSync(file, 'LATTICE_LOG_LEVEL=error\nLATTICE_REDIAL_MAX=2s\nLATTICE_HOLD_DOWN_MAX=600s\n')
      const changed = await reload()
      expect([changed.code, documentOf(changed)]).toEqual([
        2,
        expect.objectContaining({
          schema: 'lattice.reload/v1',
          applied: [expect.objectContaining({ name: 'LOG_LEVEL', from: 'info', to: 'error' })],
          needs_restart: ['LATTICE_HOLD_DOWN_MAX'],
          problems: [],
        }),
      ])
      writeFileSync(file, 'LATTICE_LOG_LEVEL=loud\n')
      const refused = await reload()
      expect([refused.code, documentOf(refused)['problems']]).toEqual([78, [expect.stringContaining('loud')]])
      writeFileSync(file, 'LATTICE_LOG_LEVEL=info\nLATTICE_HOLD_DOWN_MAX=300s\n')
      expect((await reload()).code).toBe(0)
      expect(node.log).toContain('LATTICE_LOG_LEVEL: error → info')
      expect(await node.stop()).toBe(0)
      expect((await reload()).code).toBe(69)
    },
    limitMs,
  )
})

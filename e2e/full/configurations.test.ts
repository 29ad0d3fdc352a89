/**
 * Every file in configs/ and every profile of `lattice init` starts a real daemon once keys are supplied (F4,
 * T2.3); two nodes made by `init` become a federation by `invite` and `join` alone (F5).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from '@jest/globals'
import { documentOf, lattice } from '../command.ts'
import { World, type Daemon } from '../daemons.ts'
import { deployed } from '../deployed.ts'
import { arrives, equalRoots, put, statusOf } from '../federation.ts'
import { freePort } from '../ports.ts'

const limitMs = 240_000
const configs = join(import.meta.dirname, '../../configs')
const world = new World()

afterAll(() => world.close())

/** Sets of files that belong together; what is hybrid in production is in e2e/operations.test.ts. */
const sets = [
  ['node1.huggingface.http-only.env', 'node2.diotec360.http-only.env', 'node3.backup.http-only.env'],
  ['local/node1.env', 'local/node2.env', 'local/node3.env'],
  ['staging.env'],
]

it('F4: no configuration is left out', () => {
  const files = readdirSync(configs, { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.env'),
  )
  const hybrid = ['node1.huggingface.env', 'node2.diotec360.env', 'node3.backup.env']
  expect([...sets.flat(), ...hybrid].sort()).toEqual(files.map(name => name.replaceAll('\\', '/')).sort())
})

it.each(sets.map(files => [files.join(', '), files] as const))(
  'F4: %s: starts, agrees, and says so',
  async (_name, files) => {
    const nodes = await deployed(world, files)
    await Promise.all(nodes.map(node => node.start({ LATTICE_HEARTBEAT_INTERVAL: '500ms' })))
    const [first] = nodes
    if (first === undefined) throw new Error('no node')
    await put(first, 'written', files.length)
    await arrives(nodes, 'written', files.length)
    await equalRoots(nodes)
    const text = readFileSync(join(configs, files[0] ?? ''), 'utf8')
    const { enabled } = await statusOf(first)
    expect(enabled).toBe(text.includes('LATTICE_P2P_ENABLED=true'))
    const verified = await lattice(['verify', ...nodes.map(node => node.url), '--json'])
    expect([verified.code, documentOf(verified)]).toMatchObject([0, { ok: true, equal_roots: true }])
    await Promise.all(nodes.map(node => node.stop()))
  },
  limitMs,
)

it(
  'F5: three profiles, each filled in by join alone, are one federation',
  async () => {
    const nodes: Daemon[] = []
    const files: string[] = []
    for (const profile of ['hf-space', 'server', 'backup']) {
      const { stateDir, identity } = await world.identity(`made-${profile}`)
      const out = join(world.directory, `init-${profile}`)
      const [http, p2p] = await Promise.all([freePort(), freePort()])
      const own = ['--node-name', `made-${profile}`, '--state-dir', stateDir]
      const places = ['--http-host', '127.0.0.1', '--http-port', String(http)]
      const listen = ['--p2p-listen', `/ip4/127.0.0.1/tcp/${p2p}`]
      const made = await lattice(['init', '--profile', profile, '--out', out, ...own, ...places, ...listen])
      expect([made.code, made.stderr]).toEqual([0, ''])
      const file = join(out, 'lattice.env')
      expect((await lattice(['config', 'validate', file])).code).toBe(0)
      files.push(file)
      const settings = { LATTICE_CONFIG: file, LATTICE_HEARTBEAT_INTERVAL: '500ms' }
      const plan = { name: `made-${profile}`, stateDir, identity, settings, url: `http://127.0.0.1:${http}` }
      nodes.push(world.daemon({ ...plan, p2pAddress: `/ip4/127.0.0.1/tcp/${p2p}` }))
    }
    for (const [index, file] of files.entries())
      for (const [other, inviting] of files.entries()) {
        if (index === other) continue
        const url = nodes[other]?.url ?? ''
        const invited = documentOf(
          await lattice(['invite', '--config', inviting, '--public-url', url, '--json']),
        )
        const joined = await lattice(['join', String(invited['token']), '--config', file, '--no-answer'])
        expect([joined.code, joined.stderr]).toEqual([0, ''])
      }
    await Promise.all(nodes.map(node => node.start()))
    await put(nodes[2] as Daemon, 'joined', true)
    await arrives(nodes, 'joined', true)
    await equalRoots(nodes)
    const bad = await lattice(['join', 'lattice1:eyJicm9rZW4iOjF9', '--config', files[0] ?? ''])
    expect([bad.code, bad.stderr]).toEqual([78, expect.stringContaining('CONFIG_INVALID')])
  },
  limitMs,
)

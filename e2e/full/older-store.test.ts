/**
 * Over versions and back: a backup of an older build is restored by this one, a store of an older format is
 * brought up, and the older build goes on from a backup that this one made (D9, O1).
 */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { documentOf, lattice, type Outcome } from '../command.ts'
import { World, type Daemon } from '../daemons.ts'
import { arrives, equalRoots, put, valueOf } from '../federation.ts'
import { lastOfStore2, olderBuild } from '../older-build.ts'

const limitMs = 150_000

const world = new World()
let older = ''
let nodes: readonly Daemon[] = []
let node: Daemon
let other: Daemon
const at = (name: string): string => join(world.directory, name)

const run = (script: string | undefined, ...args: string[]): Promise<Outcome> =>
  lattice(args, { env: node.plan.settings, script })

beforeAll(async () => {
  older = olderBuild(lastOfStore2, world.directory)
  nodes = await world.federation(2, { scripts: [older] })
  ;[node, other] = nodes as [Daemon, Daemon]
  await put(node, 'a', 1)
  await node.client.transact({ body: { operations: [{ op: 'increment', key: 'visits', by: 40 }] } })
  await arrives(nodes, 'visits', 40)
}, limitMs)

afterAll(() => world.close())

it(
  'D9: a backup made by the older build is restored by this one, with its key',
  async () => {
    writeFileSync(at('passphrase'), 'correct horse battery\n', { mode: 0o600 })
    const made = await run(older, 'backup', at('old.tar'), '--with-identity', at('passphrase'))
    expect([made.code, made.stderr]).toEqual([0, ''])
    await node.stop()
    rmSync(node.plan.stateDir, { recursive: true })
    mkdirSync(node.plan.stateDir, { mode: 0o700 })
    const restored = await run(
      undefined,
      'restore',
      at('old.tar'),
      '--with-identity',
      at('passphrase'),
      '--json',
    )
    expect([restored.code, documentOf(restored)]).toEqual([
      0,
      expect.objectContaining({ node: node.plan.identity.publicKey, entries: 2 }),
    ])
    node.changeBuild()
    await node.start()
    expect(await valueOf(node, 'visits')).toBe(40)
    await equalRoots(nodes)
  },
  limitMs,
)

it(
  'O1: the older build refuses the newer store, and goes on from a backup of it with nothing lost',
  async () => {
    await other.stop()
    await put(node, 'written by the newer build alone', true)
    await node.stop()
    const refused = await run(older, 'start')
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/STORE_NEWER|format 4; this version reads up to 2/),
    ])
    const archive = at('new.tar')
    expect((await run(undefined, 'backup', archive)).code).toBe(0)
    expect((await run(undefined, 'restore', archive, '--if-newer')).stdout).toContain('nothing to do')
    const restored = await run(older, 'restore', archive, '--force')
    expect([restored.code, restored.stderr]).toEqual([0, ''])
    node.changeBuild(older)
    await node.start()
    await other.start()
    await arrives(nodes, 'written by the newer build alone', true)
    await node.client.transact({ body: { operations: [{ op: 'increment', key: 'visits', by: 1 }] } })
    await arrives(nodes, 'visits', 41)
    await equalRoots(nodes)
  },
  limitMs,
)

it(
  'O1: brought up to this format, the store of the older build is kept beside it and works there again',
  async () => {
    await node.stop()
    node.changeBuild()
    await node.start()
    const [copy = ''] = readdirSync(node.plan.stateDir).filter(name => name.startsWith('store.db.format-2'))
    expect(node.log).toContain('the store was brought from format 2 to 4')
    await put(node, 'after the upgrade', 1)
    await arrives(nodes, 'after the upgrade', 1)
    await node.stop()
    const database = join(node.plan.stateDir, 'store.db')
    for (const end of ['', '-wal', '-shm']) rmSync(database + end, { force: true })
    renameSync(join(node.plan.stateDir, copy), database)
    node.changeBuild(older)
    await node.start()
    await arrives(nodes, 'after the upgrade', 1)
    await equalRoots(nodes)
  },
  limitMs,
)

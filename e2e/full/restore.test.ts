/** Backup and restore of a real node: made while it runs, restored onto an empty disk (D9). */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { documentOf, lattice, type Outcome } from '../command.ts'
import { World, type Daemon } from '../daemons.ts'
import { arrives, equalRoots, put } from '../federation.ts'

const limitMs = 90_000

const world = new World()
let nodes: readonly Daemon[] = []
let node: Daemon
const archive = join(world.directory, 'node.tar')
const passphrase = join(world.directory, 'passphrase')

/** The commands as the operator of `node` gives them: with its settings. */
const run = (...args: string[]): Promise<Outcome> => lattice(args, { env: node.plan.settings })
const incarnation = (): string => readFileSync(join(node.plan.stateDir, 'incarnation'), 'utf8')

beforeAll(async () => {
  writeFileSync(passphrase, 'correct horse battery\n', { mode: 0o600 })
  nodes = await world.federation(2)
  node = nodes[0] as Daemon
  await put(node, 'account:alice', { balance: 1000 })
  await node.client.transact({ body: { operations: [{ op: 'increment', key: 'visits', by: 40 }] } })
  for (let index = 0; index < 300; index++) await put(node, `k${index}`, 'v'.repeat(index))
  await arrives(nodes, 'visits', 40)
}, limitMs)

afterAll(() => world.close())

describe('a node and its backup', () => {
  it(
    'made while the daemon runs, it brings back state and key on an empty disk, as a new life that loses nothing',
    async () => {
      const made = await run('backup', archive, '--with-identity', passphrase, '--json')
      expect([made.code, made.stderr]).toEqual([0, ''])
      expect(documentOf(made)).toMatchObject({ schema: 'lattice.backup/v1', identity: true })
      await node.client.transact({ body: { operations: [{ op: 'increment', key: 'visits', by: 2 }] } })
      await put(node, 'later', 'than the backup')
      await arrives(nodes, 'later', 'than the backup')
      await node.stop()
      const before = incarnation()
      rmSync(node.plan.stateDir, { recursive: true })
      mkdirSync(node.plan.stateDir, { mode: 0o700 })
      const restored = await run('restore', archive, '--with-identity', passphrase)
      expect([restored.code, restored.stderr]).toEqual([0, ''])
      expect(restored.stdout).toMatch(/302 entries of node\d+ restored into/)
      expect(incarnation()).not.toBe(before)
      await node.start()
      expect((await node.client.getIdentity()).peer_id).toBe(node.plan.identity.peerId)
      await arrives(nodes, 'later', 'than the backup')
      await node.client.transact({ body: { operations: [{ op: 'increment', key: 'visits', by: 1 }] } })
      await arrives(nodes, 'visits', 43)
      await equalRoots(nodes)
    },
    limitMs,
  )
})

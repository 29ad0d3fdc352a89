/** Backup and restore of a real node: made while it runs, restored onto an empty disk (D9). */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { documentOf } from '../command.ts'
import { startBackupWorld, type BackupWorld } from '../backup-world.ts'
import { World } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { arrives, equalRoots, put } from '../federation.ts'

const limitMs = 150_000

const world = new World()
let nodes: BackupWorld['nodes']
let node: BackupWorld['node']
let archive: string
let passphrase: string
let run: BackupWorld['run']

const incarnation = (): string => readFileSync(join(node.plan.stateDir, 'incarnation'), 'utf8')

beforeAll(async () => {
  ;({ nodes, node, archive, passphrase, run } = await startBackupWorld(world))
}, limitMs)

afterAll(() => world.close())

/** Buckets of the charts in a directory, by their time. */
function charted(stateDir: string): readonly unknown[] {
  const database = new DatabaseSync(join(stateDir, 'history.db'), { readOnly: true })
  const found = database.prepare('SELECT step, at FROM bucket WHERE step = 10000 ORDER BY at').all()
  database.close()
  return found
}

describe('a node and its backup', () => {
  it(
    'D9: made while the daemon runs, it brings back state, history and key on an empty disk, as a new life that loses nothing',
    async () => {
      await eventually('the charts have begun', () => charted(node.plan.stateDir).length > 0, 90_000)
      const made = await run('backup', archive, '--with-identity', passphrase, '--json')
      expect([made.code, made.stderr]).toEqual([0, ''])
      expect(documentOf(made)).toMatchObject({ schema: 'lattice.backup/v1', identity: true, history: true })
      const past = charted(node.plan.stateDir)
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
      expect(charted(node.plan.stateDir)).toEqual(past)
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

/** Backup and restore of a real node: where they must refuse, and what a restore leaves (D9). */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { documentOf, lattice } from '../command.ts'
import { startBackupWorld, type BackupWorld } from '../backup-world.ts'
import { World } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { equalRoots } from '../federation.ts'

const limitMs = 150_000

const world = new World()
let nodes: BackupWorld['nodes']
let node: BackupWorld['node']
let archive: string
let passphrase: string
let run: BackupWorld['run']

beforeAll(async () => {
  ;({ nodes, node, archive, passphrase, run } = await startBackupWorld(world))
  expect((await run('backup', archive, '--with-identity', passphrase)).code).toBe(0)
}, limitMs)

afterAll(() => world.close())

describe('a backup', () => {
  it(
    'L13: is refused while the daemon runs, over a store that is there, changed, cut short, or from a stranger',
    async () => {
      const up = await run('restore', archive, '--force')
      expect([up.code, up.stderr]).toEqual([1, expect.stringMatching(/another daemon \(process \d+\) uses/)])
      await node.stop()
      const there = await run('restore', archive)
      expect([there.code, there.stderr]).toEqual([1, expect.stringContaining('holds a store already')])
      const whole = readFileSync(archive)
      const broken = join(world.directory, 'broken.tar')
      for (const bytes of [
        flipped(whole, whole.length - 5000),
        whole.subarray(0, -3000),
        whole.subarray(0, 9),
      ]) {
        writeFileSync(broken, bytes)
        const refused = await run('restore', broken, '--dry-run')
        expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('cannot be restored')])
      }
      const empty = join(world.directory, 'elsewhere')
      const stranger = await lattice(['restore', archive, '--state-dir', empty])
      expect([stranger.code, stranger.stderr]).toEqual([1, expect.stringContaining('a stranger here')])
      writeFileSync(passphrase, 'another passphrase\n')
      const wrong = await lattice(['restore', archive, '--state-dir', empty, '--with-identity', passphrase])
      expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('the passphrase is not that')])
      expect(existsSync(join(empty, 'store.db'))).toBe(false)
      await node.start()
      await equalRoots(nodes)
    },
    limitMs,
  )

  it(
    'D9: with --force keeps the old store aside; without the key it holds no secret, and every tar can open it',
    async () => {
      const file = join(world.directory, 'keyless.tar')
      const charts = join(node.plan.stateDir, 'history.db')
      await eventually('the node has recorded something', () => Promise.resolve(existsSync(charts)), 90_000)
      expect((await run('backup', file)).code).toBe(0)
      const key = readFileSync(join(node.plan.stateDir, 'identity.key'), 'utf8').trim()
      const bytes = readFileSync(file)
      for (const secret of [key, readFileSync(join(node.plan.stateDir, 'admin.token'), 'utf8').trim()])
        for (const form of [Buffer.from(secret), Buffer.from(secret, 'hex')])
          expect(form.length > 16 && bytes.includes(form)).toBe(false)
      const listed = execFileSync('tar', ['-tf', file], { encoding: 'utf8' }).trim().split('\n')
      expect(listed).toEqual([
        'manifest.json',
        'lattice.env',
        'history.db',
        expect.stringMatching(/^snap-\d+-.*\.cbor$/),
      ])
      await node.stop()
      expect(documentOf(await run('restore', file, '--dry-run', '--json'))).toMatchObject({
        would_replace: true,
      })
      const forced = documentOf(await run('restore', file, '--force', '--json'))
      expect(readdirSync(String(forced['replaced']))).toEqual(
        expect.arrayContaining(['store.db', 'incarnation', 'history.db']),
      )
      await node.start()
      await equalRoots(nodes)
      const kept = join(world.directory, 'kept')
      mkdirSync(kept)
      writeFileSync(join(kept, `lattice-${node.name}-20250101T000000Z.tar`), 'old')
      const rotated = documentOf(await run('backup', kept, '--keep', '1', '--json'))
      expect(rotated['forgotten']).toHaveLength(1)
      expect(readdirSync(kept)).toHaveLength(1)
    },
    limitMs,
  )
})

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

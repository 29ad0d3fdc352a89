/** What a backup holds comes back, whatever the clocks said and whatever of the store was damaged. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Replica, toHex, versionAt, type Operation } from '@lattice/core'
import { openBackup, restoreStore, tarOf, writeBackup } from '../src/backup/index.ts'
import { signManifest } from '../src/backup/manifest.ts'
import { putInPlace } from '../src/backup/restore-backup.ts'
import { createVerifier, sha256 } from '../src/host/crypto.ts'
import { identityFromSeed, keepIdentity } from '../src/host/identity.ts'
import { tables } from '../src/sqlite-schema.ts'
import { openSqliteStore } from '../src/sqlite-store.ts'
import { runInProcess } from './run-cli.ts'

const identity = identityFromSeed(Buffer.alloc(32, 7), 'file')
const { signer, nodeId } = identity
const yearMs = 365 * 24 * 3_600_000

let directory = ''
let stateDir = ''
let archive = ''

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'lattice-backup-'))
  stateDir = join(directory, 'state')
  archive = join(directory, 'one.tar')
  fs.mkdirSync(stateDir)
})
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }))

/** Writes each transaction in a commit of its own; the root afterwards. */
async function fill(transactions: ReadonlyArray<readonly Operation[]>, wall = Date.now()): Promise<string> {
  const store = await openSqliteStore(stateDir)
  const replica = new Replica({ store, hash: sha256, signer, trusted: new Set([nodeId]) })
  for (const operations of transactions) {
    replica.write(operations, wall)
    await store.commit(replica.seal())
    replica.committed()
  }
  await store.close()
  return toHex(replica.trie.root())
}

const backUp = (more: { passphrase?: string } = {}): ReturnType<typeof writeBackup> => {
  const { signal } = new AbortController()
  const input = { stateDir, identity, name: 'one', version: '0', settings: '', signal, tell: () => undefined }
  return writeBackup(archive, { ...input, ...more })
}

async function restoredRoot(
  tell: () => void = () => undefined,
  { signal } = new AbortController(),
): Promise<string> {
  const verifier = createVerifier()
  await using backup = await openBackup(archive, verifier)
  const elsewhere = join(directory, 'elsewhere')
  fs.mkdirSync(elsewhere, { recursive: true })
  const { root } = await restoreStore(backup, elsewhere, {
    signer,
    verifier,
    members: new Set(),
    tell,
    signal,
  })
  return root
}

it('a restore that is cut off between the two stores leaves one that was lost, not a new one', async () => {
  await fill(mixed)
  const nothing = fs.mkdtempSync(join(directory, 'nothing-'))
  const replaced = putInPlace(nothing, stateDir) ?? ''
  expect(fs.readdirSync(replaced).sort()).toEqual(['incarnation', 'store.db'])
  const store = await openSqliteStore(stateDir)
  expect([store.lastSeq, store.amnesia]).toEqual([0, true])
  await store.close()
})

it('a restore that is interrupted leaves nothing, and of one that was killed the next one leaves nothing', async () => {
  const root = await fill(mixed)
  await backUp()
  const operator = new AbortController()
  const interrupted = restoredRoot(() => operator.abort(), operator)
  await expect(interrupted).rejects.toMatchObject({ name: 'AbortError' })
  expect(fs.readdirSync(join(directory, 'elsewhere'))).toEqual([])
  fs.mkdirSync(join(directory, 'elsewhere', '.restore-aB3xyz'))
  fs.writeFileSync(join(directory, 'elsewhere', '.restore-aB3xyz', 'store.db'), 'half')
  expect(await restoredRoot()).toBe(root)
  expect(fs.readdirSync(join(directory, 'elsewhere')).sort()).toEqual(['incarnation', 'store.db'])
})

const mixed: ReadonlyArray<readonly Operation[]> = [
  [
    { op: 'put', key: 'a', value: 1 },
    { op: 'increment', key: 'n', by: 3 },
    { op: 'add', key: 's', element: [1] },
  ],
  [
    { op: 'delete', key: 'a' },
    { op: 'remove', key: 's', element: [1] },
    { op: 'increment', key: 'n', by: -1 },
  ],
  [{ op: 'put', key: 'a', value: { __proto__: null, x: '\u4e2d'.repeat(40_000) } }],
]

describe('a backup', () => {
  it('comes back whole: registers, counters, sets, deletes', async () => {
    const root = await fill(mixed)
    expect((await backUp()).root).toBe(root)
    expect(await restoredRoot()).toBe(root)
  })

  it('comes back whole although its node wrote while its clock was a year ahead', async () => {
    const root = await fill(mixed, Date.now() + yearMs)
    expect((await backUp()).root).toBe(root)
    expect(await restoredRoot()).toBe(root)
  })

  it('comes back whole with what counts no more only since the horizon came, and has not ended yet', async () => {
    const [then, now] = [Date.now() - yearMs, Date.now()]
    const store = await openSqliteStore(stateDir)
    const replica = new Replica({ store, hash: sha256, signer, trusted: new Set([nodeId]) })
    const commit = async (): Promise<void> => {
      await store.commit(replica.seal())
      replica.committed()
    }
    replica.write([{ op: 'remove', key: 's', element: 'gone' }], then)
    await commit()
    replica.propose(versionAt(then + 1), new Map([[nodeId, store.incarnation]]))
    await commit()
    replica.write([{ op: 'add', key: 's', element: 'later' }], now)
    await commit()
    await store.close()
    const { root } = await backUp()
    expect(root).toBe(toHex(replica.trie.root()))
    expect(await restoredRoot()).toBe(root)
  })

  it('of a damaged store is refused: leaf or row changed, or gone', async () => {
    await fill(mixed)
    const [database, whole] = ['store.db', 'whole.db'].map(name => join(stateDir, name)) as [string, string]
    fs.copyFileSync(database, whole)
    for (const damage of [
      'UPDATE leaf SET digest = zeroblob(32) WHERE seq = (SELECT min(seq) FROM leaf)',
      'DELETE FROM leaf WHERE seq = (SELECT min(seq) FROM leaf)',
      'DELETE FROM row WHERE seq = (SELECT min(seq) FROM row)',
      'UPDATE row SET bytes = substr(bytes, 1, length(bytes) - 1) WHERE seq = (SELECT min(seq) FROM row)',
    ]) {
      fs.copyFileSync(whole, database)
      const opened = new DatabaseSync(database)
      opened.exec(`DROP TRIGGER leafless; ${damage}; ${tables['leafless']}`)
      opened.close()
      await expect(backUp()).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
      expect(fs.readdirSync(directory)).toEqual(['state'])
    }
  })
})

it('of a store that lacks what has not been read yet of a damaged one is refused', async () => {
  await fill(mixed)
  const mark = join(stateDir, 'store.db.damaged-20261128T120000Z-0000.unread')
  fs.writeFileSync(mark, '')
  await expect(backUp()).rejects.toThrow(/damaged-20261128T120000Z-0000 has not been read to its end yet/)
  fs.rmSync(mark)
  await backUp()
})

describe('backups in a directory', () => {
  const kept = (): string => join(directory, 'kept')
  const on = (day: string): string => `lattice-one-${day}T000000Z.tar`
  const settings = ['--state-dir', 'state', '--node-name', 'one', '--json']
  const run = (command: string, ...more: string[]): ReturnType<typeof runInProcess> =>
    runInProcess([command, 'kept', ...settings, ...more], { cwd: directory })
  beforeEach(async () => {
    await fill(mixed)
    keepIdentity(stateDir, identity.seed)
    fs.mkdirSync(kept())
  })

  it('from a clock that was ahead make the new one neither old nor second to them', async () => {
    for (const day of ['20200101', '20210101', '29990101', '29990102'])
      fs.writeFileSync(join(kept(), on(day)), '')
    const made = await run('backup', '--keep', '2')
    expect([made.code, made.stderr]).toEqual([0, ''])
    const { file, forgotten } = JSON.parse(made.stdout) as { file: string; forgotten: readonly string[] }
    expect(forgotten).toEqual([join(kept(), on('20200101'))])
    const names = [on('20210101'), basename(file), on('29990101'), on('29990102')]
    expect(fs.readdirSync(kept()).sort()).toEqual(names)
    expect(JSON.parse((await run('restore', '--dry-run')).stdout)).toMatchObject({ file })
  })

  it('that were killed long ago leave nothing once others are rotated', async () => {
    const unfinished = `.${on('20200101')}-aB3xyz`
    fs.mkdirSync(join(kept(), unfinished))
    fs.writeFileSync(join(kept(), unfinished, 'whole'), 'half')
    const others = [`.${on('29990101')}-aB3xyz`, `.lattice-two-20200101T000000Z.tar-aB3xyz`]
    for (const other of others) fs.mkdirSync(join(kept(), other))
    expect((await run('backup')).code).toBe(0)
    expect(fs.readdirSync(kept())).toContain(unfinished)
    fs.rmSync(join(kept(), fs.readdirSync(kept()).find(name => name.endsWith('.tar')) ?? ''))
    const made = await run('backup', '--keep', '1')
    expect(JSON.parse(made.stdout)).toMatchObject({ forgotten: [join(kept(), unfinished)] })
    expect(
      fs
        .readdirSync(kept())
        .filter(name => name.startsWith('.'))
        .sort(),
    ).toEqual(others.sort())
  })
})

describe('lattice restore', () => {
  const passphrase = 'correct horse battery'
  const elsewhere = (): string => join(directory, 'elsewhere')
  const restore = (...more: string[]): ReturnType<typeof runInProcess> =>
    runInProcess(['restore', archive, '--state-dir', elsewhere(), ...more], { cwd: directory })
  /** A byte of the state, which is checked only while it is read. */
  const flip = (): void => {
    const bytes = fs.readFileSync(archive)
    const at = bytes.indexOf('account:7')
    bytes[at] = (bytes[at] as number) ^ 1
    fs.writeFileSync(archive, bytes)
  }
  beforeEach(async () => {
    await fill([[{ op: 'put', key: 'account:7', value: 1 }]])
    await backUp({ passphrase })
    fs.writeFileSync(join(directory, 'passphrase'), passphrase, { mode: 0o600 })
  })

  it.each([
    ['the key of the backup', ['--with-identity', 'passphrase'], Buffer.alloc(32, 7).toString('hex')],
    ['a new key', ['--trusted-keys', nodeId], expect.stringMatching(/^[0-9a-f]{64}$/)],
  ])('leaves %s only where the backup is good', async (_, options, key) => {
    const [identityFile, whole] = [join(elsewhere(), 'identity.key'), fs.readFileSync(archive)]
    flip()
    const refused = await restore(...options)
    const told = /restored: snap-\S+\.cbor: its content does not match its name\n.*nothing was changed/
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(told)])
    expect(fs.readdirSync(elsewhere()).filter(name => /identity|store/.test(name))).toEqual([])
    fs.writeFileSync(archive, whole)
    const restored = await restore(...options, '--json')
    expect(restored.code).toBe(0)
    const seed = fs.readFileSync(identityFile, 'utf8').trim()
    expect(seed).toEqual(key)
    const { nodeId: node } = identityFromSeed(Buffer.from(seed, 'hex'), 'file')
    expect(JSON.parse(restored.stdout)).toMatchObject({ node, entries: 1 })
    expect(fs.statSync(identityFile).mode & 0o777).toBe(0o600)
  })
  it('with --if-newer goes on where one was cut off between the two stores, and changes no other', async () => {
    const restored = async (): Promise<unknown> => {
      const { code, stdout } = await restore('--with-identity', 'passphrase', '--if-newer', '--json')
      return [code, (JSON.parse(stdout) as { restored: boolean }).restored]
    }
    expect(await restored()).toEqual([0, false])
    expect((await restore('--with-identity', 'passphrase')).code).toBe(0)
    expect(await restored()).toEqual([0, false])
    putInPlace(fs.mkdtempSync(join(directory, 'nothing-')), elsewhere())
    expect([await restored(), await restored()]).toEqual([
      [0, true],
      [0, false],
    ])
  })
  it('takes no pipe, nothing compressed, nothing too large for the disk, and no time beyond all', async () => {
    const dryRun = async (words: string): Promise<void> => {
      const { code, stderr } = await restore('--dry-run')
      expect([code, stderr]).toEqual([1, expect.stringContaining(words)])
      expect(stderr).not.toContain('    at ')
    }
    const whole = fs.readFileSync(archive)
    fs.writeFileSync(archive, gzipSync(whole))
    await dryRun('it is compressed; unpack it first')
    fs.writeFileSync(archive, whole)
    fs.truncateSync(archive, 2 ** 42)
    await dryRun('has no room for it')
    fs.writeFileSync(archive, whole)
    const opened = await openBackup(archive, createVerifier())
    await opened[Symbol.asyncDispose]()
    const manifest = { ...opened.manifest, made: Number.MAX_SAFE_INTEGER }
    const members = [{ name: 'manifest.json', from: signManifest(manifest, signer) }]
    const blocks: Uint8Array[] = []
    for await (const block of tarOf(members, 0)) blocks.push(block)
    fs.writeFileSync(archive, Buffer.concat(blocks))
    await dryRun('its manifest is malformed (made: ')
    fs.rmSync(archive)
    execFileSync('mkfifo', [archive])
    await dryRun('it is no regular file')
  })
})

/** A store of the first format is brought up to this one, with everything in it. */
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { MerkleTrie, leafDigest, pathOf, type NewRow } from '@lattice/core'
import { contentOf, testBatch, testRow } from '@lattice/core/testing'
import { sha256 } from '../src/host/crypto.ts'
import { openSqliteStore, type SqliteStore } from '../src/sqlite-store.ts'

let directory = ''
const opened: SqliteStore[] = []
let log: string[] = []

const open = async (): Promise<SqliteStore> => {
  log = []
  const store = await openSqliteStore(directory, { log: (level, text) => log.push(`${level}: ${text}`) })
  opened.push(store)
  return store
}

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'lattice-migrate-'))
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map(store => store.close()))
  fs.rmSync(directory, { recursive: true, force: true })
})

/** More than a page, with slots, and with rows that have been replaced. */
function trueRows(): NewRow[] {
  return Array.from({ length: 2_500 }, (_, at) => {
    const [key, slot] = [`key ${at % 2_000}`, at % 5 === 0 ? 'a1b2' : '']
    const row = testRow(at + 1, key, slot)
    const path = pathOf(key, slot, sha256)
    return { ...row, path, leaf: leafDigest(path, row.digest, sha256) }
  })
}

/** Takes from a closed store what earlier formats did not have. */
function turnBack(version: 1 | 2 | 3 = 1): void {
  const database = new DatabaseSync(join(directory, 'store.db'))
  if (version < 3) database.exec('UPDATE fact SET value = substr(value, 9)')
  database.exec('DROP TABLE indexed')
  if (version === 1) database.exec('DROP TRIGGER leafless; DROP TABLE leaf')
  database.exec(`PRAGMA user_version = ${version}`)
  database.close()
}

const keptAs = (version: number): string =>
  `as it was it is kept as ${join(directory, `store.db.format-${version}`)}`

it('O1: keeps the store as it was beside it, for the version that wrote it', async () => {
  const store = await open()
  await store.commit(testBatch(trueRows(), { fact: 'value' }))
  await store.close()
  turnBack()
  const digests = (path: string): unknown => {
    const database = new DatabaseSync(path, { readOnly: true })
    const found = [
      database.prepare('PRAGMA user_version').get(),
      database.prepare('PRAGMA application_id').get(),
      ...database.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all(),
      ...database.prepare('SELECT seq, key, digest, bytes FROM row ORDER BY seq').all(),
      ...database.prepare('SELECT * FROM fact ORDER BY name').all(),
    ]
    database.close()
    return found
  }
  const before = digests(join(directory, 'store.db'))
  await open()
  const copy = join(directory, 'store.db.format-1')
  expect(digests(copy)).toEqual(before)
  expect(fs.statSync(copy).mode & 0o777).toBe(0o600)
})

it('a second upgrade leaves the copy of the first where it lies, unless it is the same', async () => {
  const names = (): string[] => fs.readdirSync(directory).filter(name => name.includes('.format-'))
  const store = await open()
  await store.commit(testBatch(trueRows(), { fact: 'value' }))
  await store.close()
  turnBack()
  const before = fs.readFileSync(join(directory, 'store.db'))
  const copy = (): Buffer => fs.readFileSync(join(directory, 'store.db.format-1'))
  await (await open()).close()
  const first = copy()
  // The upgrade was cut off after the copy was made, and begins anew.
  fs.writeFileSync(join(directory, 'store.db'), before)
  await (await open()).close()
  expect([names(), copy().equals(first)]).toEqual([['store.db.format-1'], true])
  const again = await open()
  await again.commit(testBatch([testRow(9_000, 'key 1')]))
  await again.close()
  turnBack()
  await open()
  expect(log[0]).toMatch(/kept as .*store\.db\.format-1\.2$/)
  expect([names(), copy().equals(first)]).toEqual([['store.db.format-1', 'store.db.format-1.2'], true])
})

it('keeps every row and fact, and derives the leaves that a commit would have written', async () => {
  const store = await open()
  await store.commit(testBatch(trueRows(), { fact: 'value' }))
  const before = { content: contentOf(store), root: new MerkleTrie(sha256, store.leaves()).root() }
  await store.close()
  turnBack()
  const migrated = await open()
  expect(log).toEqual([
    'info: the store was brought from format 1 to 4: ' +
      `${migrated.after(0, 1e6).length} rows got their leaf, 1 facts got their check, row 2500 is the last that is indexed; ${keptAs(1)}`,
  ])
  expect(migrated.incarnation).toBe(store.incarnation)
  const after = { content: contentOf(migrated), root: new MerkleTrie(sha256, migrated.leaves()).root() }
  expect(after).toEqual(before)
  await migrated.commit(testBatch([testRow(9_000, 'key 1')]))
  await migrated.close()
  const again = await open()
  expect(log).toEqual([])
  const seqs = [...again.leaves()].flatMap(block => [...block.seqs])
  expect(seqs).toEqual(again.after(0, 1e6).map(row => row.seq))
})

it('gives the facts of a store of format 2 their check', async () => {
  const store = await open()
  await store.commit(testBatch(trueRows(), { fact: 'value', empty: '' }))
  const before = contentOf(store)
  await store.close()
  turnBack(2)
  const migrated = await open()
  expect(log).toEqual([
    `info: the store was brought from format 2 to 4: 2 facts got their check, row 2500 is the last that is indexed; ${keptAs(2)}`,
  ])
  expect([contentOf(migrated), migrated.incarnation]).toEqual([before, store.incarnation])
})

it('takes a store of format 3 as indexed to its end, and goes on from there', async () => {
  const store = await open()
  await store.commit(testBatch(trueRows(), { fact: 'value' }))
  const before = contentOf(store)
  await store.close()
  turnBack(3)
  const migrated = await open()
  expect(log).toEqual([
    `info: the store was brought from format 3 to 4: row 2500 is the last that is indexed; ${keptAs(3)}`,
  ])
  expect([contentOf(migrated), migrated.incarnation]).toEqual([before, store.incarnation])
  await migrated.commit(testBatch([testRow(9_000, 'key 1'), testRow(9_001, 'a new one')]))
  expect(migrated.slots('key 1').map(({ seq }) => seq)).toEqual([9_000])
  expect(migrated.keys('a', '', 9)).toEqual(['a new one'])
})

it('does not bring up a store of format 1 that is damaged: it is moved aside as it is', async () => {
  const store = await open()
  await store.commit(testBatch(trueRows()))
  await store.close()
  turnBack()
  const database = new DatabaseSync(join(directory, 'store.db'))
  database.exec('DELETE FROM place WHERE seq = (SELECT max(seq) FROM place)')
  database.close()
  const bytes = fs.readFileSync(join(directory, 'store.db'))
  const { amnesia } = await open()
  expect(amnesia).toBe(true)
  const aside = fs.readdirSync(directory).find(name => /\.damaged-[^.]+$/.test(name)) ?? ''
  expect(fs.readFileSync(join(directory, aside)).equals(bytes)).toBe(true)
})

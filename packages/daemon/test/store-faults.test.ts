/**
 * What fails inside the writer for the indexes alone does not fail a batch, and damage that they meet is not
 * hidden.
 *
 * The faults are triggers that a second connection puts into the database: they fail a statement, or end the
 * transaction as a full disk may, or fail its COMMIT, as a full disk does.
 */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import type { NewRow } from '@lattice/core'
import { testBatch } from '@lattice/core/testing'
import { identityFromSeed } from '../src/host/identity.ts'
import type { IndexLag } from '../src/sqlite-index.ts'
import type { SqliteStore } from '../src/sqlite-store.ts'
import { StorePlaces } from './fixtures/store-places.ts'
import { trueRow } from './fixtures/true-rows.ts'
import { openLoneRuntime } from './lone-runtime.ts'

let places: StorePlaces

beforeEach(() => {
  places = new StorePlaces()
})
afterEach(() => places.clear())

const newDirectory = (): string => places.newDirectory()
const open = (directory: string, lag: IndexLag): Promise<SqliteStore> => places.open(directory, lag)
const close = (store: SqliteStore): Promise<void> => places.close(store)
const crashCopy = (directory: string): string => places.crashCopy(directory)

/** What a fault does to the writer's transaction. */
const ways = {
  statement: "SELECT RAISE(ABORT, 'a fault')",
  transaction: "SELECT RAISE(ROLLBACK, 'a fault')",
  commit: 'INSERT INTO doomed VALUES (1)',
} as const
type Way = keyof typeof ways

function change(directory: string, statements: readonly string[]): void {
  const database = new DatabaseSync(join(directory, 'store.db'), { timeout: 5_000 })
  for (const sql of statements) database.exec(sql)
  database.close()
}

/** Writing `place` fails from now on; no transaction may be open. */
const strikePlaces = (directory: string, way: Way): void =>
  change(directory, [
    'CREATE TABLE doom (one INTEGER PRIMARY KEY)',
    'CREATE TABLE doomed (one REFERENCES doom DEFERRABLE INITIALLY DEFERRED)',
    `CREATE TRIGGER fault BEFORE INSERT ON place BEGIN ${ways[way]}; END`,
  ])
const mend = (directory: string): void =>
  change(directory, ['DROP TRIGGER fault', 'DROP TABLE doomed', 'DROP TABLE doom'])

describe('indexes that cannot be written', () => {
  it.each(Object.keys(ways) as Way[])('wait, also for a batch that is prepared: the %s fails', async way => {
    const directory = newDirectory()
    const store = await open(directory, { list: 4, slice: 1 })
    const rows = Array.from({ length: 10 }, (_, at) => trueRow(at + 1, `key ${at}`, 'v'))
    await store.commit(testBatch(rows.slice(0, 5)))
    await store.commit(testBatch(rows.slice(5, 6)))
    strikePlaces(directory, way)
    store.prepare?.([])
    store.prepare?.(rows.slice(6, 8))
    await store.commit(testBatch(rows.slice(6, 9), { fact: 'v' }, [2]))
    await store.commit(testBatch(rows.slice(9)))
    const seqs = [1, 3, 4, 5, 6, 7, 8, 9, 10]
    expect(store.after(0, 99).map(({ seq }) => seq)).toEqual(seqs)
    expect([...store.leaves()].flatMap(block => [...block.seqs]).sort((a, b) => a - b)).toEqual(seqs)
    mend(directory)
  })

  it('are overdue in the end: then writes are refused, but no deletes', async () => {
    const directory = newDirectory()
    const store = await open(directory, { list: 4, slice: 1 })
    const keys = Array.from({ length: 20 }, (_, at) => `key ${at}`)
    await store.commit(testBatch(keys.slice(0, 4).map((key, at) => trueRow(at + 1, key, 'v'))))
    strikePlaces(directory, 'statement')
    await store.commit(testBatch(keys.slice(4).map((key, at) => trueRow(at + 5, key, 'v'))))
    await expect(store.commit(testBatch([trueRow(21, 'more', 'v')]))).rejects.toThrow('fault')
    await store.commit(testBatch(keys.slice(4, 13).map((key, at) => trueRow(at + 21, key, undefined))))
    const prepared = trueRow(30, 'key 13', undefined)
    store.prepare?.([prepared])
    await store.commit(testBatch([prepared], { fact: 'v' }))
    await expect(store.commit(testBatch([trueRow(31, 'more', 'v')]))).rejects.toThrow('fault')
    expect([store.lastSeq, store.after(0, 99).length]).toEqual([30, 20])
    mend(directory)
    await store.commit(testBatch([trueRow(31, 'more', 'v')]))
  })

  it('are tried again with less where they found no room', async () => {
    const directory = newDirectory()
    const store = await open(directory, { list: 20, slice: 1 })
    const row = (at: number): NewRow => trueRow(at + 1, `key ${at}`, 'v')
    const rows = Array.from({ length: 32 }, (_, at) => row(at))
    await store.commit(testBatch(rows.slice(0, 20)))
    change(directory, [
      'CREATE TABLE room (pages)',
      `CREATE TRIGGER fault BEFORE INSERT ON place BEGIN
         INSERT INTO room VALUES (1);
         SELECT RAISE(ABORT, 'a fault') WHERE (SELECT count(*) FROM room) > 8;
       END`,
    ])
    // The slice that is due after ten rows finds no room; those after it are as small as what has come.
    await store.commit(testBatch(rows.slice(20, 30)))
    await answered(store)
    expect(placesIn(directory)).toBe(0)
    await store.commit(testBatch(rows.slice(30, 31)))
    await answered(store)
    expect(placesIn(directory)).toBe(4)
    await store.commit(testBatch(rows.slice(31)))
    await answered(store)
    expect(placesIn(directory)).toBe(6)
    change(directory, ['DROP TRIGGER fault', 'DROP TABLE room'])
  })

  it('are not the reason to go on where they are damaged', async () => {
    const first = newDirectory()
    const filled = await open(first, { list: 1e6, slice: 1e6 })
    const rows = Array.from({ length: 400 }, (_, at) => trueRow(at + 1, `m${at}`.padEnd(200, '.'), 'v'))
    await filled.commit(testBatch(rows))
    await close(filled)
    const waiting = await open(first, { list: 1e6, slice: 1e6 })
    await waiting.commit(testBatch([401, 402, 403].map(seq => trueRow(seq, `a${seq}`, 'v'))))
    const directory = crashCopy(first)
    const store = await open(directory, { list: 1, slice: 1 })
    spoilFirstPlaces(join(directory, 'store.db'))
    await store.commit(testBatch([trueRow(404, 'z1', 'v')]))
    await expect(store.commit(testBatch([trueRow(405, 'z2', 'v')]))).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
    })
  })
})

/** What the writer does after the answers so far is done. */
const answered = (store: SqliteStore): Promise<number> => store.mendPlaces(0, 0)

/** How many rows the index knows the places of. */
function placesIn(directory: string): number {
  const database = new DatabaseSync(join(directory, 'store.db'), { readOnly: true })
  const found = database.prepare('SELECT count(*) AS places FROM place').get()
  database.close()
  return Number(found?.['places'])
}

/** Overwrites the page with the first keys of the index, behind the back of all connections. */
function spoilFirstPlaces(path: string): void {
  const database = new DatabaseSync(path, { readOnly: true })
  const { page, size } = database
    .prepare(
      'SELECT pageno AS page, pgsize AS size FROM dbstat ' +
        "WHERE name = 'place' AND pagetype = 'leaf' ORDER BY path LIMIT 1",
    )
    .get() as { page: number; size: number }
  database.close()
  const file = fs.openSync(path, 'r+')
  fs.writeSync(file, Buffer.alloc(size, 0xff), 0, size, (page - 1) * size)
  fs.closeSync(file)
}

describe('a writer thread that dies', () => {
  it('is no lasting refusal: the store is distrusted, and opened anew takes writes', async () => {
    const directory = newDirectory()
    const lag = { list: 400, slice: 8 }
    const threads = jest.spyOn(Worker.prototype, 'postMessage')
    const store = await open(directory, lag)
    const { signer } = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
    const remedies: string[] = []
    const onDistrust = (_: string, remedy: string): void => void remedies.push(remedy)
    const { runtime } = openLoneRuntime(signer, { store, onDistrust })
    await runtime.write([{ op: 'put', key: 'a', value: 1 }])
    await (threads.mock.contexts[0] as Worker).terminate()
    threads.mockRestore()
    await expect(runtime.write([{ op: 'put', key: 'a', value: 2 }])).rejects.toMatchObject({
      code: 'STORE_SUSPECT',
      message: expect.stringContaining('the writer thread has ended'),
    })
    expect(remedies).toEqual(['check'])
    await runtime.stop()
    await close(store)
    const { runtime: next } = openLoneRuntime(signer, { store: await open(directory, lag) })
    expect(next.read('a')?.value).toBe(1)
    await next.write([{ op: 'put', key: 'a', value: 3 }])
    expect(next.read('a')?.value).toBe(3)
    await next.stop()
  })
})

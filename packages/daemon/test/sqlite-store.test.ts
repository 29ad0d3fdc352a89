/** The durable store keeps the promises of the port, on real files. */
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { storeSuite, testBatch, testRow } from '@lattice/core/testing'
import { openSqliteStore, type SqliteStore } from '../src/sqlite-store.ts'

const root = fs.mkdtempSync(join(tmpdir(), 'lattice-store-'))
afterAll(() => fs.rmSync(root, { recursive: true, force: true }))

storeSuite('SQLite store', place => {
  const directory = join(root, place)
  fs.mkdirSync(directory, { recursive: true })
  return openSqliteStore(directory)
})

/** Long enough for the writer to have done what it was handed. */
const settle = () => new Promise(resolve => setTimeout(resolve, 50))

describe('SQLite store', () => {
  let directory = ''
  let store: SqliteStore
  beforeEach(async () => {
    directory = fs.mkdtempSync(join(root, 'own-'))
    store = await openSqliteStore(directory)
  })
  afterEach(() => store.close())

  it('keeps its files from other users', async () => {
    await store.commit(testBatch([testRow(1, 'a')]))
    const modes = fs
      .readdirSync(directory)
      .map(name => [name, fs.statSync(join(directory, name)).mode & 0o777])
    expect(modes.map(([name]) => name)).toEqual(
      expect.arrayContaining(['store.db', 'store.db-wal', 'incarnation']),
    )
    expect(modes.filter(([, mode]) => mode !== 0o600)).toEqual([])
  })

  it('leaves one database file and no log after a close', async () => {
    await store.commit(testBatch([testRow(1, 'a')]))
    await store.close()
    expect(fs.readdirSync(directory).sort()).toEqual(['incarnation', 'store.db'])
  })

  it('commits many small batches called at once in far fewer flushes than batches', async () => {
    const started = performance.now()
    for (let seq = 1; seq <= 20; seq += 1) await store.commit(testBatch([testRow(seq, `one${seq}`)]))
    const each = (performance.now() - started) / 20
    const commits = Array.from({ length: 2000 }, (_, at) =>
      store.commit(testBatch([testRow(at + 21, `k${at}`)])),
    )
    const group = performance.now()
    await Promise.all(commits)
    expect((performance.now() - group) / 2000).toBeLessThan(each / 2)
    expect(store.lastSeq).toBe(2020)
  })

  it('gives every batch its own verdict when one of a group is bad', async () => {
    // The first keeps the writer busy, so that the others queue up behind it and become one transaction.
    const busy = Array.from({ length: 2000 }, (_, at) => testRow(at + 1, `busy${at}`))
    const batches = [busy, [testRow(3001, 'good')], [testRow(5, 'bad')], [testRow(3002, 'good too')]]
    const outcomes = await Promise.allSettled(batches.map(rows => store.commit(testBatch(rows))))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(store.keys('good', '', 9)).toEqual(['good', 'good too'])
    expect([store.keys('bad', '', 9), store.lastSeq]).toEqual([[], 3002])
  })

  it('shows prepared rows with the commit of their batch, and not before', async () => {
    const rows = Array.from({ length: 9 }, (_, at) => testRow(at + 1, `k${at}`))
    store.prepare?.(rows.slice(0, 4))
    store.prepare?.(rows.slice(4, 6))
    await settle()
    expect(store.after(0, 99)).toEqual([])
    const batch = testBatch(rows)
    await store.commit({ ...batch, facts: new Map([['name', Uint8Array.of(1)]]) })
    expect(store.after(0, 99).map(({ seq, key }) => [seq, key])).toEqual(rows.map(row => [row.seq, row.key]))
    expect([store.lastSeq, store.fact('name')]).toEqual([9, Uint8Array.of(1)])
    await store.commit(testBatch([testRow(10, 'next')]))
    expect(store.lastSeq).toBe(10)
  })

  it('a batch with a prepared row that cannot be written is refused as a whole, and the next is taken', async () => {
    const bad = [testRow(2, 'a'), testRow(1, 'b'), testRow(3, 'c')]
    store.prepare?.(bad.slice(0, 2))
    await expect(store.commit(testBatch(bad))).rejects.toThrow('must be above')
    expect(store.after(0, 99)).toEqual([])
    const next = [testRow(1, 'a'), testRow(2, 'b')]
    store.prepare?.(next.slice(0, 1))
    await store.commit(testBatch(next))
    expect(store.after(0, 99).map(({ key }) => key)).toEqual(['a', 'b'])
  })

  it('drops prepared rows that the next batch does not begin with', async () => {
    store.prepare?.([testRow(1, 'gone'), testRow(2, 'gone too')])
    await Promise.all([testRow(1, 'a'), testRow(2, 'b')].map(row => store.commit(testBatch([row]))))
    expect(store.after(0, 99).map(({ key }) => key)).toEqual(['a', 'b'])
  })

  it('a batch that is prepared and never committed leaves nothing behind', async () => {
    await store.commit(testBatch([testRow(1, 'a')]))
    store.prepare?.([testRow(2, 'b')])
    await store.close()
    store = await openSqliteStore(directory)
    expect([store.lastSeq, store.amnesia, store.after(0, 99).length]).toEqual([1, false, 1])
  })

  it('keeps answering reads while a large commit is under way', async () => {
    const rows = Array.from({ length: 5000 }, (_, at) => testRow(at + 1, `${(at * 7919) % 5000}`))
    let done = false
    const committed = store.commit(testBatch(rows)).then(() => (done = true))
    let reads = 0
    while (!done) {
      expect([0, 5000]).toContain(store.after(0, 5000).length)
      reads += 1
      await new Promise(resolve => setImmediate(resolve))
    }
    await committed
    expect(reads).toBeGreaterThan(1)
  })

  it('shows frozen rows as they were, whatever is committed meanwhile, until they are let go', async () => {
    await store.commit(testBatch([testRow(1, 'a'), testRow(2, 'b')]))
    const frozen = store.freeze()
    await store.commit(testBatch([testRow(3, 'a'), testRow(4, 'c')]))
    const [then, now] = [frozen, store].map(rows => rows.after(0, 9).map(({ seq }) => seq))
    expect([frozen.lastSeq, then, now]).toEqual([2, [1, 2], [2, 3, 4]])
    frozen[Symbol.dispose]()
    frozen[Symbol.dispose]()
    expect(() => frozen.after(0, 9)).toThrow('finalized')
  })

  it('lists keys quickly past a key with very many slots', async () => {
    const slots = Array.from({ length: 20_000 }, (_, at) =>
      testRow(at + 1, 'set', at.toString(16).padStart(8, '0')),
    )
    await store.commit(testBatch([...slots, testRow(20_001, 'after')]))
    const took = (work: () => void): number => {
      const started = performance.now()
      work()
      return performance.now() - started
    }
    const expectQuick = (): void => {
      expect(store.keys('', '', 10)).toEqual(['after', 'set'])
      const listing = took(() => {
        for (let round = 0; round < 50; round += 1) store.keys('', '', 10)
      })
      // 50 scans of the slots would take three times as long as it takes to read them all.
      expect(listing).toBeLessThan(took(() => store.slots('set')))
    }
    // From memory, and from the index.
    expectQuick()
    await store.close()
    store = await openSqliteStore(directory)
    expectQuick()
  })
})

/**
 * The indexes may lag behind the log of rows, and nobody can tell: whatever is prepared, written, refused or
 * dropped, and wherever the process is cut off, every read is the same as a plain list of rows.
 */
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Replica, type NewRow, type Row } from '@lattice/core'
import { plain, plainLeaf, plainLeaves, testBatch } from '@lattice/core/testing'
import fc from 'fast-check'
import { sha256 } from '../src/host/crypto.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import type { IndexLag } from '../src/sqlite-index.ts'
import type { SqliteStore } from '../src/sqlite-store.ts'
import { readMarker } from '../src/sqlite-unindexed.ts'
import { StorePlaces } from './fixtures/store-places.ts'
import { rootOf, rootOfRows, trueRow } from './fixtures/true-rows.ts'

let places: StorePlaces

beforeEach(() => {
  places = new StorePlaces()
})
afterEach(() => places.clear())

/** One that never writes its indexes before it is closed, and one that writes them all the time. */
const lazy: IndexLag = { list: 1e6, slice: 1e6 }
const eager: IndexLag = { list: 5, slice: 1 }

const newDirectory = (): string => places.newDirectory()
const open = (directory: string, lag: IndexLag): Promise<SqliteStore> => places.open(directory, lag)
const close = (store: SqliteStore): Promise<void> => places.close(store)
const crashCopy = (directory: string): string => places.crashCopy(directory)

/** What the tables of a store say, past everything that reads them. */
function tablesOf(directory: string): { rows: number[]; places: number[]; leaves: number[] } {
  const database = new DatabaseSync(join(directory, 'store.db'), { readOnly: true })
  const seqsOf = (table: string): number[] =>
    database
      .prepare(`SELECT seq FROM ${table} ORDER BY seq`)
      .all()
      .map(({ seq }) => Number(seq))
  const found = { rows: seqsOf('row'), places: seqsOf('place'), leaves: seqsOf('leaf') }
  database.close()
  return found
}

function markerOf(directory: string): number {
  const database = new DatabaseSync(join(directory, 'store.db'), { readOnly: true })
  const marker = readMarker(database)
  database.close()
  return marker
}

const keys = ['a', 'a/', 'a/b', 'b', 'é', '\u{FFFD}', '\u{1F600}', '\u{1F600}!', 'z']
const rowShape = fc.record({
  key: fc.constantFrom(...keys),
  element: fc.option(fc.constantFrom('x', 'y', 'z'), { nil: undefined, freq: 3 }),
  value: fc.string({ maxLength: 3 }),
})
const batchShape = fc.record({
  rows: fc.array(rowShape, { maxLength: 9 }),
  drops: fc.array(fc.nat(7), { maxLength: 2 }),
  fact: fc.option(fc.constantFrom('same', 'other'), { nil: undefined }),
  isRefused: fc.boolean(),
  /** How many of its rows are prepared at a time before it is handed over. */
  parts: fc.array(fc.nat(3), { maxLength: 3 }),
})
const stepShape = fc.record({
  /** Handed over at once; the later ones of a step are under way together. */
  batches: fc.array(batchShape, { minLength: 1, maxLength: 3 }),
  /** How many rows are prepared for a batch that never comes. */
  orphans: fc.option(fc.nat(2), { nil: undefined, freq: 3 }),
  ending: fc.constantFrom('go on', 'go on', 'crash', 'close'),
})
const lagShape = fc.record({
  list: fc.constantFrom(1, 8, 20, 1e6),
  slice: fc.constantFrom(1, 1, 3, 1e6),
})

interface Model {
  rows: NewRow[]
  facts: Map<string, string>
  lastSeq: number
}

/** Prepares the first of these rows, so many at a time. */
function prepare(store: SqliteStore, rows: readonly NewRow[], parts: readonly number[]): void {
  let at = 0
  for (const count of parts) store.prepare?.(rows.slice(at, (at += count)))
}

/** Hands one batch over; what the store holds once it has its verdict. */
function commit(
  store: SqliteStore,
  model: Model,
  shape: typeof batchShape extends fc.Arbitrary<infer T> ? T : never,
): { after: Model; verdict: Promise<unknown> } {
  let { lastSeq } = model
  const rows = shape.rows.map(({ key, value, element }) => trueRow((lastSeq += 1), key, value, element))
  const drops = shape.drops.flatMap(at => model.rows[at]?.seq ?? []).filter(seq => seq !== model.lastSeq)
  const facts = { fact: shape.fact }
  if (shape.isRefused && rows.length > 0) {
    // The last sequence again: refused when all before it has been written.
    const batch = testBatch([...rows, trueRow(lastSeq, 'refused', '')], facts, drops)
    prepare(store, batch.rows, shape.parts)
    const verdict = store.commit(batch).then(
      () => 'committed',
      () => undefined,
    )
    return { after: model, verdict: verdict.then(said => expect(said).toBeUndefined()) }
  }
  const isReplaced = (old: Row, later: readonly Row[]): boolean =>
    later.some(row => row.seq > old.seq && row.key === old.key && row.slot === old.slot)
  const all = [...model.rows, ...rows]
  const after = {
    rows: all.filter(row => !isReplaced(row, rows) && !drops.includes(row.seq)),
    facts: new Map(model.facts),
    lastSeq,
  }
  if (shape.fact === undefined) after.facts.delete('fact')
  else after.facts.set('fact', shape.fact)
  prepare(store, rows, shape.parts)
  return { after, verdict: store.commit(testBatch(rows, facts, drops)) }
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
const keysOf = ({ rows }: Model): string[] => [...new Set(rows.map(({ key }) => key))].sort(byBytes)

function compare(store: SqliteStore, model: Model): void {
  expect([store.lastSeq, store.amnesia]).toEqual([model.lastSeq, false])
  const bySeq = (rows: readonly Row[]): unknown[] => [...rows].sort((a, b) => a.seq - b.seq).map(plain)
  expect(store.after(0, 1e6).map(plain)).toEqual(model.rows.map(plain))
  for (const key of keys)
    expect(bySeq(store.slots(key))).toEqual(model.rows.filter(row => row.key === key).map(plain))
  const all = keysOf(model)
  expect(store.keys('', '', 100)).toEqual(all)
  for (const limit of [1, 2, 4]) {
    expect(store.keys('', 'a/', limit)).toEqual(all.filter(key => byBytes(key, 'a/') >= 0).slice(0, limit))
    expect(store.keys('\u{1F600}', '', limit)).toEqual(
      all.filter(key => key.startsWith('\u{1F600}')).slice(0, limit),
    )
  }
  expect(plainLeaves(store.leaves())).toEqual(model.rows.map(plainLeaf))
  const [low, high] = [model.lastSeq >> 1, model.lastSeq - 2]
  const inside = model.rows.filter(({ seq }) => seq > low && seq <= high)
  expect(plainLeaves(store.leaves(low, high))).toEqual(inside.map(plainLeaf))
  expect(rootOf(store)).toBe(rootOfRows(model.rows))
  const facts = store.facts('', 9).map(([name, value]) => [name, Buffer.from(value).toString()])
  expect(facts).toEqual([...model.facts])
}

/** Some minutes find more: FC_RUNS raises it, FC_SEED replays what fast-check has printed. */
const [runs, seed] = [Number(process.env['FC_RUNS'] ?? 5), process.env['FC_SEED']]
const settings = { numRuns: runs, ...(seed === undefined ? {} : { seed: Number(seed) }) }

describe('indexes that lag behind', () => {
  it(
    'are not seen by any reader, at any moment, over refusals, crashes and restarts',
    async () => {
      const history = fc.tuple(lagShape, fc.array(stepShape, { minLength: 4, maxLength: 12 }))
      await fc.assert(
        fc.asyncProperty(history, async ([lag, steps]) => {
          let directory = newDirectory()
          let store = await open(directory, lag)
          let model: Model = { rows: [], facts: new Map(), lastSeq: 0 }
          for (const { batches, orphans, ending } of steps) {
            const states = [model]
            const verdicts: Promise<unknown>[] = []
            for (const batch of batches) {
              const { after, verdict } = commit(store, states.at(-1) as Model, batch)
              states.push(after)
              verdicts.push(verdict)
            }
            expect(states.map(keysOf)).toContainEqual(store.keys('', '', 100))
            await Promise.all(verdicts)
            model = states.at(-1) as Model
            compare(store, model)
            if (orphans !== undefined) {
              const seqs = Array.from({ length: orphans }, (_, at) => model.lastSeq + 1 + at)
              prepare(store, seqs.map(seq => trueRow(seq, 'a', 'orphan')), [orphans]) // prettier-ignore
              compare(store, model)
            }
            if (ending === 'go on') continue
            const crashed = ending === 'crash' ? crashCopy(directory) : directory
            await close(store)
            expect(tablesOf(directory)).toEqual(fully(model))
            directory = crashed
            store = await open(directory, lag)
            compare(store, model)
          }
          await close(store)
          expect(tablesOf(directory)).toEqual(fully(model))
        }),
        settings,
      )
    },
    60_000 + runs * 10_000,
  )

  const fully = ({ rows }: Model): ReturnType<typeof tablesOf> => {
    const seqs = rows.map(({ seq }) => seq)
    return { rows: seqs, places: seqs, leaves: seqs }
  }

  it('never lag by more than two lists while rows keep coming', async () => {
    const directory = newDirectory()
    const store = await open(directory, { list: 100, slice: 10 })
    for (let seq = 0; seq < 1_000;) {
      const count = 1 + (seq % 7)
      const rows = Array.from({ length: count }, () =>
        trueRow((seq += 1), `key ${(seq * 7919) % 2_003}`, 'v'),
      )
      await store.commit(testBatch(rows))
      if (seq % 10 !== 0) continue
      expect(seq - markerOf(directory)).toBeLessThanOrEqual(200)
      const seqs = [...store.leaves()].flatMap(block => [...block.seqs])
      expect(seqs.sort((a, b) => a - b)).toEqual(Array.from({ length: seq }, (_, at) => at + 1))
    }
    expect(markerOf(directory)).toBeGreaterThan(0)
    expect(store.keys('', '', 1e4)).toHaveLength(store.lastSeq)
    expect(rootOf(store)).toBe(rootOfRows(store.after(0, 1e4)))
  })

  it('are written behind an answer that made it time for them, not by the next commit', async () => {
    const directory = newDirectory()
    const store = await open(directory, { list: 4, slice: 4 })
    const rows = Array.from({ length: 8 }, (_, at) => trueRow(at + 1, `key ${at}`, 'v'))
    await store.commit(testBatch(rows.slice(0, 4)))
    await store.commit(testBatch(rows.slice(4)))
    await store.mendPlaces(0, 0)
    expect(tablesOf(directory)).toEqual({
      rows: [1, 2, 3, 4, 5, 6, 7, 8],
      places: [1, 2, 3, 4],
      leaves: [1, 2, 3, 4],
    })
    expect(markerOf(directory)).toBe(4)
    expect(rootOf(store)).toBe(rootOfRows(rows))
  })

  it('move on for large rows as well: what a crash has to read again is bounded in bytes', async () => {
    const directory = newDirectory()
    const store = await open(directory, { list: 1_000, slice: 16 })
    const value = 'x'.repeat(100 * 1024)
    for (let seq = 1; seq <= 60; seq++) await store.commit(testBatch([trueRow(seq, `key ${seq}`, value)]))
    expect(markerOf(directory)).toBeGreaterThan(30)
  })
})

describe('rows that no index knows yet, after a crash', () => {
  const identity = identityFromSeed(Buffer.alloc(32, 7), 'generated')
  let [directory, incarnation] = ['', '']

  /** Twenty rows, the last ten of them not indexed. */
  beforeEach(async () => {
    const directoryBefore = newDirectory()
    const commitTen = async (store: SqliteStore): Promise<void> => {
      const seqs = Array.from({ length: 10 }, (_, at) => store.lastSeq + 1 + at)
      await store.commit(testBatch(seqs.map(seq => trueRow(seq, `key ${seq}`, `value ${seq}`))))
    }
    const first = await open(directoryBefore, eager)
    await commitTen(first)
    await close(first)
    const second = await open(directoryBefore, lazy)
    await commitTen(second)
    incarnation = second.incarnation
    directory = crashCopy(directoryBefore)
    expect(tablesOf(directory)).toMatchObject({ leaves: { length: 10 }, rows: { length: 20 } })
  })

  const spoil = (sql: string): void => {
    const database = new DatabaseSync(join(directory, 'store.db'))
    database.exec(sql)
    database.close()
  }
  /** What a node would say of all keys. */
  const readAll = (store: SqliteStore): Record<string, unknown> => {
    const trusted = new Set([identity.nodeId])
    const replica = new Replica({ store, hash: sha256, signer: identity.signer, trusted })
    const said = Array.from({ length: 20 }, (_, at) => {
      const key = `key ${at + 1}`
      const value = replica.read(key)?.value
      return [key, replica.quarantine.isDamaged(key) ? 'damaged' : value]
    })
    return Object.fromEntries(said) as Record<string, unknown>
  }
  const whole = Object.fromEntries(
    Array.from({ length: 20 }, (_, at) => [`key ${at + 1}`, `value ${at + 1}`]),
  )

  it('are what they were', async () => {
    const store = await open(directory, lazy)
    expect([store.incarnation, store.amnesia]).toEqual([incarnation, false])
    expect(readAll(store)).toEqual(whole)
  })

  it.each([
    ['signed bytes', "bytes = CAST(substr(bytes, 1, 55) || x'00' || substr(bytes, 57) AS BLOB)"],
    ['digest', "digest = CAST(x'00' || substr(digest, 2) AS BLOB)"],
  ])('are doubted when their %s is damaged: a new life, and that key alone is refused', async (_, change) => {
    spoil(`UPDATE row SET ${change} WHERE seq = 15`)
    const store = await open(directory, lazy)
    expect([store.amnesia, store.lastSeq]).toEqual([true, 20])
    expect(store.incarnation).not.toBe(incarnation)
    expect(readAll(store)).toEqual({ ...whole, 'key 15': 'damaged' })
  })

  it.each(["key = 'key 1x'", "key = 'key 3'", "slot = x'07'"])(
    'are where their signed bytes say, whatever is beside them: %s',
    async change => {
      spoil(`UPDATE row SET ${change} WHERE seq = 15`)
      const store = await open(directory, lazy)
      expect([store.incarnation, store.amnesia, readAll(store)]).toEqual([incarnation, false, whole])
      const again = await open(crashCopy(directory), eager)
      await close(again)
      const found = await open(dirname(again.path), lazy)
      expect([found.incarnation, found.amnesia, readAll(found)]).toEqual([incarnation, false, whole])
    },
  )

  it('are doubted once: after that they are like any other', async () => {
    spoil("UPDATE row SET digest = CAST(x'00' || substr(digest, 2) AS BLOB) WHERE seq = 15")
    const store = await open(directory, lazy)
    const again = await open(crashCopy(directory), lazy)
    expect([again.incarnation, readAll(again)]).toEqual([store.incarnation, readAll(store)])
  })

  it('are not looked for on the word of a damaged marker: the database is moved aside', async () => {
    spoil("UPDATE indexed SET marker = CAST(substr(marker, 1, 15) || x'ff' AS BLOB)")
    const store = await open(directory, lazy)
    expect([store.amnesia, store.lastSeq]).toEqual([true, 0])
    expect(fs.readdirSync(directory).some(name => name.startsWith('store.db.damaged-'))).toBe(true)
  })

  it.each(['place', 'leaf'])('do not hide a %s that is missing before the marker', async table => {
    spoil(`DELETE FROM ${table} WHERE seq = 7`)
    const store = await open(directory, lazy)
    expect([store.amnesia, store.lastSeq]).toEqual([true, 0])
  })

  it('may have replaced others, and nothing of before comes back', async () => {
    const store = await open(directory, lazy)
    const rows = [trueRow(21, 'key 1', 'new'), trueRow(22, 'key 20', 'new'), trueRow(23, 'key 30', 'new')]
    await store.commit(testBatch(rows, {}, [5, 16]))
    const expected = { ...whole, 'key 1': 'new', 'key 20': 'new', 'key 5': undefined, 'key 16': undefined }
    expect(readAll(store)).toEqual(expected)
    const again = await open(crashCopy(directory), eager)
    expect([again.amnesia, readAll(again)]).toEqual([false, expected])
    expect(again.keys('key 30', '', 9)).toEqual(['key 30'])
    await again.commit(testBatch([trueRow(24, 'last', '')], {}, [23]))
    expect(again.keys('key 30', '', 9)).toEqual([])
  })
})

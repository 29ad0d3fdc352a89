/**
 * Random histories against the simplest model of a store: an array of rows and a map of facts. Part of the
 * suite.
 */
import type * as Jest from '@jest/globals'
import fc from 'fast-check'
import type { NewRow, Row, Store } from '../ports.ts'
import type { Sequence } from '../units.ts'
import { plainLeaf, plainLeaves, testRow } from './store-fixtures.ts'
import type { Reopen } from './store-suite.ts'
import { compareUtf8 } from './utf8-order.ts'

const { expect, it } = globalThis as unknown as typeof Jest

/** Meets every interplay of replace, remove and list; each run opens two stores. FC_RUNS raises it. */
const runs = 10

const texts = fc.string({
  unit: fc.constantFrom('a', 'b', '%', '_', 'é', '\u{FFFD}', '\u{1F600}'),
  maxLength: 3,
})
const names = texts.filter(text => text !== '')
const rowShape = fc.record({
  key: names,
  slot: fc.constantFrom('', '', '01', 'ff'.repeat(41)),
  gap: fc.integer({ min: 1, max: 3 }),
  bytes: fc.uint8Array({ maxLength: 40 }),
})
const factShape = fc.tuple(names, fc.option(fc.uint8Array({ maxLength: 9 }), { nil: undefined }))
const batchShape = fc.record({
  rows: fc.array(rowShape, { maxLength: 8 }),
  facts: fc.array(factShape, { maxLength: 4 }),
  drops: fc.array(fc.nat(20), { maxLength: 3 }),
  awaited: fc.boolean(),
})
const query = fc.record({ prefix: texts, from: texts, limit: fc.integer({ min: 0, max: 12 }) })

interface Model {
  rows: NewRow[]
  facts: Map<string, Uint8Array>
  lastSeq: Sequence
}

/** Registers the property test. */
export function storePropertySuite(
  open: (place: string) => Promise<Store>,
  reopen: Reopen,
  newPlace: () => string,
): void {
  const history = fc.tuple(
    fc.array(batchShape, { maxLength: 12 }),
    fc.array(query, { minLength: 1, maxLength: 6 }),
  )
  const settings = fromEnvironment()
  it(
    'is the same as a plain list of rows and map of facts, for random histories and after a reopen',
    async () => {
      await fc.assert(
        fc.asyncProperty(history, async ([batches, queries]) => {
          const place = newPlace()
          const store = await open(place)
          const model: Model = { rows: [], facts: new Map(), lastSeq: 0 }
          let last: Promise<void> = Promise.resolve()
          for (const { rows: shapes, facts, drops: wanted, awaited } of batches) {
            const rows = shapes.map(shape => rowAfter(model, shape))
            for (const row of rows) model.rows = [...model.rows.filter(old => !samePlace(old, row)), row]
            for (const [name, value] of facts) {
              if (value === undefined) model.facts.delete(name)
              else model.facts.set(name, value)
            }
            const drops = wanted.filter(seq => seq !== model.lastSeq)
            model.rows = model.rows.filter(row => !drops.includes(row.seq))
            last = store.commit({ rows, facts: new Map(facts), drops })
            if (awaited) await last
          }
          await last
          compare(store, model, queries)
          const again = await reopen(store, place)
          compare(again, model, queries)
          await again.close()
        }),
        settings,
      )
    },
    30_000 + settings.numRuns * 2000,
  )
}

function rowAfter(
  model: Model,
  shape: { key: string; slot: string; gap: number; bytes: Uint8Array<ArrayBuffer> },
): NewRow {
  model.lastSeq += shape.gap
  const { key, slot, bytes } = shape
  return testRow(model.lastSeq, key, slot, bytes)
}

const samePlace = (a: Row, b: Row): boolean => a.key === b.key && a.slot === b.slot
const plain = (row: Row | undefined): unknown =>
  row && [row.seq, row.key, row.slot, [...row.digest], [...row.bytes]]

function compare(
  store: Store,
  model: Model,
  queries: readonly { prefix: string; from: string; limit: number }[],
): void {
  expect(store.lastSeq).toBe(model.lastSeq)
  const keys = [...new Set(model.rows.map(row => row.key))].sort(compareUtf8)
  for (const { prefix, from, limit } of queries) {
    const seq = limit * 3
    expect(store.after(seq, limit).map(plain)).toEqual(
      model.rows.filter(row => row.seq > seq).slice(0, limit).map(plain),
    ) // prettier-ignore
    expect(plain(store.at(seq))).toEqual(plain(model.rows.find(row => row.seq === seq)))
    expect(store.keys(prefix, from, limit)).toEqual(
      keys.filter(key => key.startsWith(prefix) && compareUtf8(key, from) >= 0).slice(0, limit),
    )
    const bySeq = (a: Row, b: Row): number => a.seq - b.seq
    expect([...store.slots(from)].sort(bySeq).map(plain)).toEqual(
      model.rows.filter(row => row.key === from).map(plain),
    )
    const facts = [...model.facts]
      .filter(([name]) => name.startsWith(prefix))
      .sort(([a], [b]) => compareUtf8(a, b))
    expect(store.facts(prefix, limit).map(([name, value]) => [name, [...value]])).toEqual(
      facts.slice(0, limit).map(([name, value]) => [name, [...value]]),
    )
    expect([...(store.fact(prefix) ?? [])]).toEqual([...(model.facts.get(prefix) ?? [])])
  }
  expect(plainLeaves(store.leaves())).toEqual(model.rows.map(plainLeaf))
}

/** FC_SEED replays the failure that fast-check printed. */
function fromEnvironment(): { numRuns: number; seed?: number } {
  const environment = (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env
  const [seed, wanted] = [environment?.['FC_SEED'], environment?.['FC_RUNS']]
  return { numRuns: Number(wanted ?? runs), ...(seed === undefined ? {} : { seed: Number(seed) }) }
}

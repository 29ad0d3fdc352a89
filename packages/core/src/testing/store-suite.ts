/**
 * What every `Store` must keep, as jest tests. Run it on each adapter: a promise that only one of them keeps
 * is a bug that the other hides. The jest functions are taken from the global object, so that importing this
 * outside jest is harmless.
 */
import type * as Jest from '@jest/globals'
import type { Row, Store } from '../ports.ts'
import {
  contentOf,
  hostileKeys,
  plain,
  plainLeaf,
  plainLeaves,
  testBatch,
  testRow,
} from './store-fixtures.ts'
import { storePropertySuite } from './store-property.ts'
import { compareUtf8 } from './utf8-order.ts'

const { afterEach, describe, expect, it } = globalThis as unknown as typeof Jest

/**
 * Opens the store at a place, and opens the same one again after a `close`. A new name is a new, empty place.
 */
export type OpenStore = (place: string) => Promise<Store>

const encoder = new TextEncoder()
const ascending = (a: number, b: number): number => a - b

/** Registers the promises of the port as tests on the stores that `openStore` opens. */
export function storeSuite(name: string, openStore: OpenStore): void {
  describe(`${name} keeps the promises of a store`, () => {
    const opened = new Set<Store>()
    let places = 0
    const newPlace = (): string => `place-${(places += 1)}`
    const open = async (place = newPlace()): Promise<Store> => {
      const store = await openStore(place)
      opened.add(store)
      return store
    }
    const reopen = async (store: Store, place: string): Promise<Store> => {
      await store.close()
      opened.delete(store)
      return open(place)
    }
    afterEach(async () => {
      await Promise.all([...opened].map(store => store.close()))
      opened.clear()
    })
    rowPromises(open)
    commitPromises(open)
    listingPromises(open)
    factPromises(open)
    durabilityPromises(open, reopen, newPlace)
    storePropertySuite(open, reopen, newPlace)
  })
}

type Open = (place?: string) => Promise<Store>
/** Closes a store and opens its place again. */
export type Reopen = (store: Store, place: string) => Promise<Store>

function rowPromises(open: Open): void {
  it('starts empty', async () => {
    const store = await open()
    expect(store.incarnation).toMatch(/^[0-9a-f]{16}$/)
    expect(contentOf(store)).toEqual({ lastSeq: 0, rows: [], facts: [] })
    expect([
      store.slots('a'),
      store.at(1),
      store.keys('', '', 10),
      plainLeaves(store.leaves()),
      store.fact('a'),
    ]).toEqual([[], undefined, [], [], undefined])
  })

  it('gives rows back exactly, by key, by sequence, in commit order and as leaves', async () => {
    const store = await open()
    const everyByte = Uint8Array.from({ length: 256 }, (_, at) => at)
    const large = Uint8Array.from({ length: 128 * 1024 }, (_, at) => (at * 7) & 255)
    const rows = [
      testRow(1, 'b', '', everyByte),
      testRow(2, 'a', '00ff', new Uint8Array(0)),
      testRow(7, 'a', 'ab'.repeat(41), large),
    ]
    await store.commit(testBatch(rows))
    expect(store.after(0, 10).map(plain)).toEqual(rows.map(plain))
    expect(rows.map(({ seq }) => plain(store.at(seq) as Row))).toEqual(rows.map(plain))
    expect(store.slots('a').map(plain)).toEqual(expect.arrayContaining(rows.slice(1).map(plain)))
    expect(store.slots('a')).toHaveLength(2)
    expect(plainLeaves(store.leaves())).toEqual(rows.map(plainLeaf))
    expect([store.at(3), store.after(1, 1).map(row => row.seq), store.after(7, 9), store.lastSeq]).toEqual([
      undefined,
      [2],
      [],
      7,
    ])
  })

  it('drops the row that a newer one of the same key and slot replaces, everywhere', async () => {
    const store = await open()
    await store.commit(testBatch([testRow(1, 'a'), testRow(2, 'a', '01'), testRow(3, 'b')]))
    await store.commit(testBatch([testRow(4, 'a')]))
    expect(store.at(1)).toBeUndefined()
    expect(store.after(0, 10).map(row => row.seq)).toEqual([2, 3, 4])
    expect(plainLeaves(store.leaves()).map(leaf => leaf.seq)).toEqual([2, 3, 4])
    expect(
      store
        .slots('a')
        .map(row => row.seq)
        .sort(ascending),
    ).toEqual([2, 4])
  })

  it('keeps the last of several rows for one place within a batch', async () => {
    const store = await open()
    await store.commit(testBatch([testRow(1, 'b'), testRow(2, 'a'), testRow(3, 'b'), testRow(4, 'b')]))
    expect(store.after(0, 10).map(row => [row.seq, row.key])).toEqual([
      [2, 'a'],
      [4, 'b'],
    ])
  })

  it('drops rows without a successor, everywhere and for good, and takes the place again', async () => {
    const store = await open()
    await store.commit(testBatch([testRow(1, 'a'), testRow(2, 'a', '01'), testRow(3, 'b'), testRow(4, 'c')]))
    await store.commit(testBatch([testRow(5, 'd')], { fact: 'kept' }, [1, 3, 999]))
    expect([store.at(1), store.at(3), store.lastSeq]).toEqual([undefined, undefined, 5])
    expect(store.after(0, 10).map(row => row.seq)).toEqual([2, 4, 5])
    expect(store.slots('a').map(row => row.seq)).toEqual([2])
    expect(store.slots('b')).toEqual([])
    expect(store.keys('', '', 10)).toEqual(['a', 'c', 'd'])
    expect(plainLeaves(store.leaves()).map(leaf => leaf.seq)).toEqual([2, 4, 5])
    await store.commit(testBatch([testRow(6, 'b')], {}, [2]))
    expect(store.keys('', '', 10)).toEqual(['b', 'c', 'd'])
    expect(store.slots('b').map(row => row.seq)).toEqual([6])
    expect(store.after(0, 10).map(row => row.seq)).toEqual([4, 5, 6])
    await store.commit(testBatch([testRow(7, 'b')], {}, [6]))
    expect(store.slots('b').map(row => row.seq)).toEqual([7])
    expect(plainLeaves(store.leaves()).map(leaf => leaf.seq)).toEqual([4, 5, 7])
  })

  it('takes hostile keys as plain data', async () => {
    const store = await open()
    await store.commit(testBatch(hostileKeys.map((key, at) => testRow(at + 1, key))))
    for (const [at, key] of hostileKeys.entries()) {
      expect(store.slots(key).map(plain)).toEqual([plain(testRow(at + 1, key))])
      expect(store.keys(key, key, 1)).toEqual([key])
    }
    expect(store.keys('', '', 1000)).toEqual([...hostileKeys].sort(compareUtf8))
  })

  it('walks leaves beyond any inner page, and survives a walk that is given up', async () => {
    const store = await open()
    const rows = Array.from({ length: 2500 }, (_, at) => testRow(at + 1, `k${at}`))
    await store.commit(testBatch(rows))
    expect(plainLeaves(store.leaves())).toEqual(rows.map(plainLeaf))
    for (const block of store.leaves()) if (block.seqs.length > 0) break
    expect(plainLeaves(store.leaves(1, 2100))).toEqual(rows.slice(1, 2100).map(plainLeaf))
    expect(plainLeaves(store.leaves(2499)).map(leaf => leaf.seq)).toEqual([2500])
    expect(plainLeaves(store.leaves(7, 7))).toEqual([])
    await store.commit(testBatch([testRow(2501, 'k0')]))
    expect(plainLeaves(store.leaves())).toHaveLength(2500)
  })

  it('walks leaves that lie far apart, and many after few', async () => {
    const store = await open()
    const seqs = [1, 2, 1_999, 2_000, 70_000, 200_000, 5_000_000, 2 ** 32 + 5, 2 ** 40]
    const dense = Array.from({ length: 2500 }, (_, at) => 2 ** 40 + 10 + at)
    const rows = [...seqs, ...dense].map(seq => testRow(seq, `k${seq}`))
    await store.commit(testBatch(rows))
    expect(plainLeaves(store.leaves())).toEqual(rows.map(plainLeaf))
    expect(plainLeaves(store.leaves(2, 70_000)).map(leaf => leaf.seq)).toEqual([1_999, 2_000, 70_000])
    expect(plainLeaves(store.leaves(70_000, 199_999))).toEqual([])
  })
}

function commitPromises(open: Open): void {
  it('takes commits in the order they were called, without waiting in between', async () => {
    const store = await open()
    const order: number[] = []
    const commits = Array.from({ length: 50 }, (_, at) =>
      store.commit(testBatch([testRow(at + 1, `k${at % 5}`)], { n: `${at}` })).then(() => order.push(at)),
    )
    await Promise.all(commits)
    expect(order).toEqual(Array.from({ length: 50 }, (_, at) => at))
    expect(store.after(0, 99).map(row => row.seq)).toEqual([46, 47, 48, 49, 50])
    expect(new TextDecoder().decode(store.fact('n'))).toBe('49')
  })

  it('shows a batch whole or not at all, and surely once its commit has resolved', async () => {
    const store = await open()
    let seq = 0
    for (let round = 0; round < 20; round += 1) {
      const rows = Array.from({ length: 20 }, (_, at) => testRow((seq += 1), `r${round}/${at}`))
      const committed = store.commit(testBatch(rows))
      expect([0, 20]).toContain(store.keys(`r${round}/`, '', 100).length)
      await committed
      expect(store.keys(`r${round}/`, '', 100)).toHaveLength(20)
      expect(store.lastSeq).toBe(seq)
    }
  })

  it('changes nothing when a batch fails half way, and goes on with the next', async () => {
    const store = await open()
    await store.commit(testBatch([testRow(5, 'a')], { f: 'old' }))
    const before = contentOf(store)
    const stale = testBatch([testRow(6, 'a'), testRow(7, 'b'), testRow(7, 'c')], { f: 'new', g: 'new' })
    const reused = testBatch([testRow(5, 'c')], { f: 'newer' })
    const outcomes = await Promise.allSettled([
      store.commit(stale),
      store.commit(reused),
      store.commit(testBatch([testRow(6, 'd')], { h: 'good' })),
    ])
    expect(outcomes.map(outcome => outcome.status)).toEqual(['rejected', 'rejected', 'fulfilled'])
    expect(before).toMatchObject({ lastSeq: 5 })
    expect(store.after(0, 10).map(row => [row.seq, row.key])).toEqual([
      [5, 'a'],
      [6, 'd'],
    ])
    expect(store.facts('', 10).map(([name, value]) => [name, new TextDecoder().decode(value)])).toEqual([
      ['f', 'old'],
      ['h', 'good'],
    ])
  })

  it('leaves the caller its buffers, and is not touched when they are reused', async () => {
    const store = await open()
    const pool = encoder.encode('..first..second..')
    const row = { ...testRow(1, 'a'), bytes: pool.subarray(2, 7) }
    const facts = new Map<string, Uint8Array | undefined>([['f', pool.subarray(9, 15)]])
    const committed = store.commit({ rows: [row], facts })
    expect(pool.byteLength).toBe(17)
    pool.fill(0)
    facts.set('g', pool)
    await committed
    expect(new TextDecoder().decode(store.at(1)?.bytes)).toBe('first')
    expect(new TextDecoder().decode(store.fact('f'))).toBe('second')
    expect(store.fact('g')).toBeUndefined()
  })

  it('accepts an empty batch', async () => {
    const store = await open()
    await store.commit(testBatch([]))
    expect(store.lastSeq).toBe(0)
  })
}

function listingPromises(open: Open): void {
  it('lists keys by UTF-8 bytes, where the order of JavaScript strings differs', async () => {
    const store = await open()
    const keys = ['\u{1F600}', '\u{FFFD}', 'z', '\u{E000}', '\u{10000}b', '\u{10000}', '\u{D7FF}']
    await store.commit(testBatch(keys.map((key, at) => testRow(at + 1, key))))
    const byBytes = ['z', '\u{D7FF}', '\u{E000}', '\u{FFFD}', '\u{10000}', '\u{10000}b', '\u{1F600}']
    expect(byBytes).not.toEqual([...keys].sort())
    expect(store.keys('', '', 99)).toEqual(byBytes)
    expect(store.keys('', '\u{FFFD}', 2)).toEqual(['\u{FFFD}', '\u{10000}'])
    expect(store.keys('\u{10000}', '', 99)).toEqual(['\u{10000}', '\u{10000}b'])
  })

  it('lists each key once, from `from` on, within the prefix, up to the limit', async () => {
    const store = await open()
    const keys = ['a', 'a/1', 'a/2', 'a/3', 'a0', 'b', 'b/1']
    const rows = keys.flatMap((key, at) => [testRow(2 * at + 1, key), testRow(2 * at + 2, key, 'ff')])
    await store.commit(testBatch(rows))
    expect(store.keys('', '', 99)).toEqual(keys)
    expect(store.keys('a/', '', 99)).toEqual(['a/1', 'a/2', 'a/3'])
    expect(store.keys('a/', 'a/2', 99)).toEqual(['a/2', 'a/3'])
    expect(store.keys('a/', 'a/2x', 99)).toEqual(['a/3'])
    expect(store.keys('a/', 'b', 99)).toEqual([])
    expect(store.keys('a', '', 2)).toEqual(['a', 'a/1'])
    expect(store.keys('', '', 0)).toEqual([])
    expect(store.keys('c', '', 9)).toEqual([])
  })
}

function factPromises(open: Open): void {
  it('sets, replaces and removes facts', async () => {
    const store = await open()
    await store.commit(testBatch([], { a: '1', b: '2', __proto: '3' }))
    await store.commit(testBatch([], { a: '', b: undefined, never: undefined }))
    expect(store.fact('a')).toHaveLength(0)
    expect([store.fact('b'), store.fact('never')]).toEqual([undefined, undefined])
    expect(store.facts('', 9).map(([name]) => name)).toEqual(['__proto', 'a'])
  })

  it('lists facts by UTF-8 bytes within the prefix, up to the limit', async () => {
    const store = await open()
    await store.commit(
      testBatch([], { 'p/\u{1F600}': '', 'p/\u{FFFD}': '', 'p/a': '', p: '', q: '', p_: '', __proto__x: '' }),
    )
    expect(store.facts('p/', 9).map(([name]) => name)).toEqual(['p/a', 'p/\u{FFFD}', 'p/\u{1F600}'])
    expect(store.facts('p/', 2)).toHaveLength(2)
    expect(store.facts('p_', 9).map(([name]) => name)).toEqual(['p_'])
    expect(store.facts('x', 9)).toEqual([])
  })
}

function durabilityPromises(open: Open, reopen: Reopen, newPlace: () => string): void {
  it('finds everything again after a reopen, under the same incarnation', async () => {
    const place = newPlace()
    const store = await open(place)
    const { incarnation } = store
    await store.commit(
      testBatch(
        hostileKeys.map((key, at) => testRow(at + 1, key, at % 2 ? '0a' : '')),
        { a: '1', b: '2' },
      ),
    )
    await store.commit(testBatch([testRow(100, 'a'), testRow(101, 'new')], { a: undefined }))
    const before = contentOf(store)
    const again = await reopen(store, place)
    expect(again.incarnation).toBe(incarnation)
    expect(contentOf(again)).toEqual(before)
  })

  it('remembers the newest sequence when its row has been superseded, also after a reopen', async () => {
    const place = newPlace()
    let store = await open(place)
    await store.commit(testBatch([testRow(1, 'a'), testRow(9, 'b')]))
    await store.commit(testBatch([testRow(10, 'b')]))
    expect([store.lastSeq, store.at(9)]).toEqual([10, undefined])
    store = await reopen(store, place)
    expect([store.lastSeq, store.at(9), store.at(10)?.key]).toEqual([10, undefined, 'b'])
    await store.commit(testBatch([testRow(11, 'b')]))
    expect(store.lastSeq).toBe(11)
  })

  it('gives different incarnations to different places', async () => {
    const [first, second] = [await open(), await open()]
    expect(first.incarnation).not.toBe(second.incarnation)
  })

  it('finishes the commits in flight before it closes, and refuses later ones', async () => {
    const place = newPlace()
    const store = await open(place)
    const commits = Array.from({ length: 20 }, (_, at) =>
      store.commit(testBatch([testRow(at + 1, `k${at}`)])),
    )
    const again = await reopen(store, place)
    await Promise.all(commits)
    expect(again.after(0, 99)).toHaveLength(20)
    await expect(store.commit(testBatch([testRow(21, 'late')]))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    })
    await store.close()
  })
}

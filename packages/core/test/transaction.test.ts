/** Transactions: all or nothing, each operation sees those before it, one entry per slot. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  counterSlot,
  decodeValue,
  elementSlot,
  encodeValue,
  isLatticeError,
  transactionOperationsMax,
  versionAt,
  type Entry,
  type EntryContent,
  type Operation,
} from '@lattice/core'
import { anyOperation, assertProperty, runsFromEnvironment, testWall } from '@lattice/core/testing'
import { summaryOf } from '../src/key-summary.ts'
import { draftTransaction } from '../src/transaction.ts'
import { alice, bob, sha256 } from './crypto.ts'
import { entryOf, life, openReplica, readingsOf, rootOf, write } from './replicas.ts'

const version = versionAt(testWall + 60_000)

function draft(operations: readonly Operation[], slots: readonly Entry[] = []): EntryContent[] {
  const slotsOf = (key: string): readonly Entry[] => slots.filter(entry => entry.key === key)
  return draftTransaction(operations, {
    author: alice.nodeId,
    incarnation: life(1),
    version,
    horizon: 0n,
    hash: sha256,
    summaryOf: key => summaryOf(slotsOf(key)),
    slotsOf,
  })
}

const codeOf = (operations: readonly Operation[], slots: readonly Entry[] = []): string => {
  try {
    draft(operations, slots)
    return 'fine'
  } catch (error) {
    return isLatticeError(error) ? error.code : 'another error'
  }
}

const shown = (contents: readonly EntryContent[]): unknown[] =>
  contents.map(({ key, slot, value, base }) => [
    key,
    slot.slice(0, 2),
    value === undefined ? undefined : decodeValue(value),
    base,
  ])

const put = (key: string, value: string): Operation => ({ op: 'put', key, value })
const gone: Operation = { op: 'delete', key: 'k' }
const add = (by: number): Operation => ({ op: 'increment', key: 'k', by })
const own = (total: number): Entry =>
  entryOf({ tick: 1, slot: counterSlot(alice.nodeId, life(1)), value: encodeValue(total) })
const other = (total: number): Entry =>
  entryOf({ tick: 1, slot: counterSlot(bob.nodeId, life(1)), value: encodeValue(total) }, bob)

describe('a transaction', () => {
  it('becomes entries of one version, one per slot: the last operation on a slot wins', () => {
    const contents = draft([put('k', 'first'), put('other', 'x'), put('k', 'last')])
    expect(shown(contents)).toEqual([
      ['k', '', 'last', 0n],
      ['other', '', 'x', 0n],
    ])
    expect(new Set(contents.map(content => content.version))).toEqual(new Set([version]))
  })

  it('adds up increments of one counter, on top of its own total only', () => {
    expect(shown(draft([add(2), add(3)], [own(10), other(100)]))).toEqual([['k', '01', 15, 0n]])
  })

  it('an add and a remove of one element leave the last of them', () => {
    const element = { n: 1 }
    const contents = draft([
      { op: 'add', key: 'k', element },
      { op: 'remove', key: 'k', element },
      { op: 'add', key: 'k', element: 'x' },
    ])
    expect(shown(contents)).toEqual([
      ['k', '02', undefined, 0n],
      ['k', '02', 'x', 0n],
    ])
    expect(contents[0]?.slot).toBe(elementSlot(encodeValue(element), sha256))
  })

  it('a delete and an increment after it start the counter anew, under the delete', () => {
    expect(shown(draft([gone, add(4)], [own(10), other(100)]))).toEqual([
      ['k', '', undefined, 0n],
      ['k', '01', 4, version],
    ])
  })

  it('an increment and a delete after it leave nothing to read', async () => {
    const node = openReplica()
    await write(node, [add(4), gone])
    expect(node.replica.read('k')).toBeUndefined()
    expect(node.replica.keys.keyCount).toBe(0)
    await write(node, [add(1)])
    expect(node.replica.read('k')?.value).toBe(1)
  })

  it('a delete takes everything with it that the transaction had written to the key', async () => {
    const node = openReplica()
    await write(node, [gone, add(4), { op: 'put', key: 'o', value: 1 }, gone])
    expect(node.replica.read('k')).toBeUndefined()
    expect(shown(draft([gone, add(4), gone, add(1)], [own(10)]))).toEqual([
      ['k', '', undefined, 0n],
      ['k', '01', 1, version],
    ])
  })

  it('a delete and a put after it leave a register that remembers the delete', () => {
    expect(shown(draft([gone, put('k', 'new')], [own(10)]))).toEqual([['k', '', 'new', version]])
  })

  it('a key may change its type only through a delete', () => {
    expect(codeOf([put('k', 'x')], [own(1)])).toBe('TYPE_CONFLICT')
    expect(codeOf([put('k', 'x'), add(1)])).toBe('TYPE_CONFLICT')
    expect(codeOf([add(1), { op: 'add', key: 'k', element: 1 }])).toBe('TYPE_CONFLICT')
    expect(codeOf([{ op: 'remove', key: 'k', element: 1 }, put('k', 'x')])).toBe('TYPE_CONFLICT')
    expect(codeOf([gone, put('k', 'x')], [own(1)])).toBe('fine')
    expect(codeOf([put('k', 'x'), gone, add(1)])).toBe('fine')
  })

  it('a counter stays within ±(2^53 − 1), its sum over all nodes and its own total', () => {
    const max = Number.MAX_SAFE_INTEGER
    expect(codeOf([add(1)], [own(max)])).toBe('COUNTER_OVERFLOW')
    expect(codeOf([add(-1)], [own(-max)])).toBe('COUNTER_OVERFLOW')
    expect(codeOf([add(1)], [other(max)])).toBe('COUNTER_OVERFLOW')
    expect(codeOf([add(max), add(1)])).toBe('COUNTER_OVERFLOW')
    expect(codeOf([add(max - 5), add(5)])).toBe('fine')
    expect(codeOf([add(1)], [own(max), other(-max)])).toBe('COUNTER_OVERFLOW')
    expect(codeOf([add(-1)], [own(max), other(-max)])).toBe('fine')
  })

  it('a counter beside which others have left slots of another type counts on', () => {
    const element = encodeValue('x')
    const slot = elementSlot(element, sha256)
    for (const value of [element, undefined])
      expect(shown(draft([add(1)], [entryOf({ tick: 0, slot, value }), own(4)]))).toEqual([
        ['k', '01', 5, 0n],
      ])
    const register = entryOf({ tick: 0, value: encodeValue({ a: 1 }) })
    expect(shown(draft([add(1)], [register, own(4)]))).toEqual([['k', '01', 5, 0n]])
  })

  it('steps of a counter are whole, not zero, and exact', () => {
    for (const by of [0, -0, 1.5, Number.NaN, 2 ** 53]) expect(codeOf([add(by)])).toBe('TRANSACTION_INVALID')
  })

  it('has 1 to 1000 operations', () => {
    expect(codeOf([])).toBe('TRANSACTION_INVALID')
    const many = Array.from({ length: transactionOperationsMax + 1 }, (_, at) => put(`k${at}`, ''))
    expect(codeOf(many)).toBe('TRANSACTION_INVALID')
    expect(codeOf(many.slice(1))).toBe('fine')
  })

  it('refuses bad keys and values by name', () => {
    expect(codeOf([put('', 'x')])).toBe('KEY_INVALID')
    expect(codeOf([put('a\nb', 'x')])).toBe('KEY_INVALID')
    expect(codeOf([put('k', '\ud800')])).toBe('VALUE_INVALID')
    expect(codeOf([{ op: 'add', key: 'k', element: Number.NaN }])).toBe('VALUE_INVALID')
  })

  it('with one bad operation among good ones leaves no trace', async () => {
    const node = openReplica()
    await write(node, [put('kept', 'x')])
    const root = rootOf(node)
    expect(() => node.replica.write([put('a', '1'), add(1), put('k', 'x')], testWall)).toThrow(
      expect.objectContaining({ code: 'TYPE_CONFLICT' }),
    )
    expect(node.replica.hasForming).toBe(false)
    expect(node.replica.readStaged('a')).toBeUndefined()
    expect([rootOf(node), node.replica.keys.keyCount, node.store.lastSeq]).toEqual([root, 1, 1])
  })

  it('is the same as its operations one after the other', async () => {
    const sequences = fc.array(anyOperation, { minLength: 1, maxLength: 8 })
    const property = fc.asyncProperty(sequences, async operations => {
      const [whole, piecemeal] = [openReplica(), openReplica()]
      let refused = false
      for (const operation of operations) {
        try {
          await write(piecemeal, [operation])
        } catch {
          refused = true
        }
      }
      if (refused) return expect(() => whole.replica.write(operations, testWall)).toThrow(/ is a .*, not a /)
      await write(whole, operations)
      const plain = (node: typeof whole): unknown =>
        [...readingsOf(node)].map(([key, { type, value }]) => [key, type, value])
      expect(plain(whole)).toEqual(plain(piecemeal))
    })
    const { seed, numRuns } = runsFromEnvironment(300)
    await fc.assert(property, { numRuns, ...(seed === undefined ? {} : { seed }) })
  })

  it('is deterministic: the same operations on the same state give the same contents', () => {
    assertProperty(
      fc.property(fc.array(anyOperation, { minLength: 1, maxLength: 8 }), operations => {
        expect(codeOf(operations)).toBe(codeOf(operations))
        if (codeOf(operations) === 'fine') expect(draft(operations)).toEqual(draft(operations))
      }),
      200,
    )
  })
})

/**
 * The join: any order, grouping and repetition of entries ends in the same state, the same bytes, the same
 * root.
 */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  compareEntries,
  counterSlot,
  elementSlot,
  encodeValue,
  toHex,
  type JsonValue,
  type Signer,
  type VerifiedEntry,
} from '@lattice/core'
import { anyEntry, runsFromEnvironment } from '@lattice/core/testing'
import { alice, bob, carol, sha256 } from './crypto.ts'
import {
  entryOf,
  heldBytes,
  join,
  joined,
  life,
  openReplica,
  permutations,
  readingsOf,
  rootOf,
  write,
} from './replicas.ts'

const set = (value: JsonValue, tick: number, by: Signer = alice, base = 0n): VerifiedEntry =>
  entryOf({ tick, value: encodeValue(value), base }, by)
const gone = (tick: number, by: Signer = alice): VerifiedEntry => entryOf({ tick, value: undefined }, by)
const count = (total: number, tick: number, by: Signer = alice, base = 0n, incarnation = 1): VerifiedEntry =>
  entryOf({ tick, slot: counterSlot(by.nodeId, life(incarnation)), value: encodeValue(total), base }, by)
const element = (
  value: JsonValue,
  present: boolean,
  tick: number,
  by: Signer = alice,
  base = 0n,
): VerifiedEntry => {
  const bytes = encodeValue(value)
  return entryOf({ tick, slot: elementSlot(bytes, sha256), value: present ? bytes : undefined, base }, by)
}

const someEntries = fc.array(anyEntry([alice, bob, carol], sha256), { maxLength: 14 })

/** Replays with FC_SEED, as `assertProperty` does, for properties that wait for commits. */
async function assertAsync<Ts>(property: fc.IAsyncProperty<Ts>, runs: number): Promise<void> {
  const { seed, numRuns } = runsFromEnvironment(runs)
  const out = await fc.check(property, { numRuns, ...(seed === undefined ? {} : { seed }) })
  if (!out.failed) return
  throw new Error(`replay: FC_SEED=${out.seed} FC_RUNS=${numRuns} npm run unit -- packages/core/test/join
${fc.defaultReportMessage(out) ?? ''}`)
}

describe('the join', () => {
  it('is commutative and idempotent: order, grouping and repetition make no difference', () =>
    assertAsync(
      fc.asyncProperty(
        someEntries.chain(list =>
          fc.tuple(
            fc.constant(list),
            fc.shuffledSubarray([...list, ...list], { minLength: 2 * list.length }),
            fc.array(fc.nat(5), { minLength: 1, maxLength: 6 }),
          ),
        ),
        async ([list, again, sizes]) => {
          const straight = await joined(list)
          const crooked = openReplica(bob)
          for (let at = 0, group = 0; at < again.length; group++) {
            const size = 1 + (sizes[group % sizes.length] as number)
            await join(crooked, again.slice(at, at + size))
            at += size
          }
          expect(rootOf(crooked)).toBe(rootOf(straight))
          expect(heldBytes(crooked)).toBe(heldBytes(straight))
          expect(readingsOf(crooked)).toEqual(readingsOf(straight))
          expect(crooked.replica.keys.keyCount).toBe(straight.replica.keys.keyCount)
        },
      ),
      250,
    ))

  it('is associative: joining joins is joining all', () =>
    assertAsync(
      fc.asyncProperty(someEntries, someEntries, someEntries, async (a, b, c) => {
        const held = async (...lists: VerifiedEntry[][]): Promise<VerifiedEntry[]> => {
          const winners = new Map<string, VerifiedEntry>()
          for (const entry of lists.flat()) {
            const place = `${entry.key} ${entry.slot}`
            const present = winners.get(place)
            if (present === undefined || compareEntries(entry, present) > 0) winners.set(place, entry)
          }
          const node = await joined(lists.flat())
          const digests = new Set(node.store.after(0, 999).map(row => toHex(row.digest)))
          const list = [...winners.values()]
          expect(list.map(entry => toHex(entry.digest)).sort()).toEqual([...digests].sort())
          return list
        }
        const left = await joined(await held(await held(a, b), c))
        const right = await joined(await held(a, await held(b, c)))
        expect(rootOf(left)).toBe(rootOf(right))
      }),
      100,
    ))

  it('the root is a function of the set of winners: one other winner, another root', () =>
    assertAsync(
      fc.asyncProperty(someEntries, anyEntry([alice, bob], sha256), async (list, extra) => {
        const before = await joined(list)
        const after = await joined([...list, extra])
        expect(rootOf(after) === rootOf(before)).toBe(heldBytes(after) === heldBytes(before))
      }),
      200,
    ))

  it.each<[string, VerifiedEntry[]]>([
    [
      'registers, a delete and a later write',
      [set('a', 1), set('b', 1, bob), gone(2), set('c', 3, carol, 2n), set('d', 3)],
    ],
    [
      'counters of three authors around a delete',
      [count(5, 1), count(7, 4), count(3, 2, bob), gone(3, carol), count(1, 5, carol, gone(3).version)],
    ],
    [
      'a set with additions and removals',
      [
        element('x', true, 1),
        element('x', false, 2, bob),
        element('x', true, 2, carol),
        element('y', true, 1),
        gone(3),
      ],
    ],
    [
      'mixed types on one key',
      [set('r', 2), count(4, 3, bob), element('e', true, 1), element('f', false, 4, carol), gone(2, carol)],
    ],
  ])('all 120 orders of %s end alike', async (_, entries) => {
    const results = new Set<string>()
    for (const order of permutations(entries)) {
      const node = openReplica()
      for (const entry of order) node.replica.offer([entry], 'http', Number(entry.version >> 16n))
      await node.store.commit(node.replica.seal())
      node.replica.committed()
      results.add(
        `${rootOf(node)} ${JSON.stringify(node.replica.read('k')?.value)} ${node.replica.keys.keyCount}`,
      )
    }
    expect(results.size).toBe(1)
  })
})

describe('what a key reads as after a join', () => {
  const reading = async (...entries: VerifiedEntry[]): Promise<unknown> => {
    const read = (await joined(entries)).replica.read('k')
    return read === undefined ? undefined : [read.type, read.value]
  }

  it('a register is the last write', async () => {
    expect(await reading(set('old', 1), set('new', 2, bob))).toEqual(['register', 'new'])
    expect(await reading(set('old', 1), gone(2, bob))).toBeUndefined()
    expect(await reading(gone(2, bob), set('old', 1))).toBeUndefined()
    expect(await reading(gone(2, bob), set('new', 3))).toEqual(['register', 'new'])
  })

  it('a counter is the sum over authors and incarnations', async () => {
    const entries = [count(5, 1), count(7, 2), count(-3, 9, bob), count(100, 1, alice, 0n, 2)]
    expect(await reading(...entries)).toEqual(['counter', 104])
  })

  it('the sum of huge counters is rounded once, in whatever order the slots lie', async () => {
    const max = Number.MAX_SAFE_INTEGER
    const entries = [count(max, 1), count(max, 1, bob), count(3, 1, carol), count(-max, 1, alice, 0n, 2)]
    const exact = Number(BigInt(max) + 3n)
    for (const order of permutations(entries)) expect(await reading(...order)).toEqual(['counter', exact])
  })

  it('a delete beats concurrent increments and adds, even newer ones', async () => {
    expect(await reading(count(5, 1), gone(2), count(9, 3, bob))).toBeUndefined()
    expect(await reading(element('x', true, 9, bob), gone(2))).toBeUndefined()
  })

  it('what is written after a delete starts anew', async () => {
    const deleted = gone(2)
    expect(await reading(count(5, 1), deleted, count(1, 3, bob, deleted.version))).toEqual(['counter', 1])
    const again = element('y', true, 3, bob, deleted.version)
    expect(await reading(element('x', true, 1), deleted, again)).toEqual(['set', ['y']])
  })

  it('a register that was written over a delete remembers it', async () => {
    const deleted = gone(2)
    const register = set('r', 3, alice, deleted.version)
    expect(await reading(count(5, 9, bob), deleted, register)).toEqual(['register', 'r'])
    expect(await reading(count(5, 9, bob), register)).toEqual(['register', 'r'])
  })

  it('an element is what its last add or remove says; elements are listed by their encoding', async () => {
    const entries = [
      element('b', true, 1),
      element('a', true, 2),
      element('c', true, 1),
      element('c', false, 2, bob),
    ]
    expect(await reading(...entries)).toEqual(['set', ['a', 'b']])
    expect(await reading(element('c', true, 3), element('c', false, 2, bob))).toEqual(['set', ['c']])
    expect(await reading(element('c', false, 2, bob))).toEqual(['set', []])
  })

  it('mixed slots read as the type of the greatest live entry; the others are kept', async () => {
    expect(await reading(set('r', 1), count(4, 2, bob))).toEqual(['counter', 4])
    expect(await reading(set('r', 3), count(4, 2, bob))).toEqual(['register', 'r'])
    const node = await joined([set('r', 3), count(4, 2, bob), element('x', true, 1)])
    expect(node.store.slots('k')).toHaveLength(3)
    expect(node.replica.trie.count).toBe(3)
  })

  it('of two entries with one version and author the digest decides, on every node alike', async () => {
    const [a, b] = [set('one', 1), set('two', 1)]
    const winner = toHex(a.digest) > toHex(b.digest) ? 'one' : 'two'
    expect(await reading(a, b)).toEqual(['register', winner])
    expect(await reading(b, a)).toEqual(['register', winner])
  })

  it('two nodes that write at once and then exchange everything are equal', async () => {
    const [left, right] = [openReplica(alice), openReplica(bob)]
    const offered: VerifiedEntry[] = []
    for (const [node, by] of [
      [left, 'l'],
      [right, 'r'],
    ] as const) {
      node.replica.write(
        [
          { op: 'increment', key: 'n', by: 2 },
          { op: 'put', key: 'p', value: by },
        ],
        1_700_000_000_000,
      )
      const batch = node.replica.seal()
      await node.store.commit(batch)
      for (const row of node.replica.committed().rows) offered.push(row.entry)
    }
    await join(left, offered)
    await join(right, offered)
    expect(rootOf(left)).toBe(rootOf(right))
    expect(left.replica.read('n')?.value).toBe(4)
    await write(left, [{ op: 'delete', key: 'n' }])
    expect(rootOf(left)).not.toBe(rootOf(right))
  })
})

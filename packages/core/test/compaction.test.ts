/** The compaction horizon: deletes end, nothing rises from the dead, and roots stay equal. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  counterSlot,
  elementSlot,
  encodeValue,
  futureToleranceMs,
  versionAt,
  vouchedHorizon,
  type Operation,
  type Row,
  type Signer,
  type VerifiedEntry,
  type Version,
} from '@lattice/core'
import {
  anyEntry,
  anyOperation,
  createMemoryStore,
  runsFromEnvironment,
  testWall,
} from '@lattice/core/testing'
import { endingsOf } from '../src/endings.ts'
import { readKey } from '../src/reading.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, carol, sha256 } from './crypto.ts'
import {
  commit,
  entryOf,
  heldBytes,
  life,
  openReplica,
  readingsOf,
  rootOf,
  write,
  type TestReplica,
} from './replicas.ts'

const signers = [alice, bob, carol]

/** Horizons are older than what clocks may differ by. */
const laterWall = testWall + 2 * futureToleranceMs

/** Three members and one that keeps everything for ever: the yardstick. */
function federation(): { members: TestReplica[]; keeper: TestReplica; written: VerifiedEntry[] } {
  const members = signers.map((signer, index) =>
    openReplica(signer, createMemoryStore({ incarnation: life(index + 1) })),
  )
  return { members, keeper: openReplica(alice, createMemoryStore({ incarnation: life(9) })), written: [] }
}

const holders = new Map(signers.map((signer, index) => [signer.nodeId, life(index + 1)]))

const rowsOf = ({ store }: TestReplica): readonly Row[] => store.after(0, Number.MAX_SAFE_INTEGER)

/** Gives what one holds to the other, as a direct message would. */
async function give(
  from: TestReplica,
  to: TestReplica,
  entries = rowsOf(from).map(storedEntry),
): Promise<void> {
  const { settledHorizon: settled, floor } = from.replica
  to.replica.offer(entries, 'p2p', laterWall, vouchedHorizon({ settled, floor }))
  await commit(to)
}

async function exchange(members: readonly TestReplica[]): Promise<void> {
  for (const from of [...members, ...members]) for (const to of members) if (from !== to) await give(from, to)
}

/** A client writes; what it wrote goes to the keeper and into the archive of replays. */
async function act(
  { members, keeper, written }: ReturnType<typeof federation>,
  member: number,
  operations: readonly Operation[],
  wall: number,
): Promise<void> {
  const node = members[member] as TestReplica
  const before = node.store.lastSeq
  try {
    await write(node, operations, wall)
  } catch {
    return
  }
  const entries = node.store.after(before, 999).map(storedEntry)
  written.push(...entries)
  keeper.replica.offer(entries, 'p2p', laterWall)
  await commit(keeper)
}

async function propose(node: TestReplica, horizon: Version, named = holders): Promise<void> {
  node.replica.propose(horizon, named)
  await commit(node)
}

/** Two keys, so that everything meets. */
const operation = fc
  .tuple(anyOperation, fc.constantFrom('a', 'b'))
  .map(([each, key]): Operation => ({ ...each, key }))

const action = fc.record({
  member: fc.nat(2),
  operations: fc.array(operation, { minLength: 1, maxLength: 2 }),
  exchanges: fc.boolean(),
})

async function assertAsync<Ts>(property: fc.IAsyncProperty<Ts>, runs: number): Promise<void> {
  const { seed, numRuns } = runsFromEnvironment(runs)
  const out = await fc.check(property, { numRuns, ...(seed === undefined ? {} : { seed }) })
  if (out.failed)
    throw new Error(`replay: FC_SEED=${out.seed} FC_RUNS=${numRuns}\n${fc.defaultReportMessage(out) ?? ''}`)
}

describe('what ends', () => {
  it('never changes what a key reads as, at any horizon', () =>
    assertAsync(
      fc.asyncProperty(fc.array(anyEntry(signers, sha256), { maxLength: 12 }), async list => {
        const node = openReplica()
        node.replica.offer(list, 'p2p', testWall)
        await commit(node)
        for (const key of node.store.keys('', '', 99)) {
          const slots = node.store.slots(key).map(storedEntry)
          for (const horizon of slots.map(({ version }) => version)) {
            const ended = new Set(
              endingsOf(slots)
                .filter(({ at }) => at <= horizon)
                .map(({ entry }) => entry),
            )
            const left = slots.filter(entry => !ended.has(entry))
            expect(readKey(key, left)).toEqual(readKey(key, slots))
            expect([...ended].every(({ version }) => version <= horizon)).toBe(true)
          }
        }
      }),
      300,
    ))

  const at = (tick: number): Version => versionAt(testWall) + BigInt(tick)
  const element = (name: string, present: boolean, tick: number, base = 0n): VerifiedEntry => {
    const bytes = encodeValue(name)
    return entryOf({ tick, slot: elementSlot(bytes, sha256), value: present ? bytes : undefined, base })
  }
  const counter = (by: Signer, tick: number, base = 0n): VerifiedEntry =>
    entryOf({ tick, slot: counterSlot(by.nodeId, life(1)), value: encodeValue(5), base }, by)
  const gone = (tick: number): VerifiedEntry => entryOf({ tick, value: undefined })

  it.each<[string, VerifiedEntry[], number[]]>([
    ['a delete at its own version', [gone(3)], [3]],
    ['a delete with what it silences, together', [gone(3), counter(alice, 1), counter(bob, 7)], [3, 7, 7]],
    ['not what was written after the delete', [gone(3), counter(alice, 5, at(3))], [3]],
    [
      'what a register has silenced',
      [entryOf({ tick: 6, value: encodeValue(1), base: at(3) }), counter(bob, 2)],
      [3],
    ],
    ['removals beside a greater element', [element('a', false, 2), element('b', true, 4)], [2]],
    ['not the removal that leaves an empty set', [element('a', false, 2), element('b', false, 4)], [2]],
    ['nothing of a plain register', [entryOf({ tick: 2, value: encodeValue(1) })], []],
  ])('%s', (_, slots, ticks) => {
    expect(
      endingsOf(slots)
        .map(ending => Number(ending.at - versionAt(testWall)))
        .sort((a, b) => a - b),
    ).toEqual(ticks)
  })
})

describe('the horizon', () => {
  it('ends deletes on all members, whatever comes when: equal roots, and readings as if all were kept', () =>
    assertAsync(
      fc.asyncProperty(
        fc.array(action, { minLength: 4, maxLength: 14 }),
        fc.array(action, { maxLength: 8 }),
        fc.array(fc.record({ to: fc.nat(2), index: fc.nat(99) }), { maxLength: 30 }),
        async (early, late, replays) => {
          const all = federation()
          let wall = testWall
          const play = async (actions: typeof early): Promise<void> => {
            for (const { member, operations, exchanges } of actions) {
              await act(all, member, operations, (wall += 1_000))
              if (exchanges) await exchange(all.members)
            }
          }
          await play(early)
          await exchange(all.members)
          const horizon = versionAt(wall)
          await propose(all.members[1] as TestReplica, horizon)
          await play(late)
          for (const { to, index } of replays) {
            const old = all.written[index % Math.max(1, all.written.length)]
            if (old === undefined) continue
            const node = all.members[to] as TestReplica
            node.replica.offer([old], 'http', laterWall, 0n)
            await commit(node)
          }
          await exchange(all.members)
          const [first, ...others] = all.members as [TestReplica, ...TestReplica[]]
          for (const other of others) expect(heldBytes(other)).toBe(heldBytes(first))
          for (const member of all.members) {
            expect(member.replica.horizon).toBe(horizon)
            expect(member.replica.isRecovering).toBe(false)
            expect(rootOf(member)).toBe(rootOf(first))
            expect(readingsOf(member)).toEqual(readingsOf(all.keeper))
            expect(member.replica.keys.keyCount).toBe(all.keeper.replica.keys.keyCount)
          }
        },
      ),
      120,
    ))

  it('100,000 replays of entries that have ended, from anybody and in any order, bring nothing back', async () => {
    const all = federation()
    const [node] = all.members as [TestReplica]
    for (let key = 0; key < 100; key++) {
      await act(all, 0, [{ op: 'put', key: `r${key}`, value: key }], testWall + key)
      await act(all, 0, [{ op: 'increment', key: `c${key}`, by: 1 }], testWall + key)
      await act(all, 0, [{ op: 'add', key: `s${key}`, element: key }], testWall + key)
    }
    for (let key = 0; key < 100; key++)
      for (const kind of ['r', 'c', 's'])
        await act(all, 0, [{ op: 'delete', key: `${kind}${key}` }], testWall + 1_000 + key)
    await propose(node, versionAt(testWall + 5_000))
    expect([node.replica.keys.keyCount, node.replica.trie.count, node.replica.keys.endingCount]).toEqual([
      0, 1, 0,
    ])
    const [root, seq] = [rootOf(node), node.store.lastSeq]
    let refused = 0
    for (let at = 0; at < 100_000; at++) {
      const old = all.written[(at * 7_919) % all.written.length] as VerifiedEntry
      const settled = at % 3 === 0 ? node.replica.horizon - 1n : 0n
      const [verdict] = node.replica.offer([old], 'p2p', laterWall, settled)
      if (verdict === 'ended' && !node.replica.isNews(old, settled)) refused++
    }
    expect(refused).toBe(100_000)
    expect(node.replica.hasForming).toBe(false)
    expect([rootOf(node), node.store.lastSeq, node.replica.keys.keyCount]).toEqual([root, seq, 0])
  })

  it('churn comes to a plateau: rows and remembered dues stop growing', async () => {
    const node = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
    const sizes: number[] = []
    for (let round = 0; round < 12; round++) {
      for (let at = 0; at < 50; at++) {
        const wall = testWall + round * 1_000 + at
        const key = `k${round}-${at}`
        await write(
          node,
          [
            { op: 'put', key, value: at },
            { op: 'add', key: 'set', element: key },
          ],
          wall,
        )
        await write(
          node,
          [
            { op: 'delete', key },
            { op: 'remove', key: 'set', element: key },
          ],
          wall,
        )
      }
      await propose(node, versionAt(testWall + round * 1_000 + 999))
      sizes.push(rowsOf(node).length, node.store.facts('due/', 9_999).length)
    }
    // What is left is the horizon, and the removal that makes the emptied set a set.
    expect(new Set(sizes)).toEqual(new Set([2, 0]))
    expect(node.replica.read('set')?.value).toEqual([])
    expect(node.replica.trie.count).toBe(2)
  })

  it('is found again after a restart, with what is still to end', async () => {
    const store = createMemoryStore({ incarnation: life(1) })
    const node = openReplica(alice, store)
    await write(node, [{ op: 'put', key: 'a', value: 1 }])
    await write(node, [{ op: 'delete', key: 'a' }])
    await propose(node, versionAt(testWall - 1))
    const again = openReplica(alice, createMemoryStore({ image: store.image })).replica
    expect([again.horizon, again.keys.endingCount, again.keys.dues(9)]).toEqual([
      versionAt(testWall - 1),
      1,
      node.replica.keys.dues(9),
    ])
  })

  it('a younger one waits, and cannot be read, written or counted as a key', async () => {
    const [proposer, node] = federation().members as [TestReplica, TestReplica]
    await propose(proposer, versionAt(testWall))
    const [entry] = rowsOf(proposer).map(storedEntry) as [VerifiedEntry]
    const due = testWall + futureToleranceMs
    expect(node.replica.offer([entry], 'p2p', due - 1)).toEqual(['deferred'])
    expect(node.replica.retryDeferred(due)).toBe(1)
    await commit(node)
    expect([node.replica.read(entry.key), node.replica.keys.keyCount]).toEqual([undefined, 0])
    expect(() => node.replica.write([{ op: 'put', key: entry.key, value: 1 }], laterWall)).toThrow('control')
  })

  it('who was not among its holders recovers: takes from settled peers, and drops what they do not have', async () => {
    const all = federation()
    const [settled, , away] = all.members as [TestReplica, TestReplica, TestReplica]
    await act(all, 0, [{ op: 'put', key: 'dead', value: 1 }], testWall)
    await act(all, 0, [{ op: 'put', key: 'alive', value: 1 }], testWall + 1)
    await exchange(all.members)
    await act(all, 0, [{ op: 'delete', key: 'dead' }], testWall + 2)
    await act(all, 2, [{ op: 'put', key: 'new', value: 1 }], testWall + 9_000)
    await propose(settled, versionAt(testWall + 5_000), new Map([...holders].slice(0, 2)))
    await give(settled, away)
    expect(away.replica.isRecovering).toBe(true)
    expect([away.replica.settledHorizon, away.replica.floor]).toEqual([0n, 0n])
    const lacking = [...away.replica.trie.leaves(new Uint8Array(0), 0)].filter(
      leaf => settled.replica.trie.get(leaf.path) === undefined,
    )
    const left = away.replica.disown(lacking, settled.replica.settledHorizon)
    expect(left).toHaveLength(1)
    await commit(away)
    await give(away, settled)
    expect([...readingsOf(away).keys()]).toEqual(['alive', 'new'])
    expect(rootOf(away)).toBe(rootOf(settled))
    away.replica.recovered(settled.replica.settledHorizon)
    expect(away.replica.settledHorizon).toBe(settled.replica.horizon)
  })
})

describe('a horizon over damage', () => {
  /** A set whose only element was deleted, on three members; one of them loses the entry in this slot. */
  async function damagedSet(
    slot: string,
  ): Promise<{ settled: TestReplica; damaged: TestReplica; lost: VerifiedEntry }> {
    const all = federation()
    const [settled, damaged] = all.members as [TestReplica, TestReplica]
    await act(all, 0, [{ op: 'add', key: 'set', element: 'dead' }], testWall)
    await act(all, 1, [{ op: 'delete', key: 'set' }], testWall + 1)
    await exchange(all.members)
    const row = damaged.store.slots('set').find(each => each.slot === slot) as Row
    const lost = storedEntry(row)
    Object.assign(row, { bytes: row.bytes.map(byte => byte ^ 1) })
    await propose(settled, versionAt(testWall + 5_000))
    await give(settled, damaged)
    return { settled, damaged, lost }
  }

  const element = elementSlot(encodeValue('dead'), sha256)

  it.each([
    ['the delete', ''],
    ['what it silences', element],
  ])('ends nothing of a key that has lost %s, and settled peers do not take it back', async (_, slot) => {
    const { settled, damaged, lost } = await damagedSet(slot)
    expect(rowsOf(damaged).filter(({ key }) => key === 'set')).toHaveLength(2)
    const intact = rowsOf(damaged).filter(row => row.key !== 'set' || row.slot !== slot)
    await give(damaged, settled, intact.map(storedEntry))
    expect(rowsOf(settled).map(({ key }) => key)).not.toContain('set')

    // The very entry is welcome, from whomever, and never shows alone.
    damaged.replica.quarantine.take()
    damaged.replica.offer([lost], 'p2p', laterWall)
    await commit(damaged)
    expect(damaged.replica.read('set')).toBeUndefined()
    expect(damaged.replica.keys.keysDue(versionAt(testWall + 5_000))).toEqual(['set'])
  })

  it('is over once a peer that has lost nothing does without what is left', async () => {
    const { settled, damaged } = await damagedSet('')
    damaged.replica.quarantine.take(() => [alice.nodeId])
    const leaves = [...damaged.replica.trie.leaves(new Uint8Array(0), 0)]
    const left = damaged.replica.disown(leaves, settled.replica.settledHorizon)
    await commit(damaged)
    expect([left.length, rootOf(damaged)]).toEqual([1, rootOf(settled)])
    damaged.replica.quarantine.agreed([alice.nodeId])
    expect([damaged.replica.quarantine.places, damaged.replica.read('set')]).toEqual([[], undefined])
  })

  it('knows when a key is due that was damaged as its delete came', async () => {
    const all = federation()
    const [one, other] = all.members as [TestReplica, TestReplica]
    await act(all, 0, [{ op: 'add', key: 'set', element: 'dead' }], testWall)
    await exchange(all.members)
    const row = other.store.slots('set')[0] as Row
    const lost = storedEntry(row)
    Object.assign(row, { bytes: row.bytes.map(byte => byte ^ 1) })
    await act(all, 0, [{ op: 'delete', key: 'set' }], testWall + 1)
    await give(
      one,
      other,
      rowsOf(one)
        .filter(({ slot }) => slot === '')
        .map(storedEntry),
    )
    other.replica.quarantine.take()
    other.replica.offer([lost], 'p2p', laterWall)
    await commit(other)
    expect(other.replica.keys.keysDue(versionAt(testWall + 5_000))).toEqual(['set'])
  })
})

/**
 * Damaged rows (reliability S7): found on read, never handed out, remembered, and free again when they are
 * back.
 */
import { describe, expect, it } from '@jest/globals'
import {
  defaultParams,
  encodeValue,
  Engine,
  MerkleTrie,
  toHex,
  versionAt,
  type Message,
  type NodeId,
  type Operation,
  type Row,
  type VerifiedEntry,
} from '@lattice/core'
import { createMemoryStore, createSeededRandom, testWall } from '@lattice/core/testing'
import { alice, bob, carol, sha256 } from './crypto.ts'
import {
  commit,
  entryOf,
  everybody,
  join,
  life,
  openReplica,
  rootOf,
  write,
  type TestReplica,
} from './replicas.ts'

const put = (key: string, value: string): Operation => ({ op: 'put', key, value })
const increment = (key: string, by = 1): Operation => ({ op: 'increment', key, by })
const every = { prefix: new Uint8Array(0), length: 0 }

/** Changes the stored row of a key behind the back of its store. */
const damage = ({ store }: TestReplica, key: string, change: (row: Row) => Partial<Row>): Row => {
  const row = store.slots(key)[0] as Row
  Object.assign(row, change(row))
  return row
}
const flipped = (bytes: Uint8Array, at = bytes.length >> 1): Uint8Array =>
  bytes.map((byte, index) => (index === at ? byte ^ 0x10 : byte))
const damageBytes = (node: TestReplica, key: string): Row =>
  damage(node, key, ({ bytes }) => ({ bytes: flipped(bytes) }))

const filled = async (): Promise<TestReplica> => {
  const node = openReplica()
  await write(node, [put('a', 'one')])
  await write(node, [put('b', 'two'), put('c', 'three')])
  return node
}

it('a row that a later one has superseded since its leaf was looked up is not damaged', async () => {
  const node = await filled()
  const { rows, trie, quarantine } = node.replica
  const stale = [...trie.leaves(every.prefix, 0)]
  await write(node, [put('a', 'later'), put('b', 'later')])
  await write(node, [put('c', 'later')])
  expect(rows.bytesOfAll(stale, 10_000).entries).toEqual([])
  expect(stale.flatMap(leaf => rows.at(leaf) ?? [])).toEqual([])
  expect([rows.hasFound, quarantine.take(), node.replica.read('a')?.value]).toEqual([false, [], 'later'])
})

describe('a damaged row', () => {
  const columns: Record<string, (row: Row) => Partial<Row>> = {
    'its bytes': ({ bytes }) => ({ bytes: flipped(bytes) }),
    'its signature': ({ bytes }) => ({ bytes: flipped(bytes, bytes.length - 1) }),
    'its digest': ({ digest }) => ({ digest: flipped(digest) }),
    'its key': () => ({ key: 'x' }),
    'its slot': () => ({ slot: '02ff' }),
  }
  it.each(Object.keys(columns))('is neither served nor sent, whatever is damaged: %s', async column => {
    const node = await filled()
    const { replica } = node
    const bytes = (node.store.slots('b')[0] as Row).bytes
    damage(node, 'b', columns[column] as (row: Row) => Partial<Row>)
    expect(replica.read('b')).toBeUndefined()
    expect(() => replica.prove('b')).toThrow('damaged')
    expect([replica.quarantine.isDamaged('b'), replica.quarantine.isDamaged('a')]).toEqual([true, false])
    expect(replica.rows.after(0, 10).map(row => row.key)).toEqual(['a', 'c'])
    expect(
      [...replica.trie.leaves(every.prefix, 0)].flatMap(leaf => replica.rows.at(leaf) ?? []),
    ).toHaveLength(2)
    // Bytes are sent as long as they are what they were, whatever has happened to what stands beside them.
    const isSame = toHex((node.store.at(2) as Row).bytes) === toHex(bytes)
    const sent = [...replica.trie.leaves(every.prefix, 0)].map(leaf => replica.rows.bytesOf(leaf))
    const intact = [1, 3].map(seq => (node.store.at(seq) as Row).bytes)
    const named = sent.flatMap(each => (each === undefined ? [] : toHex(each))).sort()
    expect(named).toEqual([...intact, ...(isSame ? [bytes] : [])].map(toHex).sort())
    expect(replica.quarantine.take().map(({ key, seq }) => [key, seq])).toEqual([['b', 2]])
    expect(replica.trie.count).toBe(2)
    expect(replica.quarantine.places.map(({ key }) => key)).toEqual(['b'])
    expect(bytes).toBeDefined()
  })

  it('is found when it is gone from the store altogether, and when the index of places has lost it', async () => {
    const node = await filled()
    node.store.image.rows.delete(2)
    expect(node.replica.rows.after(0, 10).map(row => row.seq)).toEqual([1, 3])
    const [leaf] = [...node.replica.trie.leaves(sha256(Buffer.from('b')), 64)]
    expect(leaf && node.replica.rows.at(leaf)).toBeUndefined()
    expect(node.replica.quarantine.take()).toHaveLength(1)
    const other = await filled()
    Object.assign(other.store, { slots: () => [] })
    expect(other.replica.read('a')?.value).toBe('one')
    expect(other.replica.quarantine.take()).toEqual([])
  })

  it('is not claimed of a row that a batch in flight supersedes', async () => {
    const { replica, store } = await filled()
    const [leaf] = [...replica.trie.leaves(sha256(Buffer.from('a')), 64)]
    replica.write([put('a', 'new')], testWall)
    await store.commit(replica.seal())
    expect(leaf && replica.rows.at(leaf)).toBeUndefined()
    expect(replica.read('a')?.value).toBe('new')
    replica.committed()
    expect([replica.rows.hasFound, replica.read('a')?.value]).toEqual([false, 'new'])
  })
})

describe('compaction', () => {
  const horizon = versionAt(testWall + 5)
  const holders = new Map([[alice.nodeId, life(1)]])
  /** One key that lives, two that are deleted. */
  const churned = async (): Promise<TestReplica> => {
    const node = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
    await write(node, [put('a', 'one'), put('b', 'two'), put('c', 'three')])
    await write(node, [
      { op: 'delete', key: 'b' },
      { op: 'delete', key: 'c' },
    ])
    return node
  }

  it('drops rows, and none of them looks damaged: not in flight, not after, not after a restart', async () => {
    const node = await churned()
    const { replica, store } = node
    const leaves = [...replica.trie.leaves(every.prefix, 0)]
    const readAll = (): unknown => [
      replica.read('b'),
      replica.rows.after(0, 9).map(({ key }) => key),
      leaves.flatMap(leaf => replica.rows.at(leaf)?.key ?? []),
    ]
    replica.propose(horizon, holders)
    await store.commit(replica.seal())
    // Durable, but the trie does not know yet.
    expect(replica.trie.count).toBe(3)
    expect(readAll()).toEqual([undefined, ['a', '\u0000horizon'], ['a']])
    expect(replica.rows.hasFound).toBe(false)
    replica.committed()
    expect([replica.trie.count, replica.read('b'), replica.prove('b')?.entries]).toEqual([2, undefined, []])
    expect([replica.rows.hasFound, replica.quarantine.places, replica.keys.keyCount]).toEqual([false, [], 1])
    const again = openReplica(alice, store).replica
    expect([again.rows.after(0, 9).length, again.rows.hasFound, again.isRecovering]).toEqual([
      2,
      false,
      false,
    ])
  })

  it('leaves a damaged delete in quarantine, and the counts are right again after a restart', async () => {
    const node = await churned()
    damageBytes(node, 'b')
    expect(node.replica.read('b')).toBeUndefined()
    expect(node.replica.quarantine.take(() => [bob.nodeId])).toHaveLength(1)
    node.replica.propose(horizon, holders)
    await commit(node)
    expect([node.replica.trie.count, node.replica.quarantine.isDamaged('b')]).toEqual([2, true])
    if (node.replica.quarantine.agreed([bob.nodeId])) node.replica.keys.doubt()
    await commit(node)
    expect([node.replica.quarantine.isDamaged('b'), node.replica.keys.keyCount]).toEqual([false, 1])
    const again = openReplica(alice, node.store).replica
    again.rows.after(0, 9)
    again.quarantine.take()
    expect([again.keys.keyCount, again.trie.count, rootOf(node)]).toEqual([
      1,
      2,
      Buffer.from(again.trie.root()).toString('hex'),
    ])
  })

  it('a damaged horizon is not taken for none: the node learns from its peers again', async () => {
    const node = await churned()
    node.replica.propose(horizon, holders)
    await commit(node)
    damageBytes(node, '\u0000horizon')
    expect(openReplica(alice, node.store).replica.isRecovering).toBe(true)
  })
})

describe('the quarantine', () => {
  const entryAt = ({ store }: TestReplica, key: string): VerifiedEntry => {
    const { bytes, digest } = store.slots(key)[0] as Row
    return {
      ...entryOf({ tick: 0, key, value: encodeValue('two') }),
      bytes: bytes.slice(),
      digest: digest.slice(),
    }
  }

  it('ends when the very entry comes back; the state is then what it was', async () => {
    const node = await filled()
    const before = { root: rootOf(node), keys: node.replica.keys.keyCount }
    const entry = { ...entryAt(node, 'b'), version: node.replica.read('b')?.version as bigint }
    damageBytes(node, 'b')
    node.replica.read('b')
    node.replica.quarantine.take()
    expect(rootOf(node)).not.toBe(before.root)
    expect(node.replica.isNews(entry)).toBe(true)
    await join(node, [entry])
    expect(node.replica.read('b')?.value).toBe('two')
    expect([rootOf(node), node.replica.keys.keyCount, node.replica.quarantine.places.length]).toEqual([
      before.root,
      before.keys,
      0,
    ])
    expect(node.store.facts('quarantine/', 9)).toEqual([])
  })

  const lostDelete = async (holders: readonly NodeId[]): Promise<TestReplica> => {
    const node = openReplica()
    await join(node, [entryOf({ tick: 9, value: undefined }, bob)])
    damageBytes(node, 'k')
    node.replica.rows.after(0, 9)
    await join(node, [entryOf({ tick: 5, value: encodeValue('risen') }, bob)])
    node.replica.quarantine.take(() => holders)
    await join(node, [entryOf({ tick: 6, value: encodeValue('risen') }, bob)])
    expect([node.replica.read('k'), node.replica.quarantine.isDamaged('k')]).toEqual([undefined, true])
    return node
  }

  it('does not end by an older entry, which would be a resurrection; a later one ends it', async () => {
    const node = await lostDelete([])
    await join(node, [entryOf({ tick: 9, value: encodeValue('risen') }, carol)])
    expect(node.replica.quarantine.isDamaged('k')).toBe(true)
    await join(node, [entryOf({ tick: 10, value: encodeValue('new') }, bob)])
    expect(node.replica.read('k')?.value).toBe('new')
    expect([node.replica.quarantine.places, node.replica.quarantine.healed]).toEqual([[], 1])
  })

  it('ends when all peers that had the entry agree without it, also after a restart', async () => {
    const before = await lostDelete([bob.nodeId, carol.nodeId])
    const { replica, store } = openReplica(undefined, before.store)
    expect(replica.quarantine.agreed([carol.nodeId])).toBe(false)
    expect(replica.quarantine.agreed([bob.nodeId, carol.nodeId])).toBe(true)
    await commit({ replica, store })
    expect(replica.read('k')?.value).toBe('risen')
    expect(store.facts('quarantine/', 9)).toEqual([])
  })

  it('does not end by agreement with one that never had the entry: then both lack it', async () => {
    const node = await filled()
    damageBytes(node, 'b')
    node.replica.rows.after(0, 9)
    node.replica.quarantine.take(() => [])
    await commit(node)
    expect(node.replica.quarantine.agreed([bob.nodeId])).toBe(false)
    expect([node.replica.read('b'), node.replica.quarantine.isDamaged('b')]).toEqual([undefined, true])
  })

  it('keeps the floor at 0: what is lost here is not held, so deletes elsewhere must wait for it', async () => {
    const node = await filled()
    expect(node.replica.floor).toBeGreaterThan(0n)
    const entry = { ...entryAt(node, 'b'), version: node.replica.read('b')?.version as bigint }
    damageBytes(node, 'b')
    node.replica.read('b')
    expect(node.replica.floor).toBe(0n)
    node.replica.quarantine.take()
    expect(node.replica.floor).toBe(0n)
    await join(node, [entry])
    expect(node.replica.floor).toBeGreaterThan(0n)
  })

  it('stands over a restart', async () => {
    const node = await filled()
    damageBytes(node, 'b')
    node.replica.read('b')
    node.replica.quarantine.take()
    const root = rootOf(node)
    await commit(node)
    const again = openReplica(undefined, node.store)
    expect([rootOf(again), again.replica.quarantine.isDamaged('b'), again.replica.rows.hasFound]).toEqual([
      root,
      true,
      false,
    ])
    expect(again.replica.quarantine.places.map(({ key, seq }) => [key, seq])).toEqual([['b', 2]])
  })

  it('refuses writes that would build on half of a key, and lets it be deleted and written anew', async () => {
    const node = openReplica()
    await write(node, [increment('n', 7)])
    damageBytes(node, 'n')
    expect(() => node.replica.write([increment('n')], testWall)).toThrow('damaged')
    expect(() => node.replica.readStaged('n')).toThrow('damaged')
    expect([...node.replica.seal().rows]).toEqual([])
    node.replica.committed()
    await write(node, [{ op: 'delete', key: 'n' }, increment('n', 2)])
    expect([node.replica.read('n')?.value, node.replica.quarantine.places.length]).toEqual([2, 0])
  })
})

describe('what is damaged is given up', () => {
  const info = { name: 'alice', role: 'node', software: 'test' }
  const beatOf = (root: Uint8Array): Message => ({
    beat: { incarnation: life(7), seq: 3, root, count: 2, wall: testWall, heardMs: {} },
  })
  const hear = (engine: Engine, peer: NodeId, root: Uint8Array, mono: number): void =>
    void engine.step(
      { type: 'request', id: mono, path: 'http', peer, message: beatOf(root), entries: [] },
      { mono, wall: testWall + mono },
    )
  /** An engine among three members that has found a damaged row, and what its root is without it. */
  const engineWithDamage = async (): Promise<{
    engine: Engine
    root: Uint8Array
    store: TestReplica['store']
  }> => {
    const { store } = await filled()
    const parts = {
      info,
      store,
      hash: sha256,
      signer: alice,
      random: createSeededRandom(1),
      members: everybody,
    }
    const engine = new Engine({ ...parts, params: defaultParams, at: { mono: 0, wall: testWall } })
    for (const peer of [bob.nodeId, carol.nodeId]) hear(engine, peer, engine.replica.trie.root(), 5)
    damageBytes({ replica: engine.replica, store }, 'b')
    engine.replica.read('b')
    expect(engine.step({ type: 'tick' }, { mono: 10, wall: testWall + 10 })).toContainEqual(
      expect.objectContaining({ type: 'persist' }),
    )
    engine.step({ type: 'committed' }, { mono: 20, wall: testWall + 20 })
    return { engine, root: engine.replica.trie.root(), store }
  }
  it('only when every member has said since that it has the rest and nothing more', async () => {
    const { engine, root } = await engineWithDamage()
    hear(engine, bob.nodeId, root, 30)
    expect(engine.replica.quarantine.isDamaged('b')).toBe(true)
    hear(engine, carol.nodeId, new Uint8Array(32), 40)
    expect(engine.replica.quarantine.isDamaged('b')).toBe(true)
    hear(engine, carol.nodeId, root, 50)
    expect(engine.replica.quarantine.isDamaged('b')).toBe(false)
  })

  it('not by what members said before the damage was found', async () => {
    const { engine, store } = await engineWithDamage()
    const { replica } = engine
    const withoutBoth = new MerkleTrie(sha256)
    for (const { path, digest, seq } of replica.trie.leaves(every.prefix, 0))
      if (seq === 1) withoutBoth.setLeaf(path, digest, seq)
    const root = withoutBoth.root()
    hear(engine, bob.nodeId, root, 30)
    damageBytes({ replica, store }, 'c')
    replica.read('c')
    engine.step({ type: 'tick' }, { mono: 40, wall: testWall + 40 })
    engine.step({ type: 'committed' }, { mono: 45, wall: testWall + 45 })
    hear(engine, carol.nodeId, root, 50)
    expect(replica.quarantine.isDamaged('b')).toBe(true)
    // Only carol had told that she has the other one, but bob may, too.
    expect([replica.quarantine.isDamaged('c'), replica.isCommitting]).toEqual([true, false])
    hear(engine, bob.nodeId, root, 60)
    expect(['b', 'c'].map(key => replica.quarantine.isDamaged(key))).toEqual([false, false])
  })
})

describe('a scan', () => {
  const all = { rowCount: 3, damaged: [], unvouched: [], next: undefined }

  it('finds nothing in a sound store, by pages of any size', async () => {
    const { replica } = await filled()
    expect(replica.rows.scan(0, 10)).toMatchObject(all)
    for (let [next, read] = [0 as number | undefined, 0]; next !== undefined;) {
      const page = replica.rows.scan(next, 1)
      expect([page.damaged, page.unvouched]).toEqual([[], []])
      next = page.next
      read += page.rowCount
      if (next === undefined) expect(read).toBe(3)
    }
    expect(replica.rows.hasFound).toBe(false)
  })

  it('finds bytes that changed and rows that are gone, also the last', async () => {
    const node = await filled()
    damageBytes(node, 'a')
    node.store.image.rows.get(3)
    const rows = node.store.after(0, 9).filter(({ seq }) => seq !== 3)
    Object.assign(node.store, { after: () => rows, at: (seq: number) => rows.find(row => row.seq === seq) })
    expect(node.replica.rows.scan(0, 10).damaged).toEqual([
      { seq: 1, key: 'a' },
      { seq: 3, key: '?' },
    ])
    const lost = node.replica.quarantine.take().map(({ seq }) => seq)
    expect(lost).toEqual([1, 3])
  })
})

/** Keys with many slots: kept in memory, they are what the store would say, whatever happens to them. */
import { describe, expect, it } from '@jest/globals'
import { createMemoryStore, createSeededRandom, testWall } from '@lattice/core/testing'
import { Replica, type Operation, type Row } from '@lattice/core'
import { KeptSlots } from '../src/kept-slots.ts'
import { rowOf } from '../src/winners.ts'
import { signEntry } from '../src/entry.ts'
import { encodeValue } from '../src/value.ts'
import { elementSlot } from '../src/slot.ts'
import { alice, sha256 } from './crypto.ts'

function element(seq: number, key = 'set', size = 0): Row {
  const value = encodeValue(`${seq} ${'x'.repeat(size)}`)
  const content = { key, slot: elementSlot(value, sha256), value, base: 0n, version: BigInt(seq) }
  return rowOf(signEntry(content, alice, sha256), seq, sha256)
}

const elements = (count: number, key = 'set', size = 0): Row[] =>
  Array.from({ length: count }, (_, at) => element(at + 1, key, size))

describe('kept slots', () => {
  it('are those that were read, with what has come and gone since', () => {
    const kept = new KeptSlots()
    const rows = elements(100)
    kept.keep('set', rows)
    kept.committed(element(101))
    kept.dropped('set', rows[0]?.slot ?? '')
    kept.committed(element(7, 'other'))
    const seqs = kept.get('set', () => 100)?.map(({ seq, entry }) => [seq, entry.version])
    expect(seqs).toEqual(Array.from({ length: 100 }, (_, at) => [at + 2, BigInt(at + 2)]))
    expect(kept.get('other', () => 1)).toBeUndefined()
  })

  it('are forgotten where the trie counts others', () => {
    const kept = new KeptSlots()
    kept.keep('set', elements(100))
    expect(kept.get('set', () => 99)).toBeUndefined()
    expect(kept.get('set', () => 100)).toBeUndefined()
  })

  it('share bounded memory: those used longest ago go first', () => {
    const kept = new KeptSlots()
    const names = Array.from({ length: 8 }, (_, at) => `set ${at}`)
    for (const name of names) {
      kept.get('set 0', () => 100)
      kept.keep(name, elements(100, name, 60_000))
    }
    expect(names.map(name => kept.get(name, () => 100)?.length)).toEqual([
      100,
      ...Array.from({ length: 3 }),
      ...Array.from({ length: 4 }, () => 100),
    ])
  })

  it('no key with few slots is kept', () => {
    const kept = new KeptSlots()
    kept.keep('set', elements(10))
    expect(kept.get('set', () => 10)).toBeUndefined()
  })
})

describe('a key with many slots', () => {
  it('reads and counts as its rows do, through adds, removals, deletes and refused commits', async () => {
    const store = createMemoryStore()
    const trusted = new Set([alice.nodeId])
    const replica = new Replica({ store, hash: sha256, signer: alice, trusted })
    const random = createSeededRandom(5)
    const model = new Set<string>()
    for (let round = 0; round < 60; round++) {
      const operations: Operation[] = Array.from({ length: 1 + Math.floor(random.unit() * 20) }, () => {
        const name = `element ${Math.floor(random.unit() * 300)}`
        return { op: random.unit() < 0.8 ? 'add' : 'remove', key: 'set', element: name }
      })
      if (random.unit() < 0.03) operations.unshift({ op: 'delete', key: 'set' })
      replica.write(operations, testWall + round)
      const batch = replica.seal()
      if (random.unit() < 0.1) {
        replica.aborted()
        continue
      }
      await store.commit(batch)
      replica.committed()
      for (const operation of operations)
        if (operation.op === 'delete') model.clear()
        else if (operation.op === 'add') model.add(operation.element as string)
        else if (operation.op === 'remove') model.delete(operation.element as string)
      const fresh = new Replica({ store, hash: sha256, signer: alice, trusted })
      const value = replica.readStaged('set')?.value
      expect(new Set(value as string[])).toEqual(model)
      expect([value, replica.keys.keyCount, replica.keys.endingCount]).toEqual([
        fresh.readStaged('set')?.value,
        fresh.keys.keyCount,
        fresh.keys.endingCount,
      ])
      expect(replica.trie.root()).toEqual(fresh.trie.root())
    }
    expect(model.size).toBeGreaterThan(64)
  })
})

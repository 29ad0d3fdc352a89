/** The readings of vectors/: entries of one key, who wins its slots, and what the key reads as. */
import { toHex } from '../bytes.ts'
import { endingsOf } from '../endings.ts'
import { compareEntries, signEntry, type EntryContent, type VerifiedEntry } from '../entry.ts'
import { formatVersion, versionAt } from '../hlc.ts'
import { MerkleTrie, pathOf } from '../merkle.ts'
import type { Signer } from '../ports.ts'
import { floorOf, readKey } from '../reading.ts'
import { counterSlot, elementSlot } from '../slot.ts'
import type { KeyReading } from '../status.ts'
import type { Incarnation, JsonValue } from '../units.ts'
import { encodeValue } from '../value.ts'
import { testWall } from './arbitraries.ts'
import type { VectorKeys } from './vector-files.ts'

const start = versionAt(testWall)
const defaultKey = 'k'
const safeMax = Number.MAX_SAFE_INTEGER

/** Writes entries in short: `tick` is the version, `base` the tick of the delete that was known, or none. */
class Pen {
  readonly alice: Signer
  readonly bob: Signer
  readonly #hash: VectorKeys['hash']

  constructor({ alice, bob, hash }: VectorKeys) {
    this.alice = alice
    this.bob = bob
    this.#hash = hash
  }

  put(by: Signer, tick: number, value: JsonValue, base?: number, key = defaultKey): VerifiedEntry {
    return this.#sign(by, tick, { slot: '', value: encodeValue(value), key }, base)
  }

  delete(by: Signer, tick: number): VerifiedEntry {
    return this.#sign(by, tick, { slot: '', value: undefined })
  }

  count(by: Signer, tick: number, total: number, base?: number, life = 1): VerifiedEntry {
    const slot = counterSlot(by.nodeId, life.toString(16).padStart(16, '0') as Incarnation)
    return this.#sign(by, tick, { slot, value: encodeValue(total) }, base)
  }

  add(by: Signer, tick: number, element: JsonValue, base?: number): VerifiedEntry {
    const value = encodeValue(element)
    return this.#sign(by, tick, { slot: elementSlot(value, this.#hash), value }, base)
  }

  remove(by: Signer, tick: number, element: JsonValue, base?: number): VerifiedEntry {
    const slot = elementSlot(encodeValue(element), this.#hash)
    return this.#sign(by, tick, { slot, value: undefined }, base)
  }

  /** The first of the registers 0, 1, 2 … that is greater than this entry, or lesser. */
  putBeside(rival: VerifiedEntry, isGreater: boolean, by: Signer, tick: number): VerifiedEntry {
    for (let value = 0; ; value++) {
      const entry = this.put(by, tick, value)
      if (compareEntries(entry, rival) > 0 === isGreater) return entry
    }
  }

  #sign(
    by: Signer,
    tick: number,
    { key = defaultKey, ...content }: Pick<EntryContent, 'slot' | 'value'> & { key?: string },
    base?: number,
  ): VerifiedEntry {
    const stamps = { base: base === undefined ? 0n : start + BigInt(base), version: start + BigInt(tick) }
    return signEntry({ key, ...content, ...stamps }, by, this.#hash)
  }
}

type Case = readonly [name: string, entries: readonly VerifiedEntry[]]

function registers(pen: Pen): readonly Case[] {
  const { alice, bob } = pen
  const [one, other] = [pen.put(alice, 5, 'one'), pen.put(alice, 5, 'other')]
  const deleted = pen.delete(alice, 5)
  return [
    ['nothing', []],
    ['register', [pen.put(alice, 1, { balance: 1000 })]],
    ['null is a value', [pen.put(alice, 1, null)]],
    [
      'names such as __proto__',
      [pen.put(alice, 1, JSON.parse('{"__proto__":1}') as JsonValue, undefined, '__proto__')],
    ],
    ['the later version wins', [pen.put(bob, 1, 'early'), pen.put(alice, 2, 'late')]],
    ['of one version the greater author wins', [pen.put(alice, 1, 'alice'), pen.put(bob, 1, 'bob')]],
    ['of one version and author the greater digest wins', [one, other]],
    ['the same entry twice', [one, one]],
    ['deleted', [pen.put(alice, 1, 1), pen.delete(bob, 2)]],
    ['delete of what was never there', [pen.delete(bob, 2)]],
    ['written before a delete came, with a later version', [pen.delete(bob, 1), pen.put(alice, 2, 'stays')]],
    [
      'a register that did not know the delete is later: what the delete silenced counts again',
      [pen.count(bob, 1, 3), pen.delete(bob, 2), pen.put(alice, 3, 'stays'), pen.count(alice, 4, 5)],
    ],
    ['written over a delete', [pen.delete(bob, 1), pen.put(alice, 2, 'again', 1)]],
    [
      'delete and register of one version and author: the register is greater',
      [deleted, pen.putBeside(deleted, true, alice, 5)],
    ],
    [
      'delete and register of one version and author: the delete is greater',
      [deleted, pen.putBeside(deleted, false, alice, 5)],
    ],
  ]
}

function counters(pen: Pen): readonly Case[] {
  const { alice, bob } = pen
  return [
    ['counter of two authors', [pen.count(alice, 1, 5), pen.count(bob, 2, -7)]],
    ['the total of an author replaces its last', [pen.count(alice, 1, 5), pen.count(alice, 2, 6)]],
    ['two lives of an author count both', [pen.count(alice, 1, 5), pen.count(alice, 2, 6, undefined, 2)]],
    ['counter of 0', [pen.count(alice, 1, 5), pen.count(bob, 2, -5)]],
    [
      'sum beyond 2^53, exact and then rounded once',
      [1, 2, 3, 4].map(life => pen.count(alice, life, life === 4 ? 2 : safeMax, undefined, life)),
    ],
    [
      'sum that ends within 2^53 again',
      [pen.count(alice, 1, safeMax), pen.count(alice, 2, safeMax, undefined, 2), pen.count(bob, 3, -safeMax)],
    ],
    ['a delete beats an increment that did not know it', [pen.delete(bob, 3), pen.count(alice, 9, 5)]],
    [
      'an increment after a delete starts anew',
      [pen.delete(bob, 3), pen.count(alice, 9, 5), pen.count(bob, 9, 2, 3)],
    ],
    ['only the latest delete counts', [pen.delete(bob, 3), pen.delete(alice, 6), pen.count(alice, 9, 5, 3)]],
    [
      'a register over a delete remembers it',
      [pen.put(bob, 4, 'over', 3), pen.count(alice, 8, 5), pen.count(bob, 9, 2, 3)],
    ],
  ]
}

function sets(pen: Pen): readonly Case[] {
  const { alice, bob } = pen
  const elements: JsonValue[] = ['b', 'aa', 'a', 24, 1, -1, null, true, 1.5, [1], { a: 1 }, '']
  const [added, removed] = [pen.add(alice, 5, 1), pen.remove(alice, 5, 1)]
  return [
    ['set, sorted by the CBOR of its elements', elements.map((each, at) => pen.add(alice, at, each))],
    ['element removed', [pen.add(alice, 1, 1), pen.add(alice, 1, 2), pen.remove(bob, 2, 1)]],
    ['element added again', [pen.add(alice, 1, 1), pen.remove(bob, 2, 1), pen.add(alice, 3, 1)]],
    ['empty set: a removal alone makes a set', [pen.remove(bob, 2, 1)]],
    ['add and remove of one version: the greater author wins', [pen.add(alice, 2, 1), pen.remove(bob, 2, 1)]],
    ['add and remove of one version and author: the greater digest wins', [added, removed]],
    ['a delete beats an add that did not know it', [pen.delete(bob, 3), pen.add(alice, 9, 1)]],
    [
      'an add after a delete starts anew',
      [pen.delete(bob, 3), pen.add(alice, 2, 1), pen.add(alice, 4, 2, 3)],
    ],
    [
      'a removal after a delete: an empty set',
      [pen.delete(bob, 3), pen.add(alice, 2, 1), pen.remove(alice, 4, 2, 3)],
    ],
  ]
}

function mixed(pen: Pen): readonly Case[] {
  const { alice, bob } = pen
  return [
    [
      'counter over a register: the greatest live entry makes the type',
      [pen.put(alice, 1, 'text'), pen.count(bob, 2, 3)],
    ],
    ['register over a counter', [pen.put(alice, 3, 'text'), pen.count(bob, 2, 3)]],
    ['set over a counter', [pen.add(alice, 3, 'a'), pen.count(bob, 2, 3), pen.add(bob, 1, 'b')]],
    [
      'a removal is the greatest: an empty set, whatever is counted',
      [pen.remove(alice, 3, 'a'), pen.count(bob, 2, 3)],
    ],
    [
      'what is silenced does not make the type',
      [pen.delete(alice, 3), pen.count(bob, 9, 3), pen.add(alice, 4, 'a', 3)],
    ],
    ['of one version the greater author makes the type', [pen.put(alice, 5, 'text'), pen.count(bob, 5, 3)]],
    [
      'of one transaction the greater digest makes the type',
      [pen.put(alice, 5, 'text'), pen.count(alice, 5, 3)],
    ],
    [
      'a register does not end what others count, its base does',
      [pen.put(alice, 5, 'text', 3), pen.count(bob, 6, 3, 3), pen.add(bob, 7, 1, 2)],
    ],
  ]
}

/** Cases with what comes of them. */
export function readings(keys: VectorKeys): unknown {
  const pen = new Pen(keys)
  const cases = [...registers(pen), ...counters(pen), ...sets(pen), ...mixed(pen)]
  return cases.map(([name, entries]) => outcome(name, entries, keys.hash))
}

function outcome(name: string, entries: readonly VerifiedEntry[], hash: VectorKeys['hash']): unknown {
  const held = entries.filter((entry, at) => {
    const rivals = entries.filter(({ slot }) => slot === entry.slot)
    return entries.indexOf(entry) === at && rivals.every(rival => compareEntries(entry, rival) >= 0)
  })
  const trie = new MerkleTrie(hash)
  held.forEach(({ key, slot, digest }, at) => trie.set(pathOf(key, slot, hash), digest, at + 1))
  const key = entries[0]?.key ?? defaultKey
  const placeOf = (entry: unknown): number => entries.indexOf(entry as VerifiedEntry)
  return {
    name,
    key,
    entries: entries.map(({ bytes }) => toHex(bytes)),
    held: held.map(placeOf),
    root: toHex(trie.root()),
    floor: formatVersion(floorOf(held)),
    reading: readingInWords(readKey(key, held)),
    ends: endingsOf(held).map(({ entry, at }) => ({ entry: placeOf(entry), horizon: formatVersion(at) })),
  }
}

/** A reading as the vectors tell it. */
export function readingInWords(reading: KeyReading | undefined): unknown {
  if (reading === undefined) return null
  const { type, value, version, author } = reading
  return { type, json: JSON.stringify(value), version: formatVersion(version), author }
}

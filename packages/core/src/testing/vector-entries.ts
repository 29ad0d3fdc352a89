/** The entries of vectors/: good ones of every kind, and what must be refused. */
import { concatBytes, fromHex, toHex, toUtf8 } from '../bytes.ts'
import { signEntry, type EntryContent, type VerifiedEntry } from '../entry.ts'
import { formatVersion, versionAt } from '../hlc.ts'
import { horizonContent, horizonKey } from '../horizon.ts'
import { pathOf } from '../merkle.ts'
import type { Hash } from '../ports.ts'
import { counterSlot, elementSlot } from '../slot.ts'
import type { Incarnation } from '../units.ts'
import { encodeValue } from '../value.ts'
import { testWall } from './arbitraries.ts'
import type { VectorKeys } from './vector-files.ts'

/** The life of alice's store. */
export const life = '00000000000000a1' as Incarnation
/** The version of most entries. */
export const version = versionAt(testWall) + 5n
const ones = encodeValue(1)

/** Contents by name. */
export function contentsOf({ hash, alice }: VectorKeys): (readonly [name: string, content: EntryContent])[] {
  return [
    [
      'register',
      { key: 'account:alice', slot: '', value: encodeValue({ balance: 1000, nonce: 0 }), base: 0n, version },
    ],
    [
      'register over a delete',
      { key: 'k', slot: '', value: encodeValue('again'), base: version - 1n, version },
    ],
    ['delete of a key', { key: 'k', slot: '', value: undefined, base: 0n, version: version + 1n }],
    [
      'counter',
      { key: 'n', slot: counterSlot(alice.nodeId, life), value: encodeValue(-5), base: 0n, version },
    ],
    ['element of a set', { key: 's', slot: elementSlot(ones, hash), value: ones, base: 2n, version }],
    ['element removed', { key: 's', slot: elementSlot(ones, hash), value: undefined, base: 2n, version }],
    ['key of 512 bytes', { key: 'é'.repeat(256), slot: '', value: encodeValue(null), base: 0n, version }],
    ['compaction horizon', horizonContent(version - 9n, new Map([[alice.nodeId, life]]))],
    ['prototype as a key', { key: '__proto__', slot: '', value: encodeValue([]), base: 0n, version }],
  ]
}

/** The same, signed by alice. */
export function signedEntries(keys: VectorKeys): (readonly [string, VerifiedEntry])[] {
  return contentsOf(keys).map(([name, content]) => [name, signEntry(content, keys.alice, keys.hash)] as const)
}

/** An entry in all its parts. */
export function described([name, entry]: readonly [string, VerifiedEntry], hash: Hash): unknown {
  const { key, slot, value, base, author, digest, bytes } = entry
  return {
    name,
    key,
    slot,
    value: value === undefined ? null : toHex(value),
    base: formatVersion(base),
    version: formatVersion(entry.version),
    author,
    bytes: toHex(bytes),
    digest: toHex(digest),
    path: toHex(pathOf(key, slot, hash)),
  }
}

const raw = (hex: string): Uint8Array => fromHex(hex) as Uint8Array

/** The signed part of an entry of the key `k`, with another key, given in hex. */
function withKey(body: Uint8Array, key: string): Uint8Array {
  const length = Uint8Array.of(0, key.length / 2)
  return concatBytes(body.subarray(0, 42), length, raw(key), body.subarray(45))
}

/** The same with the flag of a base, and this base. */
function withBase(body: Uint8Array, base: number): Uint8Array {
  const bytes = new Uint8Array(8)
  bytes[7] = base
  return concatBytes(body.subarray(0, 41), Uint8Array.of(2), bytes, body.subarray(42))
}

/** Unsound content under a good signature, and good content with the wrong signature. */
export function refusedEntries({ hash, alice, bob }: VectorKeys): unknown[] {
  const plain: EntryContent = { key: 'k', slot: '', value: ones, base: 0n, version }
  const rightly = (reason: string, content: Partial<EntryContent>, by = alice): unknown => ({
    reason,
    bytes: toHex(signEntry({ ...plain, ...content }, by, hash).bytes),
  })
  const { bytes } = signEntry(plain, alice, hash)
  const body = bytes.subarray(0, -64)
  const signedBody = (of: Uint8Array, domain = 'lattice/entry/v1\0'): string =>
    toHex(concatBytes(of, alice.sign(concatBytes(toUtf8(domain), of))))
  const resigned = (change: (copy: Uint8Array) => void, domain?: string): string => {
    const copy = body.slice()
    change(copy)
    return signedBody(copy, domain)
  }
  const other = elementSlot(encodeValue(2), hash)
  return [
    rightly('counter slot of another author', { slot: counterSlot(bob.nodeId, life) }),
    rightly('counter with a fraction', { slot: counterSlot(alice.nodeId, life), value: encodeValue(1.5) }),
    rightly('counter deleted alone', { slot: counterSlot(alice.nodeId, life), value: undefined }),
    rightly('set slot of another element', { slot: other }),
    rightly('slot of unknown shape', { slot: '03' }),
    rightly('base newer than version', { base: version + 1n }),
    rightly('delete of a key with a base', { value: undefined, base: 1n }),
    rightly('version 0', { version: 0n }),
    rightly('empty key', { key: '' }),
    rightly('key of 513 bytes', { key: `${'é'.repeat(256)}x` }),
    rightly('horizon without members', { key: horizonKey, value: encodeValue([]) }),
    rightly('horizon with a base', { key: horizonKey, value: encodeValue({}), base: 1n }),
    rightly('horizon deleted', { key: horizonKey, value: undefined }),
    rightly('control character in the key', { key: 'a\nb' }),
    rightly('integer in a longer form', { value: raw('1801') }),
    rightly('half float', { value: raw('f93c00') }),
    rightly('members out of order', { value: raw('a2616201616101') }),
    rightly('tag', { value: raw('c001') }),
    rightly('no value and no tombstone', { value: raw('') }),
    { reason: 'unknown flag', bytes: resigned(copy => (copy[41] = 4)) },
    { reason: 'tombstone with a value', bytes: resigned(copy => (copy[41] = 1)) },
    { reason: 'base that is flagged and 0', bytes: signedBody(withBase(body, 0)) },
    { reason: 'key that is not UTF-8', bytes: resigned(copy => (copy[44] = 0xff)) },
    { reason: 'key longer than the entry', bytes: resigned(copy => (copy[43] = 200)) },
    { reason: 'slot longer than the entry', bytes: resigned(copy => (copy[45] = 200)) },
    { reason: 'half of a surrogate pair in the key', bytes: signedBody(withKey(body, 'eda080')) },
    { reason: 'key in a longer spelling', bytes: signedBody(withKey(body, 'c1ab')) },
    { reason: 'unknown format', bytes: resigned(copy => (copy[0] = 2)) },
    { reason: 'signature over another domain', bytes: signedBody(body, 'lattice/entry/v2\0') },
    { reason: 'signature over no domain', bytes: toHex(concatBytes(body, alice.sign(body))) },
    {
      reason: 'signature of another author',
      bytes: toHex(concatBytes(body, signEntry(plain, bob, hash).bytes.slice(-64))),
    },
    { reason: 'cut short', bytes: toHex(bytes.subarray(0, -1)) },
  ]
}

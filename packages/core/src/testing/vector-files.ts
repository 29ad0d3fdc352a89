/** The content of vectors/: what any implementation must reproduce, from fixed keys, times and values. */
import { concatBytes, fromHex, toHex, toUtf8 } from '../bytes.ts'
import { signEntry, type EntryContent, type VerifiedEntry } from '../entry.ts'
import { formatVersion, versionAt } from '../hlc.ts'
import { horizonContent, horizonKey } from '../horizon.ts'
import { MerkleTrie, pathOf } from '../merkle.ts'
import type { Message } from '../message.ts'
import type { Hash, Signer } from '../ports.ts'
import { proveKey } from '../proof.ts'
import { packDigests } from '../digest-list.ts'
import { openDescent } from '../reconcile.ts'
import { counterSlot, elementSlot } from '../slot.ts'
import type { Incarnation, JsonValue } from '../units.ts'
import { encodeValue } from '../value.ts'
import { encodeMessage, encodeVersionAnswer } from '../wire.ts'
import { testWall } from './arbitraries.ts'
import { readings } from './vector-readings.ts'
import { signatures } from './vector-signatures.ts'

/** What the vectors are made with: SHA-2, and Ed25519 keys whose seeds are 32 bytes of 01 and of 02. */
export interface VectorKeys {
  /** SHA-256. */
  readonly hash: Hash
  /** SHA-512. */
  readonly wideHash: Hash
  readonly alice: Signer
  readonly bob: Signer
}

const life = '00000000000000a1' as Incarnation
const version = versionAt(testWall) + 5n
const ones = encodeValue(1)

function contentsOf({ hash, alice }: VectorKeys): (readonly [name: string, content: EntryContent])[] {
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

function sign(keys: VectorKeys): (readonly [string, VerifiedEntry])[] {
  return contentsOf(keys).map(([name, content]) => [name, signEntry(content, keys.alice, keys.hash)] as const)
}

function described([name, entry]: readonly [string, VerifiedEntry], hash: Hash): unknown {
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

/** Unsound content under a good signature, and good content with the wrong signature. */
function refusedEntries({ hash, alice, bob }: VectorKeys): unknown[] {
  const plain: EntryContent = { key: 'k', slot: '', value: ones, base: 0n, version }
  const rightly = (reason: string, content: Partial<EntryContent>, by = alice): unknown => ({
    reason,
    bytes: toHex(signEntry({ ...plain, ...content }, by, hash).bytes),
  })
  const raw = (hex: string): Uint8Array => fromHex(hex) as Uint8Array
  const { bytes } = signEntry(plain, alice, hash)
  const body = bytes.subarray(0, -64)
  const resigned = (change: (copy: Uint8Array) => void, domain = 'lattice/entry/v1\0'): string => {
    const copy = body.slice()
    change(copy)
    return toHex(concatBytes(copy, alice.sign(concatBytes(toUtf8(domain), copy))))
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
    { reason: 'unknown format', bytes: resigned(copy => (copy[0] = 2)) },
    { reason: 'signature over another domain', bytes: resigned(() => undefined, 'lattice/entry/v2\0') },
    { reason: 'signature over no domain', bytes: toHex(concatBytes(body, alice.sign(body))) },
    {
      reason: 'signature of another author',
      bytes: toHex(concatBytes(body, signEntry(plain, bob, hash).bytes.slice(-64))),
    },
    { reason: 'cut short', bytes: toHex(bytes.subarray(0, -1)) },
  ]
}

function values(): unknown {
  const good: JsonValue[] = [
    null, true, false, 0, 23, 24, -1, -25, 65536, Number.MAX_SAFE_INTEGER, 2 ** 53, 1.5, 5e-324, 1e300,
    '', 'é', '\ufeffmark', [], [1, [2]], {}, { b: 1, a: 2, aa: 3 }, 
    JSON.parse('{"__proto__":1}') as JsonValue,
  ] // prettier-ignore
  const refused = [
    ['half float', 'f93c00'], ['single float', 'fa3fc00000'], ['integer as a float', 'fb3ff0000000000000'],
    ['negative zero', 'fb8000000000000000'], ['longer form', '1801'], 
    ['beyond 2^53 - 1', '1b0020000000000000'],
    ['members out of order', 'a2616201616101'], ['member twice', 'a2616101616102'], ['indefinite', '9f01ff'],
    ['tag', 'c001'], ['bytes', '4101'], ['undefined', 'f7'], ['not UTF-8', '61ff'], 
    ['65 levels', `${'81'.repeat(65)}00`],
  ] // prettier-ignore
  return {
    valid: good.map(value => ({ json: JSON.stringify(value), cbor: toHex(encodeValue(value)) })),
    refused: refused.map(([reason, cbor]) => ({ reason, cbor })),
  }
}

function merkle(keys: VectorKeys): unknown {
  const { hash } = keys
  const signed = sign(keys)
  const roots = [0, 1, 2, 3, signed.length].map(count => {
    const trie = new MerkleTrie(hash)
    const entries = signed.filter(([name]) => name !== 'register over a delete' && name !== 'element removed')
    const taken = entries.slice(0, count).map(([, entry]) => entry)
    taken.forEach(({ key, slot, digest }, at) => trie.set(pathOf(key, slot, hash), digest, at + 1))
    return { entries: taken.map(({ bytes }) => toHex(bytes)), root: toHex(trie.root()) }
  })
  const pair = [0x00, 0x01].map(last => {
    const path = new Uint8Array(64)
    path[63] = last
    return { path, digest: hash(Uint8Array.of(last)) }
  })
  const trie = new MerkleTrie(hash)
  for (const { path, digest } of pair) trie.set(path, digest, 1)
  const paths = pair.map(({ path, digest }) => ({ path: toHex(path), digest: toHex(digest) }))
  return { byEntries: roots, byPaths: [{ leaves: paths, root: toHex(trie.root()) }] }
}

/** Proofs over forty registers and a counter: of keys that are held, that are not, and forged ones. */
function proofs({ hash, alice }: VectorKeys): unknown {
  const registers = Array.from({ length: 40 }, (_, index) =>
    signEntry({ key: `key ${index}`, slot: '', value: encodeValue(index), base: 0n, version }, alice, hash),
  )
  const sum = { key: 'n', slot: counterSlot(alice.nodeId, life), value: encodeValue(-5), base: 0n, version }
  const entries = [...registers, signEntry(sum, alice, hash)]
  const trie = new MerkleTrie(hash)
  for (const [at, { key, slot, digest }] of entries.entries())
    trie.set(pathOf(key, slot, hash), digest, at + 1)
  const prove = (key: string): unknown =>
    proveKey(key, {
      trie,
      hash,
      slots: each => entries.filter(entry => entry.key === each).map(entry => ({ ...entry, seq: 1 })),
      entryDigest: path => entries[(trie.get(path)?.seq ?? 0) - 1]?.digest,
    })
  const forged = prove('key 7') as object
  return {
    root: toHex(trie.root()),
    held: ['key 7', 'key 39', 'n'].map(prove),
    absent: ['nobody', 'key 40', 'key 41', 'key 42', ''.padEnd(512, 'x')].map(prove),
    refused: [
      ['another key', { ...forged, key: 'key 8' }],
      ['no entries', { ...forged, entries: [] }],
      ['no branches', { ...forged, branches: [] }],
    ].map(([reason, proof]) => ({ reason, proof })),
  }
}

const locator = { path: new Uint8Array(4).fill(1), digest: new Uint8Array(6).fill(2) }
const incarnation = life

function longMessages(
  trie: MerkleTrie,
  entries: readonly Uint8Array[],
  bob: Signer,
): (readonly [name: string, message: Message])[] {
  const beat = {
    incarnation,
    seq: 7,
    root: trie.root(),
    count: trie.count,
    wall: testWall,
    heardMs: { http: 20 },
  }
  const want = [
    { prefix: Uint8Array.of(0xab, 0xc0), length: 3, digests: packDigests([new Uint8Array(6).fill(3)]) },
  ]
  const branch = {
    prefix: Uint8Array.of(0xab),
    length: 1,
    depth: 2,
    digests: packDigests([0, 9].map(nibble => new Uint8Array(6).fill(nibble))),
    bitmap: (1 << 0) | (1 << 9),
  }
  return [
    ['nothing', {}],
    ['beat and acknowledgement', { beat, acks: [{ node: bob.nodeId, incarnation, seq: 3 }] }],
    [
      'rows of two authors and a locator',
      { rows: { incarnation, after: 3, upTo: 7, entries, locators: [locator] } },
    ],
    ['horizon report', { beat, horizon: { settled: version - 9n, floor: version } }],
    ['pull, held for 25 s', { pull: { incarnation, after: 7, full: false }, waitMs: 25_000 }],
    ['entries and wants', { entries, want }],
    ['first step of a descent', { compare: openDescent(trie, 6) }],
    ['a branch in a descent', { compare: { digestBytes: 6, summaries: [branch] } }],
    ['a step to one that reads more', { compare: { digestBytes: 6, summaries: [branch] }, reads: 4096 }],
    ['how far an answer goes', { want, answered: 3 }],
    [
      'who I am, and good-bye',
      { info: { name: 'n1', role: 'node', software: 'lattice/0.1.0' }, leaving: true },
    ],
  ]
}

function shortMessages(
  trie: MerkleTrie,
  entries: readonly Uint8Array[],
  bob: Signer,
): (readonly [name: string, message: Message])[] {
  const version = 2
  const root = trie.root()
  const tag = Uint8Array.of(1, 2, 3, 4)
  const strange = { lives: { own: incarnation }, seq: 7, root, heardMs: {} }
  const lastOf = (id: string): Uint8Array => (fromHex(id) as Uint8Array).slice(-4)
  return [
    ['version 2: nothing', { version }],
    [
      'version 2: a greeting between strangers',
      {
        version,
        standing: { ...strange, details: { count: trie.count, wall: testWall } },
      },
    ],
    [
      'version 2: rows up to where alice stands, by her and by bob, and a pull of all after 300',
      {
        version,
        standing: {
          lives: { tag },
          seq: 7,
          root,
          ack: 300,
          pull: 'brief',
          heardMs: { http: 20 },
        },
        rows: { incarnation, after: 3, upTo: 7, entries, locators: [] },
      },
    ],
    [
      'version 2: equal roots, and rows with a locator that end before',
      {
        version,
        standing: { lives: { tag }, seq: 9, root: 'same', ack: 300, heardMs: {} },
        rows: { incarnation, after: 3, upTo: 7, entries: [], locators: [locator] },
      },
    ],
    [
      'version 2: holds 300 rows, asks for all after 4300',
      {
        version,
        standing: { lives: { tag }, seq: 7, root, ack: 300, pull: 'full', ahead: 4000, heardMs: {} },
      },
    ],
    [
      'version 2: an announce that acknowledges 300 to bob',
      {
        version,
        standing: strange,
        ackMarks: [{ node: lastOf(bob.nodeId), incarnation: lastOf(incarnation), seq: 300 }],
      },
    ],
  ]
}

function frames(keys: VectorKeys): unknown {
  const { hash, alice, bob } = keys
  const signed = sign(keys)
  const trie = new MerkleTrie(hash)
  for (const [, { key, slot, digest }] of signed) trie.set(pathOf(key, slot, hash), digest, 1)
  const entries = [
    ...signed.slice(0, 2).map(([, entry]) => entry.bytes),
    signEntry(contentsOf(keys)[0]?.[1] as EntryContent, bob, hash).bytes,
  ]
  const messages = [...longMessages(trie, entries, bob), ...shortMessages(trie, entries, bob)]
  return {
    sender: alice.nodeId,
    valid: messages.map(([name, message]) => ({
      name,
      frame: toHex(encodeMessage(message, alice.nodeId)),
    })),
    versionAnswer: toHex(encodeVersionAnswer()),
    refused: [
      ['empty', ''], ['unknown version', '03a0'], ['not a map', '0180'], ['section twice', '01a208010802'],
      ['wait beyond 60 s', '01a10819ea61'], ['rows without their members', '01a10380'], ['rows without a standing', '02a10e820080'], ['cut short', '01a1'],
    ].map(([reason, frame]) => ({ reason, frame })), // prettier-ignore
    skipped: { reason: 'unknown section, ignored', frame: '01a1186300', sameAs: '01a0' },
  }
}

/** File name → exact text. */
export function vectorFiles(keys: VectorKeys): ReadonlyMap<string, string> {
  const seeds = { alice: '01'.repeat(32), bob: '02'.repeat(32) }
  const text = (content: unknown): string => `${JSON.stringify(content, null, 1)}\n`
  return new Map([
    [
      'entries.json',
      text({
        seeds,
        valid: sign(keys).map(each => described(each, keys.hash)),
        refused: refusedEntries(keys),
      }),
    ],
    ['values.json', text(values())],
    ['signatures.json', text(signatures(keys.wideHash, fromHex(seeds.alice) as Uint8Array))],
    ['readings.json', text(readings(keys))],
    ['merkle.json', text(merkle(keys))],
    ['proofs.json', text(proofs(keys))],
    ['frames.json', text(frames(keys))],
  ])
}

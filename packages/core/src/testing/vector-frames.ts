/** The frames of vectors/: what travels, and what is malformed. */
import { fromHex, toHex } from '../bytes.ts'
import { packDigests } from '../digest-list.ts'
import { signEntry, type EntryContent } from '../entry.ts'
import { MerkleTrie, pathOf } from '../merkle.ts'
import type { Message, Summary } from '../message.ts'
import type { Signer } from '../ports.ts'
import { openDescent } from '../reconcile.ts'
import { encodeMessage, encodeVersionAnswer } from '../wire.ts'
import { testWall } from './arbitraries.ts'
import { contentsOf, life as incarnation, signedEntries, version } from './vector-entries.ts'
import type { VectorKeys } from './vector-files.ts'

const locator = { path: new Uint8Array(4).fill(1), digest: new Uint8Array(6).fill(2) }

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
  const sums: Summary = {
    prefix: Uint8Array.of(0xab),
    length: 2,
    depth: 2,
    digests: packDigests([0, 9].map(nibble => new Uint8Array(4).fill(nibble))),
    bitmap: (1 << 0) | (1 << 9),
    sums: true,
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
    ['an answer of one that reads sums', { want, reads: 8192, readsSums: true }],
    ['sums in a descent', { compare: { digestBytes: 3, summaries: [sums] } }],
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

const zeros = (count: number): string => '00'.repeat(count)

/** What is malformed; bounds.json has what is too much of something. */
const malformed: readonly (readonly [reason: string, frame: string])[] = [
  ['empty', ''], ['unknown version', '03a0'], ['not a map', '0180'], ['section twice', '01a208010802'],
  ['rows without their members', '01a10380'], ['rows without a standing', '02a10e820080'], ['cut short', '01a1'],
  ['no map at all', '01'], ['bytes behind the map', '01a000'], ['version answer of 4 bytes', '00010200'],
  ['longer head of a number', '01a1081807'], ['longer head of a section number', '01a1180807'],
  ['list of no definite length', '01a118639fff'], ['tag', '01a11863c001'], ['undefined', '01a11863f7'],
  ['not a number', '01a11863f97e00'], ['infinity', '01a11863f97c00'], ['simple value', '01a11863e0'],
  ['number beyond 2^53 - 1 in an unknown section', '01a118631b0020000000000000'],
  ['name twice in an unknown section', '01a11863a201020103'],
  ['null for a number', '01a108f6'], ['negative number', '01a10820'], ['text for bytes', `01a10b8268${'61'.repeat(8)}00`],
  ['incarnation of 7 bytes', `01a10b8247${zeros(7)}00`], ['node id of 31 bytes', `01a1028183581f${zeros(31)}48${zeros(8)}00`],
  ['root of 31 bytes', `01a1018748${zeros(8)}00581f${zeros(31)}0000f6f6`],
  ['entries of an author without a list', `01a105815820${zeros(32)}`], ['author without a name in version 1', '01a105824080'],
  ['locators of 11 bytes', `01a1038548${zeros(8)}0000804b${zeros(11)}`],
  ['digests that are cut', '01a106818340004402000000'], ['prefix longer than its length', '01a1068183420000024101'],
  ['leaving: false', '01a10af4'], ['sums of 5 bytes', '01a1078203864000460500000000000001f5'], ['reads sums: false', '01a114f4'], ['version of 7 bytes in a horizon', `01a1118247${zeros(7)}48${zeros(8)}`],
  ['version 2: an empty standing', '02a10d40'], ['version 2: a standing that is cut', `02a10d450500000000`],
  ['version 2: acks that are cut', `02a10f48${zeros(8)}`],
] // prettier-ignore

/** What a receiver takes no notice of: a frame, and the one that says the same. */
const skipped: readonly (readonly [reason: string, frame: string, sameAs: string])[] = [
  ['unknown section', '01a1186300', '01a0'],
  ['unknown section whose name is a text', '01a1613807', '01a0'],
  ['unknown section with much in it', '01a2186383a1010281f640080a', '01a1080a'],
  ['section 16, which is spent', '01a11000', '01a0'],
  ['further items of a list', `01a10b8348${zeros(8)}07f6`, `01a10b8248${zeros(8)}07`],
  ['sections of version 2 in version 1', '01a30d400e800f40', '01a0'],
  ['sections of version 1 in version 2', '02a601000200030004000b000c00', '02a0'],
  ['bytes behind what a standing says', `02a10d582b00${zeros(8)}07${zeros(32)}ff`, `02a10d582a00${zeros(8)}07${zeros(32)}`],
  ['section order', '01a208070580', '01a205800807'],
] // prettier-ignore

/** Frames of both versions, and what is malformed. */
export function frames(keys: VectorKeys): unknown {
  const { hash, alice, bob } = keys
  const signed = signedEntries(keys)
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
    refused: malformed.map(([reason, frame]) => ({ reason, frame })),
    skipped: skipped.map(([reason, frame, sameAs]) => ({ reason, frame, sameAs })),
  }
}

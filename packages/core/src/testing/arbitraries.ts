/**
 * Random inputs for property tests: everything the core accepts, with the awkward corners in it.
 *
 * The environment rules how they are tried: `FC_RUNS` sets the number of runs, `FC_SEED` plays a failure
 * again.
 */
import fc from 'fast-check'
import { toHex } from '../bytes.ts'
import { signEntry, type EntryContent, type VerifiedEntry } from '../entry.ts'
import { versionAt } from '../hlc.ts'
import type { Compare, Message, Rows, Summary, Want, Standing } from '../message.ts'
import { packDigests, type DigestList } from '../digest-list.ts'
import { prefixBytes } from '../merkle.ts'
import type { Hash, Signer } from '../ports.ts'
import { counterSlot, elementSlot, wholeKey } from '../slot.ts'
import type { Operation } from '../status.ts'
import type { Incarnation, JsonValue, NodeId } from '../units.ts'
import { encodeValue } from '../value.ts'

/** Unix milliseconds around which arbitrary versions lie. */
export const testWall = 1_700_000_000_000

/**
 * Runs a property. A failure prints the seed and path; `FC_SEED=<seed>` with the same test name plays it
 * again.
 * @param runs tries by default; FC_RUNS replaces it
 */
export function assertProperty<Ts>(property: fc.IProperty<Ts>, runs: number): void {
  const { seed, numRuns } = runsFromEnvironment(runs)
  const out = fc.check(property, { numRuns, ...(seed === undefined ? {} : { seed }) })
  if (!out.failed) return
  const replay = `replay: FC_SEED=${out.seed} FC_RUNS=${numRuns} npm run unit -- -t "<name of this test>"`
  throw new Error(`${replay}\n${fc.defaultReportMessage(out) ?? ''}`)
}

/** FC_SEED and FC_RUNS, where they are set. */
export function runsFromEnvironment(runs: number): { seed: number | undefined; numRuns: number } {
  const env = (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env ?? {}
  const { FC_SEED: seed, FC_RUNS: numRuns } = env
  return {
    seed: seed === undefined ? undefined : Number(seed),
    numRuns: numRuns === undefined ? runs : Number(numRuns),
  }
}

/** Any Unicode scalar value. `fc.string({ unit: 'binary' })` tabulates them all first, which takes a second. */
const scalar = fc
  .oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0, max: 0x10ffff }))
  .filter(code => code < 0xd800 || code > 0xdfff)
  .map(code => String.fromCodePoint(code))
const text = fc.array(scalar, { maxLength: 12 }).map(units => units.join(''))
const awkwardText = fc.constantFrom(
  '',
  '\ufeff',
  '\ufeffbom',
  '\u0000',
  '__proto__',
  'constructor',
  '😀',
  'é',
)
const memberName = fc.oneof({ weight: 3, arbitrary: text }, { weight: 2, arbitrary: awkwardText })
const jsonNumber = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 23, 24, 255, 256, 65_536, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e300, 5e-324, 0.1),
)

/** Any JSON value, `__proto__` members and byte order marks included. */
export const anyJson: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant<JsonValue>(null),
    fc.boolean(),
    jsonNumber,
    memberName,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(memberName, tie('value')), { maxLength: 4 }).map(ownMembers),
  ),
})).value

/** An object with exactly these own members: `__proto__` is one like any other. */
export function ownMembers(members: readonly (readonly [string, JsonValue])[]): JsonValue {
  const object: Record<string, JsonValue> = {}
  for (const [name, value] of members) {
    Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true })
  }
  return object
}

/** Any acceptable key; few of them, so that they meet. */
export const anyKey: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', 'é/😀') },
  {
    weight: 1,
    arbitrary: fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter(key => !/\p{Cc}/u.test(key)),
  },
)

/** Elements of sets; few of them, so that they meet. */
export const anyElement: fc.Arbitrary<JsonValue> = fc.constantFrom<JsonValue[]>('x', 1, null, { n: 1 })

/** Any single operation, valid by itself. */
export const anyOperation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ op: fc.constant('put' as const), key: anyKey, value: anyJson }),
  fc.record({ op: fc.constant('delete' as const), key: anyKey }),
  fc.record({
    op: fc.constant('increment' as const),
    key: anyKey,
    by: fc.integer({ min: -1000, max: 1000 }).filter(by => by !== 0),
  }),
  fc.record({ op: fc.constantFrom('add' as const, 'remove' as const), key: anyKey, element: anyElement }),
)

/** Sound contents for one author: any slot, value, base and version that every node accepts. */
export function anyContent(
  author: NodeId,
  hash: Hash,
  of: fc.Arbitrary<string> = anyKey,
): fc.Arbitrary<EntryContent> {
  const incarnation = fc.constantFrom('00000000000000a1' as Incarnation, '00000000000000a2' as Incarnation)
  const version = fc.integer({ min: 1, max: 40 }).map(tick => versionAt(testWall) + BigInt(tick))
  const base = fc.integer({ min: 0, max: 8 })
  const below = (share: number, top: bigint): bigint =>
    share === 0 ? 0n : share === 8 ? top : versionAt(testWall) + BigInt(share)
  const shape = fc.oneof(
    fc.record({
      slot: fc.constant(wholeKey),
      value: fc.option(anyJson.map(encodeValue), { nil: undefined }),
    }),
    fc.record({
      slot: incarnation.map(life => counterSlot(author, life)),
      value: fc.integer({ min: -99, max: 99 }).map(encodeValue),
    }),
    fc.tuple(anyElement.map(encodeValue), fc.boolean()).map(([element, present]) => ({
      slot: elementSlot(element, hash),
      value: present ? element : undefined,
    })),
  )
  return fc.tuple(of, shape, version, base).map(([key, { slot, value }, newest, share]) => {
    const silent = slot === wholeKey && value === undefined
    const under = silent ? 0n : below(share, newest)
    return { key, slot, value, base: under > newest ? newest : under, version: newest }
  })
}

/** Signed entries by any of `signers`. */
export function anyEntry(
  signers: readonly Signer[],
  hash: Hash,
  of: fc.Arbitrary<string> = anyKey,
): fc.Arbitrary<VerifiedEntry> {
  return fc
    .constantFrom(...signers)
    .chain(signer => anyContent(signer.nodeId, hash, of).map(content => signEntry(content, signer, hash)))
}

const nodeIds = bytes(32).map(id => toHex(id) as NodeId)
const incarnations = bytes(8).map(id => toHex(id) as Incarnation)
const numbers = fc.oneof(fc.nat(300), fc.maxSafeInteger().map(Math.abs))
const digestSizes = fc.integer({ min: 1, max: 32 })

function bytes(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length })
}

function places(reachMax: number): fc.Arbitrary<{ prefix: Uint8Array; length: number }> {
  return fc
    .tuple(bytes(64), fc.integer({ min: 0, max: reachMax }))
    .map(([path, length]) => ({ prefix: prefixBytes(path, length), length }))
}

function digestLists(size: number, maxLength: number): fc.Arbitrary<DigestList> {
  return fc.array(bytes(size), { maxLength }).map(packDigests)
}

const rows: fc.Arbitrary<Rows> = fc
  .record({
    incarnation: incarnations,
    after: fc.nat(1000),
    upTo: fc.integer({ min: 1000, max: 2000 }),
    locators: fc.array(fc.record({ path: bytes(4), digest: bytes(6) }), { maxLength: 4 }),
  })
  .map(each => ({ ...each, entries: [] }))

const wants: fc.Arbitrary<Want[]> = fc.array(
  fc
    .tuple(places(128), digestSizes)
    .chain(([place, size]) => digestLists(size, 4).map(digests => ({ ...place, digests }))),
  { maxLength: 4 },
)

function branches(size: number): fc.Arbitrary<Summary> {
  const nibbles = fc.uniqueArray(fc.nat(15), { minLength: 2, maxLength: 16 })
  return fc.tuple(places(127), fc.nat(127), nibbles).chain(([{ prefix, length: depth }, above, below]) =>
    fc.array(bytes(size), { minLength: below.length, maxLength: below.length }).map(digests => ({
      prefix,
      length: Math.min(above, depth),
      depth,
      digests: packDigests(digests),
      bitmap: below.reduce((bits, nibble) => bits | (1 << nibble), 0),
    })),
  )
}

const sums: fc.Arbitrary<Summary> = branches(4).map(branch => ({
  ...branch,
  length: branch.depth ?? 0,
  sums: true,
}))

const compares: fc.Arbitrary<Compare> = digestSizes.chain(digestBytes =>
  fc
    .array(
      fc.oneof(
        branches(digestBytes),
        sums,
        fc.tuple(places(128), digestLists(digestBytes, 4)).map(([place, digests]) => ({ ...place, digests })),
      ),
      { maxLength: 4 },
    )
    .map(summaries => ({ digestBytes, summaries })),
)

const versions = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })

/** Any message, with entries by any of `signers`. */
export function anyMessage(signers: readonly Signer[], hash: Hash): fc.Arbitrary<Message> {
  const some = fc.array(
    anyEntry(signers, hash).map(entry => entry.bytes),
    { maxLength: 5 },
  )
  const info = fc.string({ unit: 'grapheme', maxLength: 60 })
  return fc.record(
    {
      beat: fc.record({
        incarnation: incarnations,
        seq: numbers,
        root: bytes(32),
        count: numbers,
        wall: numbers,
        heardMs: fc.record({ p2p: numbers, http: numbers }, { requiredKeys: [] }),
      }),
      acks: fc.array(fc.record({ node: nodeIds, incarnation: incarnations, seq: numbers }), { maxLength: 4 }),
      rows: fc.tuple(rows, some).map(([frame, told]) => ({ ...frame, entries: told })),
      pull: fc.record({ incarnation: incarnations, after: numbers, full: fc.boolean() }),
      entries: some,
      want: wants,
      compare: compares,
      reads: numbers,
      answered: numbers,
      readsSums: fc.constant(true),
      waitMs: fc.nat(60_000),
      info: fc.record({ name: info, role: info, software: info }),
      leaving: fc.constant(true),
      horizon: fc.record({ settled: versions, floor: versions }),
    },
    { requiredKeys: [] },
  )
}

const standings: fc.Arbitrary<Standing> = fc
  .record(
    {
      lives: fc.oneof(
        bytes(4).map(tag => ({ tag })),
        fc.record({ own: incarnations, yours: incarnations }),
      ),
      seq: fc.integer({ min: 2000, max: Number.MAX_SAFE_INTEGER }),
      root: fc.oneof(bytes(32), fc.constant('same' as const)),
      ack: numbers,
      pull: fc.constantFrom('brief' as const, 'full' as const),
      ahead: numbers,
      heardMs: fc.record({ p2p: fc.nat(), http: fc.nat() }, { requiredKeys: [] }),
      details: fc.record({ count: numbers, wall: numbers }),
    },
    { requiredKeys: ['lives', 'seq', 'root', 'heardMs'] },
  )
  .map(standing => {
    const { lives, ack, pull } = standing
    // The receiver's incarnation is told with what belongs to it.
    return 'own' in lives && (ack ?? pull) === undefined
      ? { ...standing, lives: { own: lives.own } }
      : standing
  })

/** Any message as it travels in frames of version 2. */
export function anyShortMessage(signers: readonly Signer[], hash: Hash): fc.Arbitrary<Message> {
  const mark = fc.record({ node: bytes(4), incarnation: bytes(4), seq: numbers })
  const extras = fc.record({ ackMarks: fc.array(mark, { maxLength: 4 }) }, { requiredKeys: [] })
  return fc.tuple(anyMessage(signers, hash), standings, extras).map(([message, standing, extra]) => {
    const { beat, acks, pull, rows: told, ...rest } = message
    const unnamed = '0000000000000000' as Incarnation
    return {
      ...rest,
      ...extra,
      version: 2,
      ...((beat ?? acks ?? pull ?? told) === undefined ? {} : { standing }),
      ...(told === undefined ? {} : { rows: { ...told, incarnation: unnamed } }),
    }
  })
}

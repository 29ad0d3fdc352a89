/**
 * The replica: joins entries into the state, and is the only writer of the store.
 *
 * New entries are *staged* into the batch that is forming; `seal` hands that batch out to be persisted while
 * the next one forms; `committed` makes it visible in the trie, `aborted` undoes both. So concurrent writers
 * share commits, and whatever depends on a write waits for `committed` (compare Ready/Advance in etcd raft).
 */
import { toHex, toUtf8, uintToBytes } from './bytes.ts'
import { compareEntries, parseStored, signEntry, type Entry, type VerifiedEntry } from './entry.ts'
import { assert } from './errors.ts'
import { HybridClock, isFromTheFuture, wallOf } from './hlc.ts'
import { deferredBytesPerAuthorMax, deferredPerAuthorMax, futureToleranceMs } from './limits.ts'
import { keyPathNibbles, leafDigest, MerkleTrie, pathOf, type Leaf } from './merkle.ts'
import {
  amnesiaFact,
  type Batch,
  type Hash,
  type NewRow,
  type Row,
  type Signer,
  type Store,
} from './ports.ts'
import { proveKey, type KeyProof } from './proof.ts'
import { liveEntries, readKey } from './reading.ts'
import type { KeyReading, Operation } from './status.ts'
import { draftTransaction } from './transaction.ts'
import type { NodeId, PathKind, Sequence, Version } from './units.ts'

/** Where an entry came from. */
export type Origin = PathKind | 'local'

/** What became of an offered entry. `held`: known already, or beaten by what we have. */
export type Verdict = 'staged' | 'held' | 'deferred' | 'refused'

/** A row on its way to the disk. */
export interface StagedRow extends NewRow {
  readonly entry: VerifiedEntry
  readonly origin: Origin
}

/** What a replica is made of. */
export interface ReplicaParts {
  readonly store: Store
  readonly hash: Hash
  readonly signer: Signer
  /** Authors whose entries are accepted; the node itself always is. */
  readonly trusted: ReadonlySet<NodeId>
}

/** Name of the fact that holds the clock's high-water mark. */
const clockFact = 'clock'

/** Name of the fact that holds the number of keys that can be read. */
const keyCountFact = 'keys'

/** Keys looked at together where they have to be counted. */
const countPage = 1_000

type StagedKey = Map<string, StagedRow>

/** The replicated state of one node. */
export class Replica {
  readonly #store: Store
  readonly #hash: Hash
  readonly #signer: Signer
  readonly #trusted: ReadonlySet<NodeId>
  readonly #clock: HybridClock
  readonly #trie: MerkleTrie
  readonly #deferred = new Map<NodeId, Map<string, { entry: VerifiedEntry; origin: Origin }>>()
  /** Wall time at which the first of them is due; never later than that. */
  #firstDueWall = Number.POSITIVE_INFINITY
  /**
   * Winners not committed yet, of the sealed batch and of the forming one: what new entries are joined with.
   */
  readonly #staged = new Map<string, StagedKey>()
  #forming: StagedRow[] = []
  #formingFacts = new Map<string, Uint8Array | undefined>()
  #sealed: StagedRow[] | undefined
  #committedSeq: Sequence
  #nextSeq: Sequence
  #keyCount: number
  #recovering: boolean
  #sealedKeyCount: number

  constructor({ store, hash, signer, trusted }: ReplicaParts) {
    this.#store = store
    this.#hash = hash
    this.#signer = signer
    this.#trusted = trusted
    const highWater = store.fact(clockFact)
    this.#clock = new HybridClock(highWater === undefined ? 0n : BigInt(`0x${toHex(highWater)}`))
    this.#trie = new MerkleTrie(hash, store.leaves())
    this.#committedSeq = store.lastSeq
    this.#nextSeq = store.lastSeq + 1
    this.#recovering = store.fact(amnesiaFact) !== undefined
    const keyCount = store.fact(keyCountFact)
    this.#keyCount = keyCount === undefined ? this.#countKeys() : Number(BigInt(`0x${toHex(keyCount)}`))
    this.#sealedKeyCount = this.#keyCount
  }

  /** Keys that can be read: deleted ones do not count. */
  get keyCount(): number {
    return this.#keyCount
  }

  /** The Merkle trie over the committed entries. */
  get trie(): MerkleTrie {
    return this.#trie
  }

  /**
   * Newest sequence that the trie covers. The store may be ahead of it by the batch whose news is on its way
   * here.
   */
  get committedSeq(): Sequence {
    return this.#committedSeq
  }

  /** Greatest version given out or seen. */
  get highWater(): Version {
    return this.#clock.highWater
  }

  /** Entries from the future that wait for their time. */
  get deferredCount(): number {
    return [...this.#deferred.values()].reduce((sum, entries) => sum + entries.size, 0)
  }

  /** Whether the store lost what it held, and the node has not agreed with a peer since. */
  get isRecovering(): boolean {
    return this.#recovering
  }

  /** The node has agreed with a peer: what was lost is back. */
  recovered(): void {
    if (!this.#recovering) return
    this.#recovering = false
    this.stageFact(amnesiaFact, undefined)
  }

  /** Whether something has been staged since the last `seal`. */
  get hasForming(): boolean {
    return this.#forming.length > 0 || this.#formingFacts.size > 0
  }

  /** Whether a sealed batch waits for its verdict. */
  get isCommitting(): boolean {
    return this.#sealed !== undefined
  }

  /** The committed key as readers see it. */
  read(key: string): KeyReading | undefined {
    return readKey(key, this.#store.slots(key).map(stored))
  }

  /** The key with everything staged on top: what the next write will build on. */
  readStaged(key: string): KeyReading | undefined {
    return readKey(key, this.#slotsOf(key))
  }

  /**
   * Whether `entry` would change anything: not held, not waiting for its time, not beaten. Cheap enough to ask
   * before verifying a signature.
   */
  isNews(entry: Entry): boolean {
    if (this.#deferred.get(entry.author)?.has(toHex(entry.digest)) === true) return false
    const current = this.#current(entry.key, entry.slot)
    return current === undefined || compareEntries(entry, current) > 0
  }

  /** The bytes of a committed leaf; undefined if it has been superseded meanwhile. */
  bytesOf(leaf: Leaf): Uint8Array | undefined {
    return this.#store.at(leaf.seq)?.bytes
  }

  /** Which entries a committed key has, provable under the root; undefined: too many for a proof. */
  prove(key: string): KeyProof | undefined {
    return proveKey(key, {
      trie: this.#trie,
      hash: this.#hash,
      slots: each => this.#store.slots(each),
      entryDigest: path => this.#store.at(this.#trie.get(path)?.seq ?? 0)?.digest,
    })
  }

  /** Joins entries of other nodes into the forming batch. */
  offer(entries: readonly VerifiedEntry[], origin: Origin, wall: number): Verdict[] {
    return entries.map(entry => this.#offerOne(entry, origin, wall))
  }

  /** Offers deferred entries again whose time has come; how many were staged. */
  retryDeferred(wall: number): number {
    if (this.#firstDueWall > wall) return 0
    this.#firstDueWall = Number.POSITIVE_INFINITY
    let stagedCount = 0
    for (const waiting of this.#deferred.values()) {
      for (const [digest, { entry, origin }] of waiting) {
        if (isFromTheFuture(entry.version, wall)) {
          this.#firstDueWall = Math.min(this.#firstDueWall, dueWall(entry))
          continue
        }
        waiting.delete(digest)
        if (this.#offerOne(entry, origin, wall) === 'staged') stagedCount++
      }
    }
    return stagedCount
  }

  /**
   * Signs and stages a transaction of this node; its version.
   * @throws LatticeError as `draftTransaction`; nothing is staged then
   */
  write(operations: readonly Operation[], wall: number): Version {
    const version = this.#clock.next(wall)
    const { incarnation } = this.#store
    const author = this.#signer.nodeId
    const slotsOf = (key: string): readonly Entry[] => this.#slotsOf(key)
    const contents = draftTransaction(operations, { author, incarnation, version, hash: this.#hash, slotsOf })
    for (const content of contents) this.#stage(signEntry(content, this.#signer, this.#hash), 'local')
    return version
  }

  /** Stages a fact to be committed with the forming batch; undefined removes it. */
  stageFact(name: string, value: Uint8Array | undefined): void {
    this.#formingFacts.set(name, value)
  }

  /** Closes the forming batch and hands it out. One batch at a time: `committed` or `aborted` must follow. */
  seal(): Batch {
    assert(this.#sealed === undefined, 'one batch is in flight at a time')
    const rows = this.#forming.filter(row => this.#staged.get(row.key)?.get(row.slot) === row)
    this.#sealedKeyCount = this.#keyCount + this.#keysGained(rows)
    const facts = this.#formingFacts
      .set(clockFact, uintToBytes(this.#clock.highWater))
      .set(keyCountFact, uintToBytes(BigInt(this.#sealedKeyCount)))
    this.#sealed = rows
    this.#forming = []
    this.#formingFacts = new Map()
    return { rows, facts }
  }

  /** The sealed batch is durable: makes it visible and returns its rows. */
  committed(): readonly StagedRow[] {
    const rows = this.#sealed
    assert(rows !== undefined, 'a sealed batch waits for its commit')
    this.#sealed = undefined
    this.#keyCount = this.#sealedKeyCount
    this.#committedSeq = rows.at(-1)?.seq ?? this.#committedSeq
    for (const row of rows) {
      this.#trie.setLeaf(row.path, row.leaf, row.seq)
      const staged = this.#staged.get(row.key)
      if (staged?.get(row.slot) === row) staged.delete(row.slot)
      if (staged?.size === 0) this.#staged.delete(row.key)
    }
    return rows
  }

  /** The sealed batch was refused by the disk: forgets it and everything that was built on it. */
  aborted(): void {
    assert(this.#sealed !== undefined, 'a sealed batch waits for its verdict')
    this.#sealed = undefined
    this.#forming = []
    this.#formingFacts = new Map()
    this.#staged.clear()
    this.#nextSeq = this.#committedSeq + 1
  }

  #offerOne(entry: VerifiedEntry, origin: Origin, wall: number): Verdict {
    if (entry.author !== this.#signer.nodeId && !this.#trusted.has(entry.author)) return 'refused'
    if (!this.isNews(entry)) return 'held'
    if (isFromTheFuture(entry.version, wall)) {
      this.#defer(entry, origin)
      return 'deferred'
    }
    this.#clock.witness(entry.version, wall)
    this.#stage(entry, origin)
    return 'staged'
  }

  #defer(entry: VerifiedEntry, origin: Origin): void {
    const waiting =
      this.#deferred.get(entry.author) ?? new Map<string, { entry: VerifiedEntry; origin: Origin }>()
    this.#deferred.set(entry.author, waiting)
    this.#firstDueWall = Math.min(this.#firstDueWall, dueWall(entry))
    waiting.set(toHex(entry.digest), { entry, origin })
    let bytes = [...waiting.values()].reduce((sum, each) => sum + each.entry.bytes.length, 0)
    for (const [digest, oldest] of waiting) {
      if (waiting.size <= deferredPerAuthorMax && bytes <= deferredBytesPerAuthorMax) return
      waiting.delete(digest)
      bytes -= oldest.entry.bytes.length
    }
  }

  #stage(entry: VerifiedEntry, origin: Origin): void {
    const { key, slot } = entry
    const row: StagedRow = { ...rowOf(entry, this.#nextSeq++, this.#hash), entry, origin }
    this.#forming.push(row)
    const slots = this.#staged.get(key) ?? new Map<string, StagedRow>()
    this.#staged.set(key, slots.set(slot, row))
  }

  /** How many more keys can be read once `rows` are committed. */
  #keysGained(rows: readonly StagedRow[]): number {
    let gained = 0
    for (const key of new Set(rows.map(row => row.key))) {
      const before = this.#rowsOf(key)
      const lived = before.length > 0 && liveEntries(before.map(stored)).length > 0
      const lives = liveEntries(this.#slotsOf(key, before)).length > 0
      gained += Number(lives) - Number(lived)
    }
    return gained
  }

  /** Of stores that kept no count. By pages, so that it needs no memory. */
  #countKeys(): number {
    let count = 0
    for (let from: string | undefined = ''; from !== undefined;) {
      const keys: readonly string[] = this.#store.keys('', from, countPage + 1)
      count += keys.slice(0, countPage).filter(key => this.read(key) !== undefined).length
      from = keys[countPage]
    }
    return count
  }

  #current(key: string, slot: string): Entry | undefined {
    const staged = this.#staged.get(key)?.get(slot)
    if (staged !== undefined) return staged.entry
    const row = this.#rowsOf(key).find(each => each.slot === slot)
    return row === undefined ? undefined : stored(row)
  }

  #slotsOf(key: string, rows = this.#rowsOf(key)): Entry[] {
    const staged = this.#staged.get(key)
    const below = rows.filter(row => staged?.has(row.slot) !== true)
    return [...below.map(stored), ...[...(staged?.values() ?? [])].map(row => row.entry)]
  }

  /**
   * The committed rows of a key. New keys, the dearest reads of a random index, are recognised by the trie;
   * rows that are durable but not in the trie yet are still staged.
   */
  #rowsOf(key: string): readonly Row[] {
    return this.#trie.holds(this.#hash(toUtf8(key)), keyPathNibbles) ? this.#store.slots(key) : []
  }
}

/** The row of an entry, with its place in the trie. */
export function rowOf(entry: Entry, seq: Sequence, hash: Hash): NewRow {
  const { key, slot, digest, bytes } = entry
  const path = pathOf(key, slot, hash)
  return { seq, key, slot, digest, bytes, path, leaf: leafDigest(path, digest, hash) }
}

/** When an entry from the future may be taken in. */
function dueWall({ version }: Entry): number {
  return wallOf(version) - futureToleranceMs
}

function stored(row: Row): VerifiedEntry {
  const entry = parseStored(row.bytes, row.digest)
  assert(entry !== undefined, `row ${row.seq} holds a well-formed entry`)
  return entry
}

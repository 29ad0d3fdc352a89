/**
 * The replica: joins entries into the state, and is the only writer of the store.
 *
 * New entries are *staged* into the batch that is forming; `close` ends it, `batches.take` hands it out once it
 * is signed, while the next forms; `committed` makes it visible in the trie, `aborted` undoes both. So writers
 * share commits, and what depends on a write waits for `committed` (compare Ready/Advance in etcd raft).
 */
import { Batches } from './batches.ts'
import { uintToBytes } from './bytes.ts'
import { changesOf, type Changes } from './changes.ts'
import { CheckedRows } from './checked-rows.ts'
import { Deferred, dueWall, waitingFact } from './deferred.ts'
import type { Entry, EntryContent, VerifiedEntry } from './entry.ts'
import { assert, LatticeError } from './errors.ts'
import type { HybridClock } from './hlc.ts'
import { horizonContent, horizonKey, type Holders } from './horizon.ts'
import { clockFact, clockOf } from './kept-clock.ts'
import { KeyIndex } from './key-index.ts'
import { MerkleTrie, type Leaf } from './merkle.ts'
import { amnesiaFact, type Batch, type Hash, type Signer, type Store } from './ports.ts'
import { proveKey, type KeyProof } from './proof.ts'
import { Quarantine } from './quarantine.ts'
import { readKey } from './reading.ts'
import { Recovery } from './recovery.ts'
import { Signing } from './signing.ts'
import { wholeKey } from './slot.ts'
import type { KeyReading, Operation } from './status.ts'
import type { Committed, Origin, StagedRow, Verdict } from './staged.ts'
import { draftTransaction } from './transaction.ts'
import type { Incarnation, NodeId, Sequence, Version } from './units.ts'
import { storedEntry, Winners } from './winners.ts'

/** What a replica is made of. */
export interface ReplicaParts {
  readonly store: Store
  readonly hash: Hash
  readonly signer: Signer
  /** Authors whose entries are accepted; the node itself always is. */
  readonly trusted: ReadonlySet<NodeId>
  /** What counters are counted under until `countOn` (own-history.ts). */
  readonly provisionalLife?: Incarnation
  /** Who may know what the store has lost. Nobody by default. */
  readonly members?: ReadonlySet<NodeId>
  readonly isSalvaging?: () => boolean
}

/** The replicated state of one node. */
export class Replica {
  /** The Merkle trie over the committed entries. */
  readonly trie: MerkleTrie
  /** The committed rows, checked as they are read. */
  readonly rows: CheckedRows
  /** What was damaged and has not come back yet. */
  readonly quarantine: Quarantine
  /** What is known of keys beside their rows. */
  readonly keys: KeyIndex
  /** Entries from the future: no row holds them, and no root tells of them. */
  readonly deferred = new Deferred()
  /** Own entries that wait for their signature. */
  readonly signing: Signing
  /** What is on its way to the disk. */
  readonly batches: Batches
  readonly #store: Store
  readonly #hash: Hash
  readonly #signer: Signer
  readonly #trusted: ReadonlySet<NodeId>
  readonly #clock: HybridClock
  /** What new entries are joined with: the rows, and what is sealed or forming on top. */
  readonly #winners: Winners<StagedRow>
  #committedSeq: Sequence
  readonly #recovery: Recovery
  #provisionalLife: Incarnation | undefined
  #sealedClock: Version
  #committedClock: Version

  constructor(parts: ReplicaParts) {
    const { store, hash, signer, trusted, provisionalLife } = parts
    const { members = new Set(), isSalvaging = () => false } = parts
    this.#store = store
    this.#provisionalLife = provisionalLife
    this.#hash = hash
    this.#signer = signer
    this.signing = new Signing(signer, hash)
    this.#trusted = trusted
    this.#clock = clockOf(store, hash)
    this.trie = new MerkleTrie(hash, store.leaves())
    const isLeaving: Batches['isLeaving'] = leaf => this.batches.isLeaving(leaf)
    const clock = (): Version => this.#clock.highWater
    const committedSeq = (): Sequence => this.#committedSeq
    this.rows = new CheckedRows({ store, hash, trie: this.trie, committedSeq, isLeaving, clock })
    const stageFact = this.stageFact.bind(this)
    this.quarantine = new Quarantine({ store, hash, trie: this.trie, rows: this.rows, stageFact })
    this.#winners = new Winners(this.rows, this.trie, hash)
    this.#committedSeq = store.lastSeq
    this.batches = new Batches(this.signing, store.lastSeq)
    this.keys = new KeyIndex(store, hash, this.rows)
    if (this.keys.wasCounted && this.#hasDamage) this.keys.doubt()
    const horizon = this.#winners.current(horizonKey, wholeKey)?.version ?? 0n
    const isHorizonLost = (): boolean => this.quarantine.isDamaged(horizonKey)
    const whose = { store, self: signer.nodeId, members, isSalvaging }
    this.#recovery = new Recovery({ ...whose, horizon, isHorizonLost, stageFact })
    this.#committedClock = this.#sealedClock = this.#clock.highWater
  }

  /** Newest sequence that the trie covers. The store may be ahead of it by the batch in flight. */
  get committedSeq(): Sequence {
    return this.#committedSeq
  }

  /** Greatest version given out or seen. */
  get highWater(): Version {
    return this.#clock.highWater
  }

  /** Up to where deletes have ended here; 0 if none has. */
  get horizon(): Version {
    return this.#recovery.horizon
  }

  /** The same, as far as nothing that has ended elsewhere can be left here: 0 while recovering. */
  get settledHorizon(): Version {
    return this.isRecovering ? 0n : this.horizon
  }

  /** Nothing is written at or below this, nor missed; 0 if looking finds damage, 1 if it may lack more. */
  get floor(): Version {
    const floor = this.deferred.floor(this.#committedClock, key => this.#winners.latestDelete(key))
    const bound = this.#recovery.mayLackMore && floor > 1n ? 1n : floor
    return this.#vouches ? bound : 0n
  }

  /** Nothing is lost here, and nothing is left of what has ended elsewhere. */
  get #vouches(): boolean {
    return !this.isRecovering && !this.#hasDamage
  }

  get #hasDamage(): boolean {
    return this.rows.hasFound || this.quarantine.places.length > 0
  }

  /**
   * Whether cursors from before this start may have passed entries that were only waiting in memory. Forgets
   * it with the next commit: the caller must then have forgotten the cursors.
   */
  takeLostWaiting(): boolean {
    if (this.#store.fact(waitingFact) === undefined) return false
    this.stageFact(waitingFact, undefined)
    return true
  }

  /** Whether the store lost something, or was away while deletes ended, and has agreed with no peer since. */
  get isRecovering(): boolean {
    return this.#recovery.isUnderWay
  }

  /** What this node holds may have ended: it must agree with one that knows before it vouches for it. */
  recover(): void {
    this.#recovery.begin()
  }

  /**
   * The node has agreed with a peer, or with all: what was lost is back or beaten, what has ended is gone.
   * @param settled the horizon that peer vouches for; left out where there is none that could know better
   */
  recovered(settled = this.#recovery.stagedHorizon, peer?: NodeId): void {
    this.#recovery.end(settled, peer)
  }

  /** No other holds a later total of this node: counters go on in its own life, unless one waits here. */
  countOn(): void {
    if (this.deferred.of(this.#signer.nodeId).length === 0) this.#provisionalLife = undefined
  }

  /** Whether something has been staged since the last `close`. */
  get hasForming(): boolean {
    return this.batches.hasForming
  }

  /** Whether a closed batch waits for its verdict. */
  get isCommitting(): boolean {
    return this.batches.isCommitting
  }

  /** The committed key as readers see it. */
  read(key: string): KeyReading | undefined {
    if (key === horizonKey) return undefined
    const reading = readKey(key, this.rows.slots(key).map(storedEntry))
    return this.quarantine.isDamaged(key) ? undefined : reading
  }

  /**
   * The key with everything staged on top: what the next write will build on.
   * @throws LatticeError ENTRY_DAMAGED
   */
  readStaged(key: string): KeyReading | undefined {
    const reading = readKey(key, this.#winners.slotsOf(key))
    this.quarantine.refuse([{ op: 'put', key, value: null }])
    return reading
  }

  /**
   * Whether `entry` would change anything: not ended, not held, not waiting for its time, not beaten. Cheap
   * enough to ask before verifying a signature. By what is durable alone: what is on its way to the disk may
   * be refused there, and a cursor would pass an entry that nobody offers any more.
   * @param settled the settled horizon of the node that offers it
   */
  isNews(entry: Entry, settled: Version = 0n): boolean {
    if (this.#isEnded(entry, settled, this.horizon) || this.deferred.has(entry)) return false
    const present = this.#winners.committedEntry(entry.key, entry.slot)
    return this.#recovery.replaces(entry, present, settled, this.horizon)
  }

  /**
   * Which entries a committed key has, provable under the root; undefined: too many for a proof.
   * @throws LatticeError ENTRY_DAMAGED, because what is damaged must not be proven absent
   */
  prove(key: string): KeyProof | undefined {
    const proof = proveKey(key, {
      trie: this.trie,
      hash: this.#hash,
      slots: each => this.rows.slots(each),
      entryDigest: path => this.rows.under(path)?.digest,
    })
    if (this.rows.hasFound || this.quarantine.isDamaged(key)) throw new LatticeError('ENTRY_DAMAGED')
    return proof
  }

  /**
   * Joins entries of other nodes into the forming batch; a horizon among them first.
   * @param settled the settled horizon of the node that offers them
   */
  offer(entries: readonly VerifiedEntry[], origin: Origin, wall: number, settled: Version = 0n): Verdict[] {
    const verdicts: Verdict[] = []
    for (const first of [true, false])
      entries.forEach((entry, index) => {
        if ((entry.key === horizonKey) === first)
          verdicts[index] = this.#offerOne(entry, origin, wall, settled)
      })
    // Durable before a cursor passes what waits.
    const { least, isUnsaid } = this.deferred
    if (least !== undefined && isUnsaid) this.stageFact(waitingFact, uintToBytes(least))
    return verdicts
  }

  /**
   * Stages a horizon, to be signed: everything at or below it is held by all of `holders`. Nothing, where one
   * as late is here or on its way to the disk: another member may have been faster.
   */
  propose(horizon: Version, holders: Holders): void {
    if (horizon <= this.#recovery.stagedHorizon) return
    this.#stage(this.#draft(horizonContent(horizon, holders)))
  }

  /**
   * Drops leaves with the forming batch that a peer does not have, if the horizon it vouches for is not below
   * ours: those at or below ours, all while recovering, else those of damaged keys, which may have lost the
   * delete that silenced them. Returns the others.
   */
  disown(leaves: readonly Leaf[], vouched: Version): readonly Leaf[] {
    const { isUnderWay, stagedHorizon } = this.#recovery
    if (this.#vouches || vouched === 0n || vouched < stagedHorizon) return leaves
    return leaves.filter(leaf => {
      const row = this.rows.at(leaf)
      if (row === undefined || row.key === horizonKey || storedEntry(row).version > stagedHorizon) return true
      if (!isUnderWay && !this.quarantine.isDamaged(row.key)) return true
      this.batches.forming.disowned.set(row.seq, row)
      if (row.seq === this.#committedSeq) this.repeatHorizon()
      return false
    })
  }

  /** Stages the horizon as it stands once more: as the newest row, and to end what it has left over. */
  repeatHorizon(): void {
    const last = this.#winners.current(horizonKey, wholeKey)
    if (last !== undefined) this.#stage(this.#winners.rowFor(last, this.batches.nextSeq(), 'disk'))
  }

  /** Offers deferred entries again whose time has come; how many were staged. */
  retryDeferred(wall: number): number {
    const due = this.deferred.take(wall)
    const verdicts = due.map(({ entry, origin }) =>
      this.#offerOne(entry, origin, wall, this.#recovery.stagedHorizon),
    )
    if (this.deferred.clear()) this.stageFact(waitingFact, undefined)
    return verdicts.filter(verdict => verdict === 'staged').length
  }

  /**
   * Stages a transaction of this node, to be signed; its version.
   * @throws LatticeError as `draftTransaction`, or ENTRY_DAMAGED; nothing is staged then
   */
  write(operations: readonly Operation[], wall: number): Version {
    const version = this.#clock.next(wall)
    const author = this.#signer.nodeId
    const incarnation = this.#provisionalLife ?? this.#store.incarnation
    const about = { author, incarnation, version, horizon: this.#recovery.stagedHorizon, hash: this.#hash }
    const summaryOf = this.#winners.summaryOf.bind(this.#winners)
    const slotsOf = (key: string): readonly Entry[] => this.#winners.slotsOf(key)
    const contents = draftTransaction(operations, { ...about, summaryOf, slotsOf })
    this.quarantine.refuse(operations)
    for (const content of contents) this.#stage(this.#draft(content))
    return version
  }

  /** Stages a fact to be committed with the forming batch; undefined removes it. */
  stageFact(name: string, value: Uint8Array | undefined): void {
    this.batches.forming.facts.set(name, value)
  }

  /** Closes the forming batch. One batch at a time: `committed` or `aborted` must follow. */
  close(): void {
    assert(!this.isCommitting, 'one batch is in flight at a time')
    const { keys, rows, stillborn, drops } = this.#changes()
    for (const row of stillborn) this.#winners.unstage(row)
    this.#sealedClock = this.#clock.highWater
    const { isBlurred, spent } = this.quarantine.seal(rows)
    if (isBlurred || drops.some(({ key }) => this.quarantine.isDamaged(key))) this.keys.doubt()
    const facts = new Map(this.batches.forming.facts).set(clockFact, uintToBytes(this.#sealedClock))
    if (this.isRecovering) facts.set(amnesiaFact, new Uint8Array(0))
    const { least } = this.deferred
    if (least !== undefined) facts.set(waitingFact, uintToBytes(least))
    this.deferred.sealed()
    // Which entry of a transaction is the greatest, and so stays, only its signature tells.
    this.batches.close({ keys, rows, drops }, this.keys.closed(keys, this.quarantine, facts), spent)
  }

  /** Closes the forming batch and hands it out: for whoever has taken no job to sign. */
  seal(): Batch {
    this.close()
    const batch = this.batches.take()
    assert(batch !== undefined, 'what has not been handed out is signed at once')
    return batch
  }

  /** The sealed batch is durable: makes it visible and returns what it has changed. */
  committed(): Committed {
    const done = this.batches.committed()
    this.keys.committed()
    this.quarantine.committed()
    this.#committedClock = this.#sealedClock
    this.deferred.committed()
    this.#committedSeq = done.rows.at(-1)?.seq ?? this.#committedSeq
    this.#winners.committed(done)
    for (const { key, entry } of done.rows) if (key === horizonKey) this.#recovery.committed(entry.version)
    return done
  }

  /** The sealed batch was refused: forgets it and all that was built on it, but not that it must recover. */
  aborted(): void {
    this.batches.aborted(this.#committedSeq)
    this.#winners.clear()
    this.deferred.aborted()
    this.#recovery.aborted()
  }

  #offerOne(entry: VerifiedEntry, origin: Origin, wall: number, settled: Version): Verdict {
    if (entry.author !== this.#signer.nodeId && !this.#trusted.has(entry.author)) {
      this.deferred.refuse(entry.version)
      return 'refused'
    }
    if (this.#isEnded(entry, settled, this.#recovery.stagedHorizon)) return 'ended'
    if (this.deferred.has(entry)) return 'held'
    const present = this.#winners.current(entry.key, entry.slot)
    if (!this.#recovery.replaces(entry, present, settled, this.#recovery.stagedHorizon)) return 'held'
    if (dueWall(entry) > wall) {
      this.deferred.add(entry, origin)
      return 'deferred'
    }
    this.#clock.witness(entry.version, wall)
    this.#stage(this.#winners.rowFor(entry, this.batches.nextSeq(), origin))
    return 'staged'
  }

  #isEnded(entry: Entry, settled: Version, horizon: Version): boolean {
    // Also while its row is lost, no earlier horizon takes the place of one.
    if (entry.key === horizonKey) return entry.version < horizon
    if (!this.#recovery.hasEnded(entry.version, settled, horizon)) return false
    return !this.quarantine.isLost(entry)
  }

  #draft(content: EntryContent): StagedRow {
    return this.signing.draft(content, this.batches.nextSeq(), this.#winners.keyHash(content.key))
  }

  #stage(row: StagedRow): void {
    this.batches.forming.rows.push(row)
    this.#winners.stage(row)
    if (this.quarantine.isDamaged(row.key)) this.#winners.lookAgain(row.key)
    if (row.key === horizonKey) this.#recovery.adopt(row.entry, row.origin === 'local')
  }

  #changes(): Changes<StagedRow> {
    const staged = this.batches.forming.rows.filter(row => this.#winners.isStaged(row))
    const horizon = staged.find(row => row.key === horizonKey && row.origin !== 'copy')?.entry.version
    const due = horizon === undefined ? [] : this.keys.keysDue(horizon)
    const disowned = [...this.batches.forming.disowned.values()]
    const parts = { staged, disowned, newest: this.#committedSeq, horizon, due, quarantine: this.quarantine }
    return changesOf({ ...parts, winners: this.#winners })
  }
}

/**
 * Leaves taken out of trie and journal because their rows are damaged, remembered until they are back.
 *
 * What is lost is not deleted: the key must not read as absent, and an older entry must not take its place
 * unnoticed. A place is free again when the very entry has come back, when a later one stands there or the
 * key was deleted anew, or when all members agree with us without it, although some of them had it. Equal
 * roots with others prove nothing: a write that no peer had yet is missing from both. Kept as facts, so that
 * a restart forgets nothing.
 */
import { concatBytes, equalBytes, fromHex, fromUtf8, toHex, toUtf8, uintToBytes } from './bytes.ts'
import type { CheckedRows, Damage } from './checked-rows.ts'
import type { Entry } from './entry.ts'
import { LatticeError } from './errors.ts'
import { horizonKey } from './horizon.ts'
import { membersMax, quarantineMax } from './limits.ts'
import { leafDigest, pathOf, type MerkleTrie } from './merkle.ts'
import type { Hash, Store } from './ports.ts'
import { wholeKey } from './slot.ts'
import type { Operation } from './status.ts'
import type { Sequence, Version } from './units.ts'

const prefix = 'quarantine/'
/** Begins the names of facts that tell the leaves of places which a delete has freed. */
const deletedPrefix = 'deleted-damage/'
/** Sequence, leaf digest, clock and number of holders; marks of the holders and the key follow. */
const headBytes = 8 + 32 + 8 + 1
/** Bytes that tell a holder from the others. */
const markBytes = 4
/** Bytes of a path that all slots of a key share. */
const keyPathBytes = 32

/** What the quarantine works with. */
export interface QuarantineParts {
  readonly store: Pick<Store, 'facts' | 'at' | 'lastSeq'>
  readonly rows: CheckedRows
  readonly trie: MerkleTrie
  readonly hash: Hash
  /** Keeps a fact with the next commit; undefined removes it. */
  readonly stageFact: (name: string, value: Uint8Array | undefined) => void
}

/** A place whose entry is lost for now. */
export interface Place extends Damage {
  /** Peers that are known to have held the entry, by the first bytes of what tells them, in hex. */
  readonly holders: readonly string[]
}

/** A row that is about to be committed. */
interface Incoming {
  readonly entry: Entry
  readonly leaf: Uint8Array
  readonly origin: string
}

/** Places whose entry is lost for now. */
export class Quarantine {
  readonly #parts: QuarantineParts
  readonly #places = new Map<string, Place>()
  /** Their paths by that of their key: asked for each row that is staged, with up to a thousand places. */
  readonly #byKey = new Map<string, Set<string>>()
  readonly #fresh: Place[] = []
  /** Facts that are not durable: a refused commit takes them with it, and they go with the next one. */
  readonly #unsaid = new Map<string, Uint8Array | undefined>()
  /** Those of them that the sealed batch holds. */
  #sealed: ReadonlyMap<string, Uint8Array | undefined> = new Map()
  #healed = 0
  /** Leaves of places that are free again, the latest ones. */
  readonly #past = new Set<string>()
  /** Places that the sealed batch frees. */
  #freed: readonly Place[] = []
  /**
   * Places given up whose rows may still lie on the disk, with leaves that the next start would build on:
   * both go with the fact that told of them.
   */
  #givenUp: readonly Place[] = []
  /** Those of them that the sealed batch takes away. */
  #buried: ReadonlySet<Place> = new Set()

  /** Takes the places of earlier runs out of the trie again. */
  constructor(parts: QuarantineParts) {
    this.#parts = parts
    for (const [name, value] of parts.store.facts(prefix, quarantineMax)) {
      const place = decode(name, value)
      if (place === undefined) continue
      this.#add(place)
      this.#takeOut(place)
    }
    for (const [name] of parts.store.facts(deletedPrefix, quarantineMax))
      this.#past.add(name.slice(deletedPrefix.length))
  }

  /** What was damaged and has not come back yet, oldest first. */
  get places(): readonly Place[] {
    return [...this.#places.values()]
  }

  /**
   * The keys that are missing from what this node reads, each once, in no particular order; undefined stands
   * for those whose names the damage took. What has been found and not been taken yet counts, too.
   */
  get damagedKeys(): readonly (string | undefined)[] {
    const found = this.#parts.rows.found.filter(({ isStray }) => isStray !== true)
    const keys = new Set([...this.#places.values(), ...found].map(({ key }) => key))
    // No key of the state: nothing reads otherwise without it.
    keys.delete(horizonKey)
    return [...keys]
  }

  /** Places freed since the start of the process. */
  get healed(): number {
    return this.#healed
  }

  /**
   * Takes what the checks have found out of the trie; what is new here since the last call.
   *
   * @param holdersOf the peers that have had what the commit with this sequence brought
   */
  take(holdersOf: (seq: Sequence) => readonly string[] = () => []): readonly Place[] {
    this.#absorb()
    return this.#fresh.splice(0).map(place => {
      const holders = holdersOf(place.seq).map(markOf)
      return holders.length === 0 ? place : this.#keep({ ...place, holders })
    })
  }

  /** Whether something of the key is damaged: it cannot be read, and must not be taken for absent. */
  isDamaged(key: string): boolean {
    const { rows, hash } = this.#parts
    if (this.#places.size === 0 && !rows.hasFound) return false
    const start = toHex(hash(toUtf8(key)))
    return this.#byKey.has(start) || rows.hasFoundUnder(start)
  }

  /** Whether this very entry is lost here: it may come back from anybody. */
  isLost(entry: Entry): boolean {
    if (this.#places.size === 0) return false
    const { path, leaf } = this.#leafOf(entry)
    const lost = this.#places.get(toHex(path))
    return lost !== undefined && equalBytes(lost.leaf, leaf)
  }

  /** Whether it was so: it may come back long after its key was deleted here. */
  wasLost(entry: Entry): boolean {
    return this.#past.size > 0 && this.#past.has(toHex(this.#leafOf(entry).leaf))
  }

  /**
   * A key with something damaged can only be deleted: whatever else is written would build on half of it.
   * @throws LatticeError ENTRY_DAMAGED
   */
  refuse(operations: readonly Operation[]): void {
    this.#absorb()
    if (this.#places.size === 0) return
    const seen = new Set<string>()
    for (const { op, key } of operations) {
      const builds = !seen.has(key) && op !== 'delete'
      seen.add(key)
      if (builds && this.isDamaged(key))
        throw new LatticeError('ENTRY_DAMAGED', `${JSON.stringify(key)} was damaged on the disk of this node`)
    }
  }

  /**
   * A batch with these rows is sealed: stages the removal of the places it frees.
   * `isBlurred`: the rows change what a damaged key reads as, and nobody knows how.
   * `spent`: what is left on the disk of places that are free, to be dropped with the batch.
   */
  seal(rows: readonly Incoming[]): { readonly isBlurred: boolean; readonly spent: readonly Sequence[] } {
    for (const [name, value] of this.#unsaid) this.#parts.stageFact(name, value)
    this.#sealed = new Map(this.#unsaid)
    this.#freed = this.#freedBy(rows)
    const spent = this.#spentWith(rows)
    if (this.#freed.length > 0) this.#rememberDeleted(rows)
    if (this.#places.size === 0 && !this.#parts.rows.hasFound) return { isBlurred: false, spent }
    const returned = new Set(this.#freed.map(({ leaf }) => toHex(leaf)))
    const others = rows.filter(({ leaf }) => !returned.has(toHex(leaf)))
    return { isBlurred: others.some(({ entry }) => this.isDamaged(entry.key)), spent }
  }

  /** That batch is durable: what was lost in the places it frees is back, or counts no more. */
  committed(): void {
    for (const [name, value] of this.#sealed) if (this.#unsaid.get(name) === value) this.#unsaid.delete(name)
    this.#givenUp = this.#givenUp.filter(place => !this.#buried.has(place))
    this.#free(this.#freed)
  }

  /**
   * These peers, all there are, hold what this node holds, said since the last damage was found: frees the
   * places whose entries all of their holders now do without, because they have been superseded or have
   * ended; whether there were any. One holder is not enough: its disk may have lost the same.
   * Peers and holders are told by hex digits, the first eight of which count.
   * @param isPast whether none of them can still wait for the time of what was lost by a clock
   */
  agreed(peers: readonly string[], isPast: (clock: Version) => boolean = () => true): boolean {
    if (this.#places.size === 0 || peers.length === 0) return false
    const marks = new Set(peers.map(markOf))
    const settled = this.places.filter(
      ({ holders, clock }) => holders.length > 0 && holders.every(mark => marks.has(mark)) && isPast(clock),
    )
    this.#free(settled)
    this.#givenUp = [...this.#givenUp, ...settled]
    // For there to be a commit: what it removes is told again as it is sealed.
    for (const place of settled.filter(each => !this.#isNewest(each)))
      this.#parts.stageFact(factOf(place.path), undefined)
    return settled.length > 0
  }

  /** The rows to drop with a batch that brings these, each with the fact that told of it. */
  #spentWith(rows: readonly Incoming[]): readonly Sequence[] {
    const buried = this.#givenUp.filter(place => rows.length > 0 || !this.#isNewest(place))
    this.#buried = new Set(buried)
    const free = buried.filter(({ path }) => !this.#places.has(toHex(path)))
    for (const { path } of [...free, ...this.#freed]) this.#parts.stageFact(factOf(path), undefined)
    return [...buried, ...this.#freed].map(({ seq }) => seq).filter(seq => !this.#isInTrie(seq))
  }

  /** Nothing stands where a delete has freed a place: what was lost there may come back after a restart. */
  #rememberDeleted(rows: readonly Incoming[]): void {
    const taken = new Set(rows.map(({ entry }) => toHex(this.#leafOf(entry).path)))
    for (const { path, leaf } of this.#freed)
      if (!taken.has(toHex(path))) this.#parts.stageFact(deletedPrefix + toHex(leaf), new Uint8Array(0))
  }

  /** The newest row of a store is never dropped: its place in the commit order would be given out again. */
  #isNewest({ seq }: Place): boolean {
    return seq === this.#parts.store.lastSeq
  }

  #isInTrie(seq: Sequence): boolean {
    const { store, trie, hash } = this.#parts
    const row = store.at(seq)
    return row !== undefined && trie.get(pathOf(row.key, row.slot, hash))?.seq === seq
  }

  #leafOf({ key, slot, digest }: Entry): Pick<Place, 'path' | 'leaf'> {
    const { hash } = this.#parts
    const path = pathOf(key, slot, hash)
    return { path, leaf: leafDigest(path, digest, hash) }
  }

  #free(places: readonly Place[]): void {
    for (const { path, leaf } of places) {
      const [name, start] = [toHex(path), keyPartOf(path)]
      if (!this.#places.delete(name)) continue
      this.#healed++
      this.#past.add(toHex(leaf))
      if (this.#past.size > quarantineMax) this.#forgetOldest()
      const others = this.#byKey.get(start)
      others?.delete(name)
      if (others?.size === 0) this.#byKey.delete(start)
    }
  }

  #forgetOldest(): void {
    const oldest = this.#past.keys().next().value ?? ''
    this.#past.delete(oldest)
    this.#say(deletedPrefix + oldest, undefined)
  }

  /**
   * Where the very entry or a later one has come, its own place; all of a key that is deleted here, because
   * nothing of before the delete counts any more.
   */
  #freedBy(rows: readonly Incoming[]): readonly Place[] {
    if (this.#places.size === 0) return []
    const { hash } = this.#parts
    return rows.flatMap(({ entry, leaf, origin }) => {
      const path = pathOf(entry.key, entry.slot, hash)
      const deletes = origin === 'local' && entry.slot === wholeKey && entry.value === undefined
      const names = deletes ? [...(this.#byKey.get(keyPartOf(path)) ?? [])] : [toHex(path)]
      const lost = names.flatMap(name => this.#places.get(name) ?? [])
      return lost.filter(each => deletes || equalBytes(each.leaf, leaf) || entry.version > each.clock)
    })
  }

  #say(name: string, value: Uint8Array | undefined): void {
    this.#unsaid.set(name, value)
    this.#parts.stageFact(name, value)
  }

  #absorb(): void {
    for (const damage of this.#parts.rows.take()) {
      // Still there, and read again.
      if (this.#places.get(toHex(damage.path))?.seq === damage.seq) continue
      this.#takeOut(damage)
      if (damage.isStray === true) continue
      this.#fresh.push(this.#keep({ ...damage, holders: [] }))
    }
  }

  #keep(place: Place): Place {
    this.#add(place)
    this.#say(factOf(place.path), encode(place))
    return place
  }

  #add(place: Place): void {
    const [name, start] = [toHex(place.path), keyPartOf(place.path)]
    this.#places.set(name, place)
    this.#byKey.set(start, (this.#byKey.get(start) ?? new Set()).add(name))
  }

  /** Unless another row stands there by now. */
  #takeOut({ path, seq }: Damage): void {
    if (this.#parts.trie.get(path)?.seq === seq) this.#parts.trie.delete(path)
  }
}

function factOf(path: Uint8Array): string {
  return prefix + toHex(path)
}

/** The part of a path that all slots of its key share, in hex. */
function keyPartOf(path: Uint8Array): string {
  return toHex(path.subarray(0, keyPathBytes))
}

function markOf(peer: string): string {
  return peer.slice(0, 2 * markBytes)
}

function encode({ seq, leaf, clock, holders, key }: Place): Uint8Array {
  const marks = holders.slice(0, membersMax).map(mark => fromHex(mark) as Uint8Array)
  const head = [uintToBytes(BigInt(seq)), leaf, uintToBytes(clock), Uint8Array.of(marks.length)]
  return concatBytes(...head, ...marks, toUtf8(key ?? ''))
}

function decode(name: string, value: Uint8Array): Place | undefined {
  const path = fromHex(name.slice(prefix.length))
  if (path?.length !== 2 * keyPathBytes || value.length < headBytes) return undefined
  const marksEnd = headBytes + markBytes * (value[headBytes - 1] as number)
  const marks = toHex(value.subarray(headBytes, marksEnd))
  const key = fromUtf8(value.subarray(marksEnd))
  return {
    path,
    leaf: value.slice(8, 40),
    seq: Number(BigInt(`0x${toHex(value.subarray(0, 8))}`)),
    clock: BigInt(`0x${toHex(value.subarray(40, 48))}`),
    holders: marks.match(/.{8}/g) ?? [],
    key: key === '' ? undefined : key,
  }
}

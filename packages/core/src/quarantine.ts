/**
 * Leaves taken out of trie and journal because their rows are damaged, remembered until they are back.
 *
 * What is lost is not deleted: the key must not read as absent, and an older entry must not take its place
 * unnoticed. A place is free again when the very entry has come back, when the key was deleted anew, or when
 * equal roots with all members prove that nobody has it. Kept as facts, so that a restart forgets nothing.
 */
import { concatBytes, equalBytes, fromHex, fromUtf8, toHex, toUtf8, uintToBytes } from './bytes.ts'
import type { CheckedRows, Damage } from './checked-rows.ts'
import type { Entry } from './entry.ts'
import { LatticeError } from './errors.ts'
import { quarantineMax } from './limits.ts'
import { pathOf, type MerkleTrie } from './merkle.ts'
import type { Hash, Store } from './ports.ts'
import { wholeKey } from './slot.ts'
import type { Operation } from './status.ts'

const prefix = 'quarantine/'
/** Sequence and leaf digest; the key follows. */
const headBytes = 8 + 32
/** Bytes of a path that all slots of a key share. */
const keyPathBytes = 32

/** What the quarantine works with. */
export interface QuarantineParts {
  readonly store: Pick<Store, 'facts'>
  readonly rows: CheckedRows
  readonly trie: MerkleTrie
  readonly hash: Hash
  /** Keeps a fact with the next commit; undefined removes it. */
  readonly stageFact: (name: string, value: Uint8Array | undefined) => void
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
  readonly #places = new Map<string, Damage>()
  readonly #fresh: Damage[] = []
  /** Places that the sealed batch frees. */
  #freed: readonly Damage[] = []

  /** Takes the places of earlier runs out of the trie again. */
  constructor(parts: QuarantineParts) {
    this.#parts = parts
    for (const [name, value] of parts.store.facts(prefix, quarantineMax)) {
      const damage = decode(name, value)
      if (damage === undefined) continue
      this.#places.set(toHex(damage.path), damage)
      this.#takeOut(damage)
    }
  }

  /** What was damaged and has not come back yet, oldest first. */
  get places(): readonly Damage[] {
    return [...this.#places.values()]
  }

  /** Takes what the checks have found out of the trie; what is new here since the last call. */
  take(): readonly Damage[] {
    this.#absorb()
    return this.#fresh.splice(0)
  }

  /** Whether something of the key is damaged: it cannot be read, and must not be taken for absent. */
  isDamaged(key: string): boolean {
    const { rows, hash } = this.#parts
    if (this.#places.size === 0 && !rows.hasFound) return false
    const start = toHex(hash(toUtf8(key)))
    return rows.hasFoundUnder(start) || [...this.#places.keys()].some(path => path.startsWith(start))
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
   */
  seal(rows: readonly Incoming[]): { readonly isBlurred: boolean } {
    this.#freed = this.#freedBy(rows)
    this.#stageRemoval(this.#freed)
    const returned = new Set(this.#freed.map(({ leaf }) => toHex(leaf)))
    const others = rows.filter(({ leaf }) => !returned.has(toHex(leaf)))
    return { isBlurred: others.some(({ entry }) => this.isDamaged(entry.key)) }
  }

  /** That batch is durable: what was lost in the places it frees is back, or counts no more. */
  committed(): void {
    for (const { path } of this.#freed) this.#places.delete(toHex(path))
  }

  /** Frees all places, because nothing is missing any more; whether there were any. */
  clear(): boolean {
    const hadAny = this.#places.size > 0
    this.#stageRemoval(this.places)
    this.#places.clear()
    return hadAny
  }

  /**
   * Where the very entry has come back, its own place; all of a key that is deleted here, because nothing of
   * before the delete counts any more.
   */
  #freedBy(rows: readonly Incoming[]): readonly Damage[] {
    if (this.#places.size === 0) return []
    const { hash } = this.#parts
    return rows.flatMap(({ entry, leaf, origin }) => {
      const path = pathOf(entry.key, entry.slot, hash)
      const deletes = origin === 'local' && entry.slot === wholeKey && entry.value === undefined
      const keyHash = path.subarray(0, keyPathBytes)
      if (deletes) return this.places.filter(each => equalBytes(each.path.subarray(0, keyPathBytes), keyHash))
      const lost = this.#places.get(toHex(path))
      return lost !== undefined && equalBytes(lost.leaf, leaf) ? [lost] : []
    })
  }

  #stageRemoval(places: readonly Damage[]): void {
    for (const { path } of places) this.#parts.stageFact(factOf(path), undefined)
  }

  #absorb(): void {
    for (const damage of this.#parts.rows.take()) {
      this.#places.set(toHex(damage.path), damage)
      this.#takeOut(damage)
      this.#parts.stageFact(factOf(damage.path), encode(damage))
      this.#fresh.push(damage)
    }
  }

  /** Unless another row stands there by now. */
  #takeOut({ path, seq }: Damage): void {
    if (this.#parts.trie.get(path)?.seq === seq) this.#parts.trie.delete(path)
  }
}

function factOf(path: Uint8Array): string {
  return prefix + toHex(path)
}

function encode({ seq, leaf, key }: Damage): Uint8Array {
  return concatBytes(uintToBytes(BigInt(seq)), leaf, toUtf8(key ?? ''))
}

function decode(name: string, value: Uint8Array): Damage | undefined {
  const path = fromHex(name.slice(prefix.length))
  if (path?.length !== 2 * keyPathBytes || value.length < headBytes) return undefined
  const key = fromUtf8(value.subarray(headBytes))
  return {
    path,
    leaf: value.slice(8, headBytes),
    seq: Number(BigInt(`0x${toHex(value.subarray(0, 8))}`)),
    key: key === '' ? undefined : key,
  }
}

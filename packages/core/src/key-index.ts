/**
 * What the store remembers about keys beside their rows: how many can be read, and which have something to
 * end.
 *
 * Kept as facts, changed in the commits that change the keys: so nothing has to be counted or searched at a
 * start.
 */
import { equalBytes, fromUtf8, toHex, toUtf8, uintToBytes } from './bytes.ts'
import type { CheckedRows } from './checked-rows.ts'
import { parseStored, type Entry } from './entry.ts'
import { horizonKey } from './horizon.ts'
import { summaryOf, type KeySummary } from './key-summary.ts'
import type { Hash, Row, Store } from './ports.ts'
import type { Version } from './units.ts'
import { storedEntry } from './winners.ts'

/** Name of the fact that holds the number of keys that can be read. */
const keyCountFact = 'keys'

/** Name of the fact that holds the number of entries that end some day. */
const endingCountFact = 'endings'

/** Prefix of the facts that say when the first entry of a key ends; each holds the key. */
const duePrefix = 'due/'

/** Characters of such a name before that of its key: the version in hex, and a slash. */
const dueHeadLength = duePrefix.length + 17

/** Rows looked at together where keys have to be counted: at most 32 MiB. */
const countPage = 256

/**
 * Keys that one horizon ends something of, at most. Proposers stay far below; the rest of what a hostile one
 * names goes with the next horizon.
 */
const keysDueMax = 50_000

/** A key before and after a commit. */
export interface KeyChange {
  readonly key: string
  readonly before: KeySummary
  /** Known once all of the commit is signed. */
  readonly after: () => KeySummary
}

/** Knows of which keys something is lost. */
export interface DamagedKeys {
  isDamaged(key: string): boolean
}

/** What there is of keys, where they have to be counted. */
type KeyRows = Pick<CheckedRows, 'slots' | 'countOf'>

type Facts = Map<string, Uint8Array | undefined>

/** Counts keys and knows what ends when. */
export class KeyIndex {
  /** Whether everything has been counted at this start. */
  readonly wasCounted: boolean
  readonly #store: Store
  readonly #hash: Hash
  #counts: { keys: number; endings: number }
  #sealed: { keys: number; endings: number }
  /** Facts of a store that kept none, to go with the next commit. */
  readonly #missing: Facts = new Map()
  #isDoubtful = false

  /** @param rows asked only for stores that kept no counts */
  constructor(store: Store, hash: Hash, rows: KeyRows) {
    this.#store = store
    this.#hash = hash
    const [keys, endings] = [keyCountFact, endingCountFact].map(name => store.fact(name))
    this.#counts = { keys: numberOf(keys), endings: numberOf(endings) }
    this.wasCounted = keys === undefined || endings === undefined
    if (this.wasCounted) this.#counts = this.#recount(rows)
    this.#sealed = this.#counts
  }

  /** Keys that can be read: deleted ones do not count. */
  get keyCount(): number {
    return this.#counts.keys
  }

  /** Entries that end by a horizon to come: deletes, removals, and what they have silenced. */
  get endingCount(): number {
    return this.#counts.endings
  }

  /** The least horizons at which some key has something to end, ascending, at most `limit`. */
  dues(limit: number): Version[] {
    return this.#store.facts(duePrefix, limit).map(([name]) => dueIn(name))
  }

  /** Keys that have something to end at or below `horizon`. */
  keysDue(horizon: Version): string[] {
    return this.#store
      .facts(duePrefix, keysDueMax)
      .filter(([name]) => dueIn(name) <= horizon)
      .map(([, key]) => fromUtf8(key) ?? '')
  }

  /** Something of before was lost, and nobody can tell what it counted for: the next start counts anew. */
  doubt(): void {
    this.#isDoubtful = true
  }

  /**
   * A batch is closed that makes these changes: gives the facts that go with it once it is signed. What of
   * them is found damaged meanwhile counts in neither way.
   */
  closed(changes: readonly KeyChange[], quarantine: DamagedKeys, others: Facts): () => Facts {
    const whole = changes.filter(({ key }) => !quarantine.isDamaged(key))
    return () => {
      if (whole.some(({ key }) => quarantine.isDamaged(key))) this.doubt()
      return this.seal(changes, quarantine, others)
    }
  }

  /**
   * The facts that go with a commit that makes these changes, and `others`.
   * @param quarantine where something of a key is lost, nobody knows what it counts for, only when it is due
   */
  seal(changes: readonly KeyChange[], quarantine: DamagedKeys, others: Facts = new Map()): Facts {
    const facts: Facts = new Map([...others, ...this.#missing])
    const counts = { ...this.#counts }
    const damaged = changes.filter(({ key }) => quarantine.isDamaged(key))
    if (damaged.length > 0) this.#setDue(damaged, facts)
    for (const { key, before, after } of changes.filter(each => !damaged.includes(each))) {
      const is = after()
      counts.keys += Number(isReadable(key, is)) - Number(isReadable(key, before))
      counts.endings += is.endings - before.endings
      if (before.due === is.due) continue
      if (before.due !== undefined) facts.set(this.#dueFact(key, before.due), undefined)
      if (is.due !== undefined) facts.set(this.#dueFact(key, is.due), toUtf8(key))
    }
    this.#sealed = counts
    return facts
      .set(keyCountFact, this.#isDoubtful ? undefined : uintToBytes(BigInt(counts.keys)))
      .set(endingCountFact, uintToBytes(BigInt(counts.endings)))
  }

  /** The commit is durable. */
  committed(): void {
    this.#counts = this.#sealed
    this.#missing.clear()
  }

  /**
   * Whatever was said before, with more or less of the key at hand, gives way to what is there now. Beyond
   * the first so many dues it stays until the keys are counted anew, and only makes the key be looked at.
   */
  #setDue(changes: readonly KeyChange[], facts: Facts): void {
    const names = new Set(changes.map(({ key }) => this.#nameOf(key)))
    for (const [name] of this.#store.facts(duePrefix, keysDueMax))
      if (names.has(name.slice(dueHeadLength))) facts.set(name, undefined)
    for (const { key, after } of changes) {
      const { due } = after()
      if (due !== undefined) facts.set(this.#dueFact(key, due), toUtf8(key))
    }
  }

  /**
   * In the order of the log, which is read several times as fast as key by key: nearly all rows are the only
   * ones of their keys. Facts that are right stay as they are, so that no commit has to write them all.
   */
  #recount(rows: KeyRows): { keys: number; endings: number } {
    const counts = { keys: 0, endings: 0 }
    for (const name of this.#dueNames()) this.#missing.set(name, undefined)
    const count = (key: string, slots: readonly Entry[]): void => {
      const summary = summaryOf(slots)
      counts.keys += Number(isReadable(key, summary))
      counts.endings += summary.endings
      const name = summary.due === undefined ? undefined : this.#dueFact(key, summary.due)
      if (name !== undefined && !this.#missing.delete(name)) this.#missing.set(name, toUtf8(key))
    }
    const others = new Set<string>()
    for (const row of this.#allRows()) {
      const entry = rows.countOf(row.key) === 1 ? this.#entryIn(row) : undefined
      if (entry === undefined) others.add(row.key)
      else count(row.key, [entry])
    }
    for (const key of others) count(key, rows.slots(key).map(storedEntry))
    return counts
  }

  *#allRows(): Generator<Row> {
    for (let page = this.#store.after(0, countPage); page.length > 0;) {
      yield* page
      page = this.#store.after((page.at(-1) as Row).seq, countPage)
    }
  }

  /** Names of all such facts: where more begin alike than are read at once, by what follows. */
  #dueNames(prefix = duePrefix): string[] {
    const found = this.#store.facts(prefix, keysDueMax)
    if (found.length < keysDueMax) return found.map(([name]) => name)
    return '/0123456789abcdef'.split('').flatMap(next => this.#dueNames(prefix + next))
  }

  /** The entry of a row; undefined where that is damaged. */
  #entryIn({ key, slot, bytes, digest }: Row): Entry | undefined {
    if (!equalBytes(this.#hash(bytes), digest)) return undefined
    const entry = parseStored(bytes, digest)
    return entry?.key === key && entry.slot === slot ? entry : undefined
  }

  #dueFact(key: string, due: Version): string {
    return `${duePrefix}${due.toString(16).padStart(16, '0')}/${this.#nameOf(key)}`
  }

  #nameOf(key: string): string {
    return toHex(this.#hash(toUtf8(key)).subarray(0, 16))
  }
}

function isReadable(key: string, { top }: KeySummary): boolean {
  return key !== horizonKey && top !== undefined
}

function dueIn(name: string): Version {
  return BigInt(`0x${name.slice(duePrefix.length, duePrefix.length + 16)}`)
}

function numberOf(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 0 : Number(BigInt(`0x${toHex(bytes)}`))
}

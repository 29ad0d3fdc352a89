/**
 * What clients did and what they were told: the yardstick for what the federation must still know in the end.
 *
 * An acknowledged write may be superseded by a greater version, never lost. What was refused must not be
 * there. What was never answered (the process ended first) may be there or not.
 */
import {
  compareEntries,
  elementSlot,
  encodeValue,
  entrySignature,
  horizonKey,
  isLatticeError,
  parseEntry,
  storedValueOf,
  toHex,
  wallOf,
  type Entry,
  type Operation,
  type Row,
  type Version,
} from './entries.ts'
import { sha256 } from './keys.ts'
import { mischiefPrefix } from './mischief.ts'
import type { Member, World } from './world.ts'

/** What became of a write as far as its client knows. */
type Outcome = 'pending' | 'acknowledged' | 'refused' | 'unknown'

interface Attempt {
  /** In whose name it was made. */
  readonly member: number
  /** Where. */
  readonly machine: number
  readonly incarnation: string
  readonly operations: readonly Operation[]
  /** Of a counter exact only once acknowledged: under which life it counts is the writer's business. */
  places: readonly string[]
  outcome: Outcome
  version: Version
}

/** Stands for the slot of an author's counter, whichever life it counts under. */
const someLife = 'life of n'

/** With these a node gives up on a write that may be on its disk already. */
const uncertain: ReadonlySet<string> = new Set(['NOT_READY', 'STORE_SUSPECT'])

/** How far the entries of others may drag a clock, in ms (docs/reliability.md). */
const futureMs = 600_000

/** Keys that are only ever incremented, by positive amounts: their sum is known exactly. */
export const sumPrefix = 'sum-'

/** The books of all clients. */
export class Ledger {
  readonly #world: World
  readonly #attempts: Attempt[] = []
  /** Greatest acknowledged version of each life of a store. */
  readonly #latest = new Map<string, Version>()
  /** Members of whom two machines have run at once. */
  readonly #doubled = new Set<number>()
  #acknowledged = 0

  constructor(world: World) {
    this.#world = world
  }

  /** Writes acknowledged so far. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** A client writes at a node that runs. */
  write(member: Member, operations: readonly Operation[]): void {
    const { process } = member
    if (process === undefined) return
    const author = this.#authorOf(member)
    const incarnation = lifeOn(member)
    const effective = operations.filter((each, at) => !isForgotten(each, operations.slice(at + 1)))
    const places = effective.map(operation => placeOf(operation, author))
    const attempt: Attempt = {
      member: author,
      machine: member.index,
      incarnation,
      operations: effective,
      places,
      outcome: 'pending',
      version: 0n,
    }
    const before = this.#latest.get(incarnation) ?? 0n
    this.#attempts.push(attempt)
    process.life.enter(() => {
      process.runtime.write(operations).then(
        ({ version }) => {
          if (process.life.alive) this.#acked(member, attempt, version, before)
        },
        (error: unknown) => {
          const certain = isLatticeError(error) && !uncertain.has(error.code)
          if (attempt.outcome === 'pending') attempt.outcome = certain ? 'refused' : 'unknown'
          this.#world.count(`write-${isLatticeError(error) ? error.code : 'error'}`)
        },
      )
    })
  }

  /** The process of a member has ended: what it has not answered stays open for ever. */
  ended(member: Member): void {
    for (const attempt of this.#attempts)
      if (attempt.machine === member.index && attempt.outcome === 'pending') attempt.outcome = 'unknown'
  }

  /**
   * From now on two machines are one member. What both count under one name, before either has seen the
   * other, the later total may replace: of increments in this name nothing is promised any more.
   */
  doubled(member: Member): void {
    this.#doubled.add(this.#authorOf(member))
  }

  /**
   * A disk is about to be lost, or what it has at one place: what no other disk holds may go with it.
   */
  excuse(lost: Member, only?: string): void {
    if (only === undefined) this.#latest.delete(lifeOn(lost))
    const others = this.#world.present.filter(member => member !== lost).map(winners)
    for (const attempt of this.#attempts) {
      if (attempt.outcome !== 'acknowledged') continue
      const places = attempt.places.filter(place => only === undefined || place === only)
      const isKept = (place: string): boolean =>
        others.some(entries => (entries.get(place)?.version ?? 0n) >= attempt.version)
      if (places.every(isKept)) continue
      attempt.outcome = 'unknown'
      this.#world.count('excused-by-loss')
    }
  }

  /** Keys that somebody has tried to write. */
  get keys(): ReadonlySet<string> {
    return new Set(this.#attempts.flatMap(({ places }) => places.map(place => place.split('|')[0] ?? '')))
  }

  /** Checks what every disk holds once all are equal. */
  audit(member: Member): void {
    const entries = winners(member)
    const horizon = entries.get(`${horizonKey}|`)?.version ?? 0n
    if (horizon > 0n) this.#world.count('deletes-ended')
    entries.delete(`${horizonKey}|`)
    const beaten = this.#beaten()
    const say = (what: string): void => this.#world.violate(`n${member.index}: ${what}`)
    for (const attempt of this.#attempts) {
      if (attempt.outcome !== 'acknowledged') continue
      for (const place of attempt.places) {
        const found = entries.get(place)?.version ?? 0n
        if (found >= attempt.version) continue
        const mayHaveEnded = beaten.has(place) || beaten.has(place.split('|')[0] as string)
        if (found === 0n && attempt.version <= horizon && mayHaveEnded) continue
        say(`acknowledged write lost: ${place} at ${attempt.version} by n${attempt.member}; found ${found}`)
      }
    }
    this.#auditOrigins(entries, say)
    this.#auditSums(entries, say)
    this.#auditDead(entries, say)
  }

  /** Places, and whole keys, at which a delete may have beaten or silenced what was written before. */
  #beaten(): Set<string> {
    const beaten = new Set<string>()
    for (const { outcome, operations, places } of this.#attempts)
      operations.forEach(({ op, key }, at) => {
        if (outcome === 'refused') return
        if (op === 'delete') beaten.add(key)
        if (op === 'remove') beaten.add(places[at] as string)
      })
    return beaten
  }

  /**
   * Nothing rises from the dead: a slot written before a delete of its key is there only beside that delete.
   * Keys of one type only, so that no register takes the place of the delete.
   */
  #auditDead(entries: ReadonlyMap<string, Entry>, say: (what: string) => void): void {
    const deleted = new Map<string, Version>()
    for (const { outcome, operations, version } of this.#attempts)
      for (const { op, key } of outcome === 'acknowledged' ? operations : [])
        if (op === 'delete' && version > (deleted.get(key) ?? 0n)) deleted.set(key, version)
    for (const [place, entry] of entries) {
      const version = deleted.get(entry.key) ?? 0n
      if (entry.slot === '' || entry.base >= version || entries.has(`${entry.key}|`)) continue
      say(`risen from the dead: ${place} written over ${entry.base}, deleted at ${version}`)
    }
  }

  /** Every entry on a disk is signed, and was written by a client of its author. */
  #auditOrigins(entries: ReadonlyMap<string, Entry>, say: (what: string) => void): void {
    const written = new Set<string>()
    for (const { member, operations, places, outcome } of this.#attempts) {
      if (outcome === 'refused') continue
      operations.forEach((operation, at) => written.add(`${member} ${places[at]} ${contentOf(operation)}`))
    }
    const { members, keys } = this.#world
    for (const [place, entry] of entries) {
      const author = members.findIndex(({ id }) => id === entry.author)
      if (!keys.check(entrySignature(entry))) say(`entry without a valid signature: ${place}`)
      const content = entry.kind === 'counter' ? 'increment' : describe(entry)
      if (place.startsWith(mischiefPrefix)) continue
      const open = `${entry.key}|${someLife}${author}`
      const mayBe = entry.kind === 'counter' && written.has(`${author} ${open} ${content}`)
      if (!mayBe && !written.has(`${author} ${place} ${content}`))
        say(`invented: ${place} ${content} by n${author}`)
    }
  }

  #auditSums(entries: ReadonlyMap<string, Entry>, say: (what: string) => void): void {
    const bounds = new Map<string, { least: number; most: number }>()
    for (const { operations, places, outcome } of this.#attempts)
      operations.forEach((operation, at) => {
        if (operation.op !== 'increment' || !operation.key.startsWith(sumPrefix)) return
        const bound = bounds.get(places[at] as string) ?? { least: 0, most: 0 }
        bounds.set(places[at] as string, bound)
        if (outcome === 'acknowledged') bound.least += operation.by
        if (outcome !== 'refused') bound.most += operation.by
      })
    for (const [place, { least, most }] of bounds) {
      const [key = '', slot = ''] = place.split('|')
      if (slot.startsWith(someLife)) continue
      const entry = entries.get(place)
      const total = entry === undefined ? 0 : (storedValueOf(entry) as number)
      const author = this.#world.members.findIndex(({ id }) => slot.startsWith(id, 2))
      const unanswered = bounds.get(`${key}|${someLife}${author}`)?.most ?? 0
      if (total < least || total > most + unanswered)
        say(`counter ${place} is ${total}, not in [${least}, ${most}]`)
    }
  }

  /**
   * A node that has lost its past does not know how far deletes have ended, and where its clock is behind by
   * more than they are remembered, the others refuse what it writes (decision 7).
   */
  #isBelowHorizon(member: Member, version: Version): boolean {
    if (!this.#world.losses.has(member.index)) return false
    const horizonOn = ({ disk }: Member): Version =>
      disk
        .slots(horizonKey)
        .reduce((newest, row) => max(newest, disk.isDamaged(row) ? 0n : (parse(row)?.version ?? 0n)), 0n)
    return version > horizonOn(member) && version <= this.#world.present.map(horizonOn).reduce(max, 0n)
  }

  #authorOf({ id }: Member): number {
    return this.#world.members.findIndex(member => member.id === id)
  }

  #acked(member: Member, attempt: Attempt, version: Version, before: Version): void {
    const { incarnation } = attempt
    if (attempt.outcome !== 'pending') return
    const isDoubled = this.#doubled.has(attempt.member) && attempt.operations.some(isIncrement)
    const isBelow = this.#isBelowHorizon(member, version)
    if (isBelow) this.#world.count('written-below-the-horizon')
    attempt.outcome = isDoubled || isBelow ? 'unknown' : 'acknowledged'
    attempt.version = version
    this.#acknowledged++
    this.#world.note(`n${member.index}`, `acknowledges ${version.toString(16)}`)
    if (version <= before)
      this.#world.violate(`n${member.index}: clock went back: ${version} after ${before} in ${incarnation}`)
    const latest = this.#latest.get(incarnation) ?? 0n
    if (version > latest) this.#latest.set(incarnation, version)
    // The copy of a machine goes on from the clock of the other.
    const twins = this.#world.members.filter(({ id }) => id === member.id)
    if (wallOf(version) > Math.max(...twins.map(({ wall }) => wall.greatest)) + futureMs)
      this.#world.violate(`n${member.index}: the clock was dragged to ${wallOf(version)}`)
    attempt.places = attempt.places.map(place => exactPlace(place, member, version))
    for (const place of attempt.places) {
      const [key, slot] = place.split('|') as [string, string]
      const row = member.disk.row(key, slot)
      if (row !== undefined && member.disk.isDamaged(row)) continue
      if ((row === undefined ? 0n : (parse(row)?.version ?? 0n)) < version)
        this.#world.violate(`n${member.index}: acknowledged before it was durable: ${place}`)
    }
  }
}

/** The life of the store on one machine. */
function lifeOn({ index, disk }: Member): string {
  return `${index}/${disk.image.incarnation}`
}

function max(one: Version, other: Version): Version {
  return one > other ? one : other
}

function isIncrement({ op }: Operation): boolean {
  return op === 'increment'
}

/** The entry that wins each place on one disk. */
export function winners(member: Member): Map<string, Entry> {
  const found = new Map<string, Entry>()
  for (const row of member.disk.intactRows) {
    const entry = parse(row)
    if (entry === undefined) continue
    const place = `${entry.key}|${entry.slot}`
    const present = found.get(place)
    if (present === undefined || compareEntries(entry, present) > 0) found.set(place, entry)
  }
  return found
}

/** All that one disk holds, as one text in one order. */
export function dump(member: Member): string {
  return member.disk.intactRows
    .map(({ bytes }) => toHex(bytes))
    .toSorted()
    .join('\n')
}

function parse(row: Row): Entry | undefined {
  return parseEntry(row.bytes, sha256)
}

/** A later delete of the same transaction leaves nothing of what it did to the key before. */
function isForgotten({ key }: Operation, later: readonly Operation[]): boolean {
  return later.some(each => each.op === 'delete' && each.key === key)
}

function placeOf(operation: Operation, author: number): string {
  switch (operation.op) {
    case 'put':
    case 'delete':
      return `${operation.key}|`
    case 'increment':
      return `${operation.key}|${someLife}${author}`
    case 'add':
    case 'remove':
      return `${operation.key}|${elementSlot(encodeValue(operation.element), sha256)}`
  }
}

/** Where a counter that was acknowledged with `version` stands: in the author's slot that moved last by then. */
function exactPlace(place: string, { id, disk }: Member, version: Version): string {
  const [key = '', slot = ''] = place.split('|')
  if (!slot.startsWith(someLife)) return place
  const moved = disk
    .slots(key)
    .filter(row => row.slot.startsWith(id, 2))
    .map(row => ({ slot: row.slot, version: parse(row)?.version ?? 0n }))
    .filter(each => each.version >= version)
    .toSorted((a, b) => (a.version < b.version ? -1 : 1))
  return `${key}|${moved[0]?.slot ?? slot}`
}

function contentOf(operation: Operation): string {
  switch (operation.op) {
    case 'put':
      return JSON.stringify(operation.value)
    case 'add':
      return JSON.stringify(operation.element)
    case 'increment':
      return 'increment'
    case 'delete':
    case 'remove':
      return 'tombstone'
  }
}

function describe(entry: Entry): string {
  return entry.value === undefined ? 'tombstone' : JSON.stringify(storedValueOf(entry))
}

/**
 * Turns the operations of one transaction into entry contents: all of them or an error, nothing in between.
 *
 * Operations see the effect of those before them. Per `(key, slot)` only the last one remains, because the
 * entries of a transaction share one version.
 */
import type { Entry, EntryContent } from './entry.ts'
import { keyProblem } from './entry.ts'
import { LatticeError } from './errors.ts'
import { knownDeletes, type KeySummary } from './key-summary.ts'
import { transactionOperationsMax } from './limits.ts'
import type { Hash } from './ports.ts'
import { counterSum, liveEntries, storedValue } from './reading.ts'
import { counterSlot, elementSlot, slotKind, wholeKey } from './slot.ts'
import type { KeyType, Operation } from './status.ts'
import type { Incarnation, NodeId, Version } from './units.ts'
import { encodeValue } from './value.ts'

/** Who writes, when, and over what. */
export interface DraftContext {
  readonly author: NodeId
  readonly incarnation: Incarnation
  readonly version: Version
  readonly hash: Hash
  /** Deletes at or below it may have ended; 0 if there is none. */
  readonly horizon: Version
  /** What the current winners of the slots of a key come to. */
  readonly summaryOf: (key: string) => KeySummary
  /** All of them: asked only where a counter is to be added up. */
  readonly slotsOf: (key: string) => readonly Entry[]
}

/**
 * The contents to sign, one per `(key, slot)`.
 * @throws LatticeError TRANSACTION_INVALID, KEY_INVALID, VALUE_…, TYPE_CONFLICT, COUNTER_OVERFLOW
 */
export function draftTransaction(operations: readonly Operation[], context: DraftContext): EntryContent[] {
  if (operations.length === 0 || operations.length > transactionOperationsMax) {
    const { length } = operations
    const detail = `a transaction has 1 to ${transactionOperationsMax} operations, this one has ${length}`
    throw new LatticeError('TRANSACTION_INVALID', detail)
  }
  const drafts = new Map<string, KeyDraft>()
  for (const operation of operations) {
    const problem = keyProblem(operation.key)
    if (problem !== undefined) throw new LatticeError('KEY_INVALID', problem)
    let draft = drafts.get(operation.key)
    if (draft === undefined) {
      draft = new KeyDraft(operation.key, context)
      drafts.set(operation.key, draft)
    }
    draft.apply(operation)
  }
  return [...drafts.values()].flatMap(draft => draft.written())
}

const nothing = new Uint8Array(0)

/** One key under construction: what it is, and what is written on top. */
class KeyDraft {
  readonly #key: string
  readonly #context: DraftContext
  readonly #written = new Map<string, EntryContent>()
  #type: KeyType | undefined
  /** The delete that whatever is written now remembers. */
  #floor: Version
  /** Whether this transaction has deleted the key: nothing of before counts. */
  #isNew = false

  constructor(key: string, context: DraftContext) {
    const summary = context.summaryOf(key)
    this.#key = key
    this.#context = context
    this.#type = summary.top?.kind
    this.#floor = knownDeletes(summary, context.horizon)
  }

  apply(operation: Operation): void {
    switch (operation.op) {
      case 'put':
        this.#demand('register')
        return this.#write(wholeKey, encodeValue(operation.value), this.#floor)
      case 'delete':
        return this.#delete()
      case 'increment':
        this.#demand('counter')
        return this.#increment(operation.by)
      case 'add':
      case 'remove': {
        this.#demand('set')
        const element = encodeValue(operation.element)
        const slot = elementSlot(element, this.#context.hash)
        return this.#write(slot, operation.op === 'add' ? element : undefined, this.#floor)
      }
    }
  }

  written(): EntryContent[] {
    return [...this.#written.values()]
  }

  /**
   * Drops what this transaction has written to the key so far: a slot written under an earlier delete of the
   * same transaction bears its version as base, so the tombstone could not silence it.
   */
  #delete(): void {
    this.#written.clear()
    this.#write(wholeKey, undefined, 0n)
    this.#isNew = true
    this.#type = undefined
    this.#floor = this.#context.version
  }

  #increment(by: number): void {
    if (!Number.isSafeInteger(by) || by === 0) {
      throw new LatticeError('TRANSACTION_INVALID', '"by" must be an integer other than 0 within ±(2^53 − 1)')
    }
    const slot = counterSlot(this.#context.author, this.#context.incarnation)
    // Concurrent writers may have left slots of other types beside the counter's.
    const live = this.#live().filter(entry => entry.kind === 'counter')
    const own = live.find(entry => entry.slot === slot)
    const total = (own === undefined ? 0 : (storedValue(own) as number)) + by
    if (!Number.isSafeInteger(total) || !Number.isSafeInteger(counterSum(live) + by)) {
      throw new LatticeError(
        'COUNTER_OVERFLOW',
        `the sum of ${JSON.stringify(this.#key)} would leave ±(2^53 − 1)`,
      )
    }
    this.#write(slot, encodeValue(total), this.#floor)
  }

  /** What is written from here on makes the key this type. */
  #demand(type: KeyType): void {
    const present = this.#type
    if (present !== undefined && present !== type) {
      throw new LatticeError('TYPE_CONFLICT', `${JSON.stringify(this.#key)} is a ${present}, not a ${type}`)
    }
    this.#type = type
  }

  /** The live entries, with what is written on top. */
  #live(): readonly Entry[] {
    const before = this.#isNew ? [] : this.#context.slotsOf(this.#key)
    const kept = before.filter(({ slot }) => !this.#written.has(slot))
    return liveEntries([...kept, ...Array.from(this.#written.values(), content => this.#entryOf(content))])
  }

  #write(slot: string, value: Uint8Array | undefined, base: Version): void {
    this.#written.set(slot, { key: this.#key, slot, value, base, version: this.#context.version })
  }

  #entryOf(content: EntryContent): Entry {
    const { author } = this.#context
    return { ...content, author, kind: slotKind(content.slot), bytes: nothing, digest: nothing }
  }
}

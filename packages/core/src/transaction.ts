/**
 * Turns the operations of one transaction into entry contents: all of them or an error, nothing in between.
 *
 * Operations see the effect of those before them. Per `(key, slot)` only the last one remains, because the
 * entries of a transaction share one version.
 */
import { knownDeletes } from './endings.ts'
import type { Entry, EntryContent } from './entry.ts'
import { keyProblem } from './entry.ts'
import { LatticeError } from './errors.ts'
import { transactionOperationsMax } from './limits.ts'
import type { Hash } from './ports.ts'
import { counterSum, liveEntries, storedValue, typeOf } from './reading.ts'
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
  /** Current winners of all slots of a key. */
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

/** What a key is, and the base of whatever is written to it. */
interface Nature {
  readonly type: KeyType | undefined
  readonly floor: Version
}

/** One key under construction: its current winners, with the new ones laid over them. */
class KeyDraft {
  readonly #key: string
  readonly #context: DraftContext
  readonly #slots: Map<string, Entry>
  readonly #written = new Map<string, EntryContent>()
  /** The same for all writes between deletes; looking for it costs as much as the key has slots. */
  #nature: Nature | undefined

  constructor(key: string, context: DraftContext) {
    this.#key = key
    this.#context = context
    this.#slots = new Map(context.slotsOf(key).map(entry => [entry.slot, entry]))
  }

  apply(operation: Operation): void {
    switch (operation.op) {
      case 'put':
        this.#demand('register')
        return this.#write(wholeKey, encodeValue(operation.value), this.#floor())
      case 'delete':
        this.#forget()
        this.#write(wholeKey, undefined, 0n)
        this.#nature = undefined
        return
      case 'increment':
        this.#demand('counter')
        return this.#increment(operation.by)
      case 'add':
      case 'remove': {
        this.#demand('set')
        const element = encodeValue(operation.element)
        const slot = elementSlot(element, this.#context.hash)
        return this.#write(slot, operation.op === 'add' ? element : undefined, this.#floor())
      }
    }
  }

  written(): EntryContent[] {
    return [...this.#written.values()]
  }

  /**
   * Drops what this transaction has written to the key so far. A slot written under an earlier delete of the
   * same transaction bears its version as base, so the tombstone to come could not silence it.
   */
  #forget(): void {
    for (const slot of this.#written.keys()) this.#slots.delete(slot)
    this.#written.clear()
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
    this.#write(slot, encodeValue(total), this.#floor())
  }

  /** What is written from here on makes the key this type. */
  #demand(type: KeyType): void {
    const { type: present, floor } = this.#look()
    if (present !== undefined && present !== type) {
      throw new LatticeError('TYPE_CONFLICT', `${JSON.stringify(this.#key)} is a ${present}, not a ${type}`)
    }
    this.#nature = { type, floor }
  }

  #look(): Nature {
    this.#nature ??= {
      type: typeOf(this.#live()),
      floor: knownDeletes([...this.#slots.values()], this.#context.horizon),
    }
    return this.#nature
  }

  #live(): readonly Entry[] {
    return liveEntries([...this.#slots.values()])
  }

  #floor(): Version {
    return this.#look().floor
  }

  #write(slot: string, value: Uint8Array | undefined, base: Version): void {
    const { author, version } = this.#context
    const content: EntryContent = { key: this.#key, slot, value, base, version }
    this.#written.set(slot, content)
    this.#slots.set(slot, { ...content, author, kind: slotKind(slot), bytes: nothing, digest: nothing })
  }
}

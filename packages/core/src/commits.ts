/**
 * The commit pipeline: one batch on its way to the disk, one forming behind it, and everybody who waits for
 * either.
 *
 * Writers that arrive while the disk works share the next commit, and are signed meanwhile (signing.ts). An
 * answer that depends on entries is given once they are durable, never before.
 */
import { concatBytes, toHex, toUtf8, uintToBytes } from './bytes.ts'
import type { Effect, Event, WriteConditions } from './events.ts'
import { isLatticeError, LatticeError } from './errors.ts'
import { cursorFact, encodeCursor, type Cursor } from './journal.ts'
import { pendingWritesMax } from './limits.ts'
import { FactWalk } from './fact-walk.ts'
import { ForwardSteps } from './forward-steps.ts'
import { wallOf } from './hlc.ts'
import type { Hash, Store } from './ports.ts'
import type { Replica } from './replica.ts'
import type { Committed } from './staged.ts'
import { isOneOf } from './reading.ts'
import type { Operation, ReadingTag } from './status.ts'
import type { Instant, NodeId, Version } from './units.ts'

/**
 * How long the answer to an Idempotency-Key is remembered: a day, like the services that made the header
 * known.
 */
const rememberMs = 24 * 3_600_000

/** How often remembered answers are looked through for old ones. */
const forgetEveryMs = 3_600_000

/** Remembered answers looked at in one go, and how soon the next ones are: a turn must stay short. */
const forgetPage = 500
const forgetPauseMs = 1_000

const memoryPrefix = 'idempotency/'

interface WaitingWrite {
  readonly event: Event & { type: 'write' }
  readonly version: Version
}

/** What waits for one batch. */
interface Waiters {
  writes: WaitingWrite[]
  /** Run once the batch is durable (`true`) or refused (`false`). */
  calls: ((durable: boolean) => void)[]
}

interface Memory {
  readonly operations: string
  readonly version: Version
}

/** Stages, seals and settles batches. */
export class CommitPipeline {
  readonly #replica: Replica
  readonly #store: Store
  readonly #hash: Hash
  #forming: Waiters = { writes: [], calls: [] }
  #sealed: Waiters = { writes: [], calls: [] }
  /** Answers remembered by the two batches that are not durable yet. */
  #formingMemory = new Map<string, Memory>()
  #sealedMemory = new Map<string, Memory>()
  readonly #memories: FactWalk
  #forgetAt = Number.NEGATIVE_INFINITY
  readonly #steps: ForwardSteps

  constructor(replica: Replica, store: Store, hash: Hash) {
    this.#memories = new FactWalk(store, memoryPrefix)
    this.#steps = new ForwardSteps(rememberMs, wallOf(replica.highWater))
    this.#replica = replica
    this.#store = store
    this.#hash = hash
  }

  /** Whether nothing is on its way to the disk. */
  get isIdle(): boolean {
    return !this.#replica.isCommitting && !this.#replica.hasForming
  }

  /**
   * Takes a write in, or says at once why not. One that is remembered gets its answer again, whatever has
   * become of the store since.
   * @param refusal why nothing new is taken now, if so
   */
  write(event: Event & { type: 'write' }, wall: number, refusal: () => LatticeError | undefined): Effect[] {
    const { id, operations, conditions } = event
    try {
      if (this.#forming.writes.length >= pendingWritesMax) throw new LatticeError('OVERLOADED')
      let version = this.#recall(operations, conditions)
      if (version === undefined) {
        const reason = refusal()
        if (reason !== undefined) throw reason
        version = this.#apply(operations, conditions, wall)
      }
      this.#forming.writes.push({ event, version })
      return []
    } catch (error) {
      if (!isLatticeError(error)) throw error
      return [{ type: 'write-refused', id, error }]
    }
  }

  /** Persists a cursor with the forming batch, or that there is none. */
  stageCursor(node: NodeId, cursor: Cursor | undefined): void {
    this.#replica.stageFact(cursorFact(node), cursor && encodeCursor(cursor))
  }

  /** Runs `call` when everything staged so far is durable or refused; at once where nothing is under way. */
  whenSettled(call: (durable: boolean) => void): void {
    if (this.#replica.hasForming) this.#forming.calls.push(call)
    else if (this.#replica.isCommitting) this.#sealed.calls.push(call)
    else call(true)
  }

  /**
   * Has signed what is not, closes the forming batch if the disk is free, and sends it once it is signed. A
   * batch that has just gone to be signed is closed with the next event, when the signing is under way. What
   * one makes of the trie is worked out with the event after it has gone to the disk.
   */
  pump(root: () => string): Effect[] {
    const { signing } = this.#replica
    const effects: Effect[] = []
    for (let job = signing.takeJob(); job !== undefined; job = signing.takeJob())
      effects.push({ type: 'sign', ...job })
    if (!this.#replica.isCommitting) {
      if (effects.length > 0) return [...effects, { type: 'prepare', rows: [] }]
      if (!this.#replica.hasForming) return this.#answerWrites(this.#take(), root)
      this.#replica.close()
      this.#sealed = this.#take()
      this.#sealedMemory = this.#formingMemory
      this.#formingMemory = new Map()
    }
    const { batches, trie } = this.#replica
    const batch = batches.take()
    if (batch !== undefined) return [...effects, { type: 'persist', batch }]
    if (batches.taken !== undefined) trie.foresee(batches.taken)
    const rows = batches.takePart()
    return rows === undefined ? effects : [...effects, { type: 'prepare', rows }]
  }

  /** The sealed batch is durable. */
  committed(root: () => string): Committed & { effects: Effect[] } {
    const done = this.#replica.committed()
    const waiters = this.#sealed
    this.#sealed = { writes: [], calls: [] }
    this.#sealedMemory.clear()
    const effects = this.#answerWrites(waiters, root)
    for (const call of waiters.calls) call(true)
    return { ...done, effects }
  }

  /**
   * The sealed batch was refused, and with it all that was built on it. Deletes among that are written anew,
   * once, where the disk is full: there is room kept for them.
   */
  failed(error: LatticeError, wall: number): Effect[] {
    this.#replica.aborted()
    this.#sealedMemory.clear()
    this.#formingMemory.clear()
    const [sealed, behind] = [this.#sealed, this.#take()]
    this.#sealed = { writes: [], calls: [] }
    for (const call of [...sealed.calls, ...behind.calls]) call(false)
    const isTriedAnew = ({ event }: WaitingWrite): boolean =>
      error.code === 'STORE_FULL' && event.operations.every(({ op }) => op === 'delete')
    const refused = [...sealed.writes, ...behind.writes.filter(each => !isTriedAnew(each))]
    const anew = behind.writes
      .filter(isTriedAnew)
      .flatMap(({ event }) => this.write(event, wall, () => undefined))
    return [...refused.map(({ event: { id } }): Effect => ({ type: 'write-refused', id, error })), ...anew]
  }

  /**
   * Stages the removal of remembered answers that are too old, once in a while. To be told of every instant:
   * a clock that is set forward makes none older.
   */
  forget({ mono, wall }: Instant): void {
    const aheadMs = this.#steps.note({ mono, wall })
    if (mono < this.#forgetAt) return
    const { facts, isEnd } = this.#memories.next(forgetPage)
    this.#forgetAt = mono + (isEnd ? forgetEveryMs : forgetPauseMs)
    for (const [name, value] of facts)
      if (readUint(value, 32) + rememberMs + aheadMs < wall) this.#replica.stageFact(name, undefined)
  }

  #take(): Waiters {
    const waiters = this.#forming
    this.#forming = { writes: [], calls: [] }
    return waiters
  }

  #answerWrites(waiters: Waiters, root: () => string): Effect[] {
    const after = waiters.writes.length === 0 ? '' : root()
    return waiters.writes.map(({ event: { id }, version }) => ({ type: 'written', id, version, root: after }))
  }

  #apply(operations: readonly Operation[], conditions: WriteConditions, wall: number): Version {
    this.#demand(operations, conditions)
    const version = this.#replica.write(operations, wall)
    const { idempotencyKey } = conditions
    if (idempotencyKey !== undefined) {
      const digest = this.#digest(operations)
      const time = uintToBytes(BigInt(Math.trunc(wall)))
      this.#replica.stageFact(
        this.#memoryName(idempotencyKey),
        concatBytes(digest, time, uintToBytes(version)),
      )
      this.#formingMemory.set(idempotencyKey, { operations: toHex(digest), version })
    }
    return version
  }

  #demand(operations: readonly Operation[], { ifOneOf, ifNoneOf, ifExists }: WriteConditions): void {
    const first = operations[0]
    if (first === undefined || (ifOneOf ?? ifNoneOf ?? ifExists) === undefined) return
    const present = this.#replica.readStaged(first.key)
    const isKnown = (tags: readonly ReadingTag[]): boolean => present !== undefined && isOneOf(present, tags)
    if (ifOneOf !== undefined && !isKnown(ifOneOf)) throw new LatticeError('VERSION_MISMATCH')
    if (ifNoneOf !== undefined && isKnown(ifNoneOf)) throw new LatticeError('VERSION_MISMATCH')
    if (ifExists !== undefined && ifExists !== (present !== undefined)) {
      throw new LatticeError(
        'VERSION_MISMATCH',
        ifExists ? 'the key does not exist' : 'the key exists already',
      )
    }
  }

  /** The version given to the same request before. */
  #recall(operations: readonly Operation[], { idempotencyKey }: WriteConditions): Version | undefined {
    if (idempotencyKey === undefined) return undefined
    const memory =
      this.#formingMemory.get(idempotencyKey) ??
      this.#sealedMemory.get(idempotencyKey) ??
      this.#stored(idempotencyKey)
    if (memory === undefined) return undefined
    if (memory.operations !== toHex(this.#digest(operations))) throw new LatticeError('IDEMPOTENCY_CONFLICT')
    return memory.version
  }

  #stored(idempotencyKey: string): Memory | undefined {
    const fact = this.#store.fact(this.#memoryName(idempotencyKey))
    if (fact?.length !== 48) return undefined
    return { operations: toHex(fact.subarray(0, 32)), version: BigInt(`0x${toHex(fact.subarray(40))}`) }
  }

  /** Ends in hex digits, for the walk through all. */
  #memoryName(idempotencyKey: string): string {
    return memoryPrefix + toHex(this.#hash(toUtf8(idempotencyKey)).subarray(0, 16))
  }

  #digest(operations: readonly Operation[]): Uint8Array {
    return this.#hash(toUtf8(JSON.stringify(operations)))
  }
}

function readUint(bytes: Uint8Array, at: number): number {
  return Number(BigInt(`0x${toHex(bytes.subarray(at, at + 8))}`))
}

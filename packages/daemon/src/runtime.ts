/**
 * The runtime: performs what the engine wants, and tells it what happened. Owns the one alarm, no policy.
 * Events are taken one at a time; what an effect leads to comes back as another event.
 */
import {
  authorsOf,
  Engine,
  LatticeError,
  type AddressStatus,
  type Effect,
  type Entry,
  type Event,
  type KeyProof,
  type KeyReading,
  type NodeEvent,
  type NodeId,
  type NodeStatus,
  type Operation,
  type PathKind,
  type RequestedMode,
  type Scan,
  type Version,
} from '@lattice/core'
import { Admission } from './admission.ts'
import { Alarm } from './alarm.ts'
import { AtRest } from './at-rest.ts'
import { BatchSigner } from './batch-signer.ts'
import { logEvent } from './event-log.ts'
import { isStoreFailure, sentence, storeFailureOf } from './failure.ts'
import { Messenger } from './messenger.ts'
import type { RuntimeParts } from './runtime-parts.ts'
import { readPage } from './state-page.ts'
import { Transports } from './transports.ts'
import type { LatticeNode, PageQuery, StatePage, SwitchOptions, WriteOptions, WriteReceipt } from './node.ts'
export type { RuntimeParts } from './runtime-parts.ts'

type Waiting<T> = Pick<PromiseWithResolvers<T>, 'resolve' | 'reject'>

/** A node at work. */
export class Runtime implements LatticeNode {
  readonly #parts: RuntimeParts
  readonly #engine: Engine
  readonly #admission: Admission
  readonly #signing: BatchSigner
  readonly #transports: Transports
  readonly #messenger: Messenger
  readonly #listeners = new Set<(event: NodeEvent) => void>()
  readonly #writes = new Map<number, Waiting<{ version: bigint; root: string }>>()
  readonly #queue: Event[] = []
  readonly #alarm: Alarm
  #nextId = 1
  #busy = false
  #started = false
  #stopped = false
  #stopping = false
  #persisting: Promise<void> = Promise.resolve()
  #told: NodeStatus | undefined
  readonly #rest = new AtRest()

  constructor(parts: RuntimeParts) {
    this.#parts = parts
    this.#engine = new Engine({ ...parts, at: parts.clock.now() })
    this.#alarm = new Alarm(parts.clock, () => this.#dispatch({ type: 'tick' }))
    this.#signing = new BatchSigner(parts)
    const authors = authorsOf(parts)
    const isNews = this.#isNews.bind(this)
    this.#admission = new Admission({ ...parts, isNews, knows: author => authors.has(author) })
    this.#transports = new Transports(parts)
    this.#messenger = new Messenger({
      ...parts,
      transports: this.#transports,
      admission: this.#admission,
      dispatch: this.#dispatch.bind(this),
      spawn: this.#spawn.bind(this),
    })
  }

  /** Starts the transports. One that cannot, or cannot anew, is reported, and the node goes on without it. */
  async start(): Promise<void> {
    this.#started = true
    this.#setAlarm()
    await this.#messenger.start()
  }

  /** Says goodbye if it had started, lets the last commit finish, stops all. The store stays open. */
  async stop(): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    if (this.#started) this.#dispatch({ type: 'leave' })
    await this.#drained()
    this.#halt(new LatticeError('NOT_READY', 'the node is stopping'))
    await this.#transports.stop()
  }

  read(key: string): KeyReading | undefined {
    return this.#look(() => this.#engine.replica.read(key))
  }

  prove(key: string): KeyProof | undefined {
    return this.#look(() => this.#engine.replica.prove(key))
  }

  get quarantine(): LatticeNode['quarantine'] {
    return this.#engine.replica.quarantine
  }

  scan(after: number, limit: number): Scan {
    return this.#look(() => this.#engine.replica.rows.scan(after, limit))
  }

  /** Whether what of these entries was news is durable now. `quiet`: the log is told by somebody else. */
  async readmit(signed: readonly Uint8Array[], isQuiet?: 'quiet'): Promise<boolean> {
    const entries = await this.#admission.verify(signed)
    if (entries.length > 0) this.#dispatch({ type: 'readmit', entries, isQuiet: isQuiet === 'quiet' })
    await this.#drained()
    // Of all: what was no news because a commit was to bring it is, where that was refused.
    return !this.#stopped && (await this.#admission.verify(signed)).length === 0
  }

  diskMeasured(freeBytes: number, totalBytes: number): void {
    this.#dispatch({ type: 'disk', freeBytes, totalBytes })
  }

  list(query: PageQuery): StatePage {
    return this.#look(() => readPage(this.#parts.store, this.#engine.replica, query))
  }

  async write(operations: readonly Operation[], options: WriteOptions = {}): Promise<WriteReceipt> {
    if (this.#stopped || this.#stopping) throw new LatticeError('NOT_READY', 'the node is stopping')
    const id = this.#nextId++
    const written = Promise.withResolvers<{ version: bigint; root: string }>()
    this.#writes.set(id, written)
    this.#dispatch({ type: 'write', id, operations, conditions: options })
    const { version, root } = await written.promise
    return { transactionId: version.toString(16).padStart(16, '0'), version, root }
  }

  atRest<T>(look: () => T): Promise<T> {
    return this.#rest.wait(look)
  }

  /** Of a store that fails what it told last: those who ask from time to time are not to end the process. */
  status(): NodeStatus {
    try {
      return (this.#told = this.#engine.status(this.#parts.clock.now()))
    } catch (error) {
      this.#distrust(error)
      if (!this.#stopped || this.#told === undefined) throw error
      return this.#told
    }
  }

  async switchMode(mode: RequestedMode, options: SwitchOptions = {}): Promise<NodeStatus> {
    if (mode === 'p2p' && !this.#parts.params.p2pEnabled) throw new LatticeError('MODE_IMPOSSIBLE')
    this.#dispatch({ type: 'switch', mode, ...options })
    await this.#settled()
    return this.status()
  }

  transitions(): Engine['transitions'] {
    return this.#engine.transitions
  }

  sign(message: Uint8Array): Uint8Array {
    return this.#parts.signer.sign(message)
  }

  subscribe(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Last error per address of a peer, over both paths. */
  addresses(peer: NodeId): readonly (AddressStatus & { readonly path: PathKind })[] {
    return this.#transports.addresses(peer)
  }

  /** Why a transport does not run, as a sentence; undefined while it does, or was never asked for. */
  startFailure(path: PathKind): string | undefined {
    return this.#transports.failure(path)
  }

  /** Asked before the engine hears of an entry: a store that fails is no bug then either. */
  #isNews(entry: Entry, settled?: Version): boolean {
    return this.#look(() => this.#engine.replica.isNews(entry, settled))
  }

  /** Reads for somebody outside the engine; damage that this finds is the engine's business at once. */
  #look<T>(read: () => T): T {
    try {
      const found = read()
      if (this.#engine.replica.rows.hasFound) queueMicrotask(() => this.#dispatch({ type: 'tick' }))
      return found
    } catch (error) {
      this.#distrust(error)
      throw error
    }
  }

  /** A store that fails to give back what it holds ends this runtime; other errors are not its business. */
  #distrust(error: unknown, remedy: (Effect & { type: 'distrust-store' })['remedy'] = 'check'): boolean {
    if (!isStoreFailure(error) || this.#stopped || this.#parts.onDistrust === undefined) return false
    this.#halt(new LatticeError('STORE_SUSPECT', error.message))
    this.#parts.onDistrust(error.message, remedy)
    return true
  }

  #halt(why: LatticeError): void {
    this.#stopped = true
    this.#alarm.cancel()
    this.#admission.stop()
    this.#messenger.halt(why)
    for (const waiting of this.#writes.values()) waiting.reject(why)
    this.#rest.end(why)
  }

  #dispatch(event: Event): void {
    if (this.#stopped) return
    this.#queue.push(event)
    if (this.#busy) return
    this.#busy = true
    try {
      for (let next = this.#queue.shift(); next && !this.#stopped; next = this.#queue.shift()) {
        for (const effect of this.#engine.step(next, this.#parts.clock.now())) {
          // A store that is not to be trusted does not keep what has shown it: a later start would not see.
          if (this.#stopped) break
          this.#perform(effect)
        }
      }
    } catch (error) {
      if (!this.#distrust(error) && !this.#stopped) this.#fail(error)
    } finally {
      this.#busy = false
    }
    if (this.#stopped) return
    if (!this.#rest.isCommitting) this.#rest.come()
    this.#setAlarm()
  }

  #setAlarm(): void {
    const { wakeAt } = this.#engine
    this.#parts.pulse?.moved(wakeAt)
    this.#alarm.set(wakeAt)
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'sign':
        this.#spawn(this.#signing.sign(effect, event => this.#dispatch(event)))
        return this.#goOn()
      case 'prepare':
        return this.#parts.store.prepare?.(effect.rows)
      case 'persist':
        this.#persist(effect)
        return this.#goOn()
      case 'connect':
        return this.#spawn(this.#messenger.connect(effect))
      case 'ask':
        return this.#spawn(this.#messenger.ask(effect))
      case 'announce':
        return this.#spawn(this.#messenger.announce(effect.message))
      case 'reply':
        return this.#messenger.reply(effect)
      case 'written':
        this.#writes.get(effect.id)?.resolve(effect)
        return void this.#writes.delete(effect.id)
      case 'write-refused':
        this.#writes.get(effect.id)?.reject(effect.error)
        return void this.#writes.delete(effect.id)
      case 'emit':
        return this.#emit(effect.event)
      case 'log':
        return this.#parts.log(effect.level, effect.message, effect.fields)
      case 'distrust-store':
        return void this.#distrust(new LatticeError('STORE_SUSPECT', effect.reason), effect.remedy)
      case 'restart-p2p':
        return this.#spawn(this.#messenger.restartP2p())
    }
  }

  /** The engine has work to do while other threads sign or write. */
  #goOn(): void {
    if (this.#queue.length === 0) this.#queue.push({ type: 'tick' })
  }

  async #settled(): Promise<void> {
    await this.#signing.settled()
    await this.#persisting
  }

  /** Who waits is told what has become of the batch on its way to the disk, and of the one behind it. */
  async #drained(): Promise<void> {
    for (let batch = 0; batch < 2; batch++) await this.#settled()
  }

  #persist(effect: Effect & { type: 'persist' }): void {
    this.#rest.come()
    this.#rest.isCommitting = true
    const refused = this.#parts.store.commit(effect.batch).then(() => undefined, storeFailureOf)
    this.#persisting = refused.then(error => {
      if (error !== undefined && error.code !== 'STORE_FULL')
        this.#parts.log('error', 'the store refused a commit', { reason: error.message })
      // Before anybody looks, or is told that nothing was kept.
      if (this.#distrust(error)) return
      this.#rest.committed(this.#stopped)
      this.#dispatch(error === undefined ? { type: 'committed' } : { type: 'commit-failed', error })
    })
    this.#parts.pulse?.committing(this.#persisting)
  }

  #emit(event: NodeEvent): void {
    logEvent(event, this.#parts.log)
    for (const listener of this.#listeners) listener(event)
  }

  /** Runs what nobody waits for. */
  #spawn(work: Promise<void>): void {
    work.catch((error: unknown) => void (this.#stopped || this.#fail(error)))
  }

  /** A bug of ours: nothing may build on what is half done. As nobody's rejection it ends the process. */
  #fail(error: unknown): void {
    this.#halt(new LatticeError('STORE_SUSPECT', `the node has failed: ${sentence(error)}`))
    this.#parts.log('error', 'unexpected error', { reason: sentence(error) })
    void Promise.reject(Error.isError(error) ? error : new Error(String(error)))
  }
}

/** The transports of a runtime: one per path, and why one of them does not run. */
import {
  LatticeError,
  type AddressStatus,
  type Event,
  type Inbox,
  type NodeId,
  type PathKind,
  type Transport,
} from '@lattice/core'
import { sentence } from './failure.ts'
import type { RuntimeParts } from './runtime-parts.ts'

/** Starts and stops them. Decides nothing. */
export class Transports {
  readonly #transports: ReadonlyMap<PathKind, Transport>
  readonly #log: RuntimeParts['log']
  readonly #failures = new Map<PathKind, string>()

  constructor({ transports, log }: Pick<RuntimeParts, 'transports' | 'log'>) {
    this.#transports = new Map(transports.map(transport => [transport.kind, transport]))
    this.#log = log
  }

  /** The paths that have one. */
  get paths(): readonly PathKind[] {
    return [...this.#transports.keys()]
  }

  /** Whether a path has one. */
  has(path: PathKind): boolean {
    return this.#transports.has(path)
  }

  /** That of a path. @throws LatticeError PEER_UNKNOWN */
  of(path: PathKind): Transport {
    const transport = this.#transports.get(path)
    if (transport === undefined) throw new LatticeError('PEER_UNKNOWN', `this node has no ${path} transport`)
    return transport
  }

  /** Why that of a path does not run, as a sentence; undefined while it does, or was never asked for. */
  failure(path: PathKind): string | undefined {
    return this.#failures.get(path)
  }

  /** Last error per address of a peer, over both paths. */
  addresses(peer: NodeId): readonly (AddressStatus & { readonly path: PathKind })[] {
    return [...this.#transports.values()].flatMap(transport =>
      transport.addresses(peer).map(address => ({ ...address, path: transport.kind })),
    )
  }

  /** Starts that of a path. */
  start(path: PathKind, inbox: Inbox): Promise<Event> {
    return this.launched(path, this.of(path).start(inbox))
  }

  /** What comes of a start: one that failed is reported, once for each reason, and may be tried again. */
  async launched(path: PathKind, start: Promise<void>): Promise<Event> {
    try {
      await start
      this.#failures.delete(path)
      return { type: 'transport', path, started: true }
    } catch (error) {
      const reason = sentence(error)
      if (this.#failures.get(path) !== reason) this.#log('error', `${path} could not start`, { path, reason })
      this.#failures.set(path, reason)
      return { type: 'transport', path, started: false, reason }
    }
  }

  /** Stops all. */
  async stop(): Promise<void> {
    await Promise.all([...this.#transports.values()].map(transport => transport.stop()))
  }
}

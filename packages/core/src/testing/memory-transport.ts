/**
 * Transports linked in memory: what a transport promises, without sockets and without timers.
 *
 * Every hop is one microtask, so tests and simulations stay deterministic. A cut link swallows frames
 * silently, as a firewall does: nobody is told, and only the signal of the asker ends the wait. A stopped
 * node refuses at once.
 */
import { LatticeError } from '../errors.ts'
import { frameBytesMax } from '../limits.ts'
import type { AddressStatus, Inbox, Transport } from '../ports.ts'
import type { NodeId, PathKind } from '../units.ts'

/** A network in memory: nodes join it, links between them can be cut one way at a time. */
export interface MemoryNetwork {
  /**
   * Makes the transport of `nodeId`. Without `trusted` it trusts everybody who joined. One call per node and
   * network.
   */
  join(nodeId: NodeId, trusted?: ReadonlySet<NodeId>): Transport
  /** From now on everything `from` sends to `to` is lost without a sign. */
  cut(from: NodeId, to: NodeId): void
  /** Both ends lose their connection, as their libraries do when a link has been silent for long. */
  part(one: NodeId, other: NodeId): void
  /** Ends `cut`; what was lost stays lost. */
  heal(from: NodeId, to: NodeId): void
}

/** Creates an empty network whose transports call themselves `kind`. */
export function createMemoryNetwork(kind: PathKind = 'p2p'): MemoryNetwork {
  const wires: Wires = { kind, ports: new Map(), lost: new Set() }
  return {
    join(nodeId, trusted) {
      const port = new MemoryTransport(wires, nodeId, trusted)
      wires.ports.set(nodeId, port)
      return port
    },
    cut: (from, to) => void wires.lost.add(`${from}>${to}`),
    part(one, other) {
      wires.ports.get(one)?.hangUp(other)
      wires.ports.get(other)?.hangUp(one)
    },
    heal: (from, to) => void wires.lost.delete(`${from}>${to}`),
  }
}

interface Wires {
  readonly kind: PathKind
  readonly ports: Map<NodeId, MemoryTransport>
  /** Cut links as `from>to`. */
  readonly lost: Set<string>
}

class MemoryTransport implements Transport {
  readonly kind: PathKind
  readonly #wires: Wires
  readonly #nodeId: NodeId
  readonly #trusted: ReadonlySet<NodeId> | undefined
  readonly #connected = new Set<NodeId>()
  /** What ends when this node stops: requests asked, and requests being served. */
  readonly #open = new Set<AbortController>()
  #inbox: Inbox | undefined

  constructor(wires: Wires, nodeId: NodeId, trusted: ReadonlySet<NodeId> | undefined) {
    this.kind = wires.kind
    this.#wires = wires
    this.#nodeId = nodeId
    this.#trusted = trusted
  }

  async start(inbox: Inbox): Promise<void> {
    this.#inbox = inbox
  }

  async stop(): Promise<void> {
    if (this.#inbox === undefined) return
    this.#inbox = undefined
    for (const controller of [...this.#open]) controller.abort()
    for (const peer of [...this.#connected]) this.#wires.ports.get(peer)?.hangUp(this.#nodeId)
    this.#connected.clear()
  }

  async connect(peer: NodeId, signal: AbortSignal): Promise<void> {
    const other = this.#known(peer)
    await this.#hop(this.#nodeId, peer, signal)
    if (other.#inbox === undefined) throw new LatticeError('PEER_UNREACHABLE', 'the peer is not running')
    if (!other.#trusts(this.#nodeId))
      throw new LatticeError('PEER_REFUSED', 'the peer does not trust this node')
    await this.#hop(peer, this.#nodeId, signal)
    if (this.#inbox === undefined) throw stopped()
    other.#pickUp(this.#nodeId)
    this.#pickUp(peer)
  }

  async request(peer: NodeId, frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const other = this.#known(peer)
    if (!this.#connected.has(peer)) throw new LatticeError('PEER_UNREACHABLE', 'the peer is not connected')
    if (frame.length > frameBytesMax) throw tooLarge('request', frame.length)
    const asking = new AbortController()
    this.#open.add(asking)
    const gone = AbortSignal.any([signal, asking.signal])
    try {
      await this.#hop(this.#nodeId, peer, gone)
      const answer = await other.#answer(this.#nodeId, frame.slice(), gone)
      await this.#hop(peer, this.#nodeId, gone)
      return answer
    } catch (error) {
      throw this.#inbox === undefined ? stopped() : error
    } finally {
      this.#open.delete(asking)
    }
  }

  async announce(frame: Uint8Array): Promise<void> {
    if (this.#inbox === undefined) throw stopped()
    if (frame.length > frameBytesMax) throw tooLarge('announce', frame.length)
    for (const peer of this.#connected) {
      if (this.#wires.lost.has(`${this.#nodeId}>${peer}`)) continue
      const copy = frame.slice()
      queueMicrotask(() => this.#wires.ports.get(peer)?.hear(this.#nodeId, copy))
    }
  }

  addresses(peer: NodeId): readonly AddressStatus[] {
    return this.#wires.ports.has(peer) ? [{ address: `memory:${peer}` }] : []
  }

  /** A frame arrives that `from` announced. */
  hear(from: NodeId, frame: Uint8Array): void {
    this.#inbox?.announced(from, frame)
  }

  /** The other end stopped. */
  hangUp(peer: NodeId): void {
    if (this.#connected.delete(peer)) this.#inbox?.peerDown(peer, 'the peer closed the connection')
  }

  #pickUp(peer: NodeId): void {
    this.#connected.add(peer)
    this.#inbox?.peerUp(peer)
  }

  #trusts(peer: NodeId): boolean {
    return this.#trusted?.has(peer) ?? true
  }

  #known(peer: NodeId): MemoryTransport {
    if (this.#inbox === undefined) throw stopped()
    const other = this.#wires.ports.get(peer)
    if (other === undefined || !this.#trusts(peer)) throw new LatticeError('PEER_UNKNOWN')
    return other
  }

  /** Carries one message; on a cut link it never arrives, and only the signal ends the wait. */
  async #hop(from: NodeId, to: NodeId, signal: AbortSignal): Promise<void> {
    const arrives = this.#wires.lost.has(`${from}>${to}`) ? new Promise<void>(() => {}) : Promise.resolve()
    await orGone(arrives, signal)
  }

  async #answer(from: NodeId, frame: Uint8Array, asker: AbortSignal): Promise<Uint8Array> {
    const inbox = this.#inbox
    if (inbox === undefined) throw new LatticeError('PEER_UNREACHABLE', 'the peer is not running')
    const serving = new AbortController()
    this.#open.add(serving)
    const gone = AbortSignal.any([asker, serving.signal])
    try {
      const answer = await orGone(refusable(inbox.serve(from, frame, gone)), gone)
      if (answer.length > frameBytesMax) throw tooLarge('answer', answer.length)
      return answer.slice()
    } catch (error) {
      throw serving.signal.aborted ? new LatticeError('PEER_UNREACHABLE', 'the peer stopped') : error
    } finally {
      this.#open.delete(serving)
    }
  }
}

async function refusable(answer: Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await answer
  } catch (cause) {
    throw new LatticeError('PEER_REFUSED', undefined, { cause })
  }
}

/** `value`, or PEER_TIMEOUT as soon as `signal` fires. */
function orGone<T>(value: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(new LatticeError('PEER_TIMEOUT'))
    if (signal.aborted) give()
    signal.addEventListener('abort', give, { once: true })
    value.then(resolve, reject).finally(() => signal.removeEventListener('abort', give))
  })
}

function stopped(): LatticeError {
  return new LatticeError('PEER_UNREACHABLE', 'this transport is not running')
}

function tooLarge(what: string, length: number): LatticeError {
  return new LatticeError('PEER_REFUSED', `${what} of ${length} bytes; a frame holds ${frameBytesMax}`)
}

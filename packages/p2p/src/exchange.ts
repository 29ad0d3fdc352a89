/**
 * Requests and answers over `/lattice/sync/1`: one kept stream per direction and peer.
 *
 * A stream that fails takes its open requests with it; the next request opens another one. Requests follow
 * the youngest connection, since an older one to the same peer is the likelier to be dead without having
 * noticed.
 */
import { LatticeError, frameBytesMax, type Inbox, type NodeId } from '@lattice/core'
import type { Connection, Stream } from '@libp2p/interface'
import { Link } from './link.ts'
import { toNodeId } from './peer-id.ts'
import { Places } from './places.ts'
import { Session } from './session.ts'

/**
 * Streams one peer may have open to us: one kept, and its successor while the first drains; twice that for
 * races.
 */
export const inboundStreamsMax = 4

/**
 * Requests of one peer served at once, on all its streams and connections: bounds its answers waiting in
 * memory to 8 MiB.
 */
const servedMax = 32

interface Slot {
  readonly connection: Connection
  readonly opening: Promise<Link>
  link?: Link
}

/** The exchange of one running libp2p node. */
export class Exchange {
  readonly #serve: Inbox['serve']
  readonly #slots = new Map<NodeId, Slot>()
  readonly #sessions = new Set<Session>()
  readonly #places = new Places({ perNetwork: servedMax, inAll: Number.POSITIVE_INFINITY })
  #stopped = false

  constructor(serve: Inbox['serve']) {
    this.#serve = serve
  }

  /** The libp2p stream handler. */
  readonly handler = (stream: Stream, connection: Connection): void => {
    const from = toNodeId(connection.remotePeer)
    if (from === undefined || this.#stopped) return stream.abort(new LatticeError('PEER_REFUSED'))
    const serve = (frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array> =>
      this.#serve(from, frame, signal)
    const session = new Session(stream, serve, () => this.#places.take(from))
    this.#sessions.add(session)
    void session.ended.then(() => this.#sessions.delete(session))
  }

  /** Asks `peer` over the youngest of its open `connections`. */
  async request(
    peer: NodeId,
    connections: readonly Connection[],
    frame: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    if (frame.length > frameBytesMax) {
      throw new LatticeError(
        'PEER_REFUSED',
        `request of ${frame.length} bytes; a frame holds ${frameBytesMax}`,
      )
    }
    if (signal.aborted) throw new LatticeError('PEER_TIMEOUT')
    const connection = youngest(connections)
    if (connection === undefined) throw new LatticeError('PEER_UNREACHABLE', 'the peer is not connected')
    let link = await this.#link(peer, connection, signal)
    if (!link.usable) link = await this.#link(peer, connection, signal)
    return link.request(frame, signal)
  }

  /** Ends every stream: open requests reject, and the signals of requests being served fire. */
  stop(): void {
    this.#stopped = true
    const reason = new LatticeError('PEER_UNREACHABLE', 'this transport is stopping')
    for (const session of this.#sessions) session.abort(reason)
    for (const { opening } of this.#slots.values()) opening.then(link => link.abort(reason)).catch(() => {})
    for (const { link } of this.#slots.values()) link?.abort(reason)
    this.#slots.clear()
  }

  async #link(peer: NodeId, connection: Connection, signal: AbortSignal): Promise<Link> {
    const slot = this.#slot(peer, connection)
    return slot.link ?? orTimeout(slot.opening, signal)
  }

  #slot(peer: NodeId, connection: Connection): Slot {
    const current = this.#slots.get(peer)
    if (current?.connection === connection && current.link?.usable !== false) return current
    current?.link?.retire()
    const opening = Link.open(connection)
    const slot: Slot = { connection, opening }
    this.#slots.set(peer, slot)
    opening.then(
      link => {
        slot.link = link
        if (this.#slots.get(peer) !== slot) link.retire()
      },
      () => {
        if (this.#slots.get(peer) === slot) this.#slots.delete(peer)
      },
    )
    return slot
  }
}

function youngest(connections: readonly Connection[]): Connection | undefined {
  return connections
    .filter(({ status }) => status === 'open')
    .reduce<Connection | undefined>(
      (best, one) => (best !== undefined && best.timeline.open > one.timeline.open ? best : one),
      undefined,
    )
}

/** `work`, or PEER_TIMEOUT once `signal` fires; the work itself goes on for others that wait for it. */
function orTimeout<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(new LatticeError('PEER_TIMEOUT'))
    signal.addEventListener('abort', give, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', give))
  })
}

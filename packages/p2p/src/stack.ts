/**
 * One life of the libp2p stack: from start to stop, wired to its owner. A restart makes a new one.
 */
import { LatticeError, type NodeId } from '@lattice/core'
import type { Connection, Listener } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { guardTopic, joinTopic, publish } from './announce.ts'
import { Exchange, inboundStreamsMax } from './exchange.ts'
import { exchangeProtocol } from './link.ts'
import { createNode, type NodeOptions, type P2pNode } from './node.ts'
import { toNodeId, toPeerId } from './peer-id.ts'
import { translateStart } from './translate.ts'

/** What the stack tells its owner, only between `start` and `stop`. */
export interface StackEvents {
  connected(peer: NodeId): void
  /** The last connection to the peer is gone. */
  disconnected(peer: NodeId): void
  /** One connection ended; `livedMs` since its handshake. */
  closed(peer: NodeId, address: string, livedMs: number): void
  /** A peer has told its own addresses. */
  learnt(peer: NodeId, addresses: readonly string[]): void
  /** A neighbour has told addresses of a peer, or of whom it calls so. */
  rumoured(peer: NodeId, addresses: readonly Multiaddr[]): void
  heard(from: NodeId, frame: Uint8Array): void
  serve(from: NodeId, frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array>
}

/** A running stack. */
export interface Stack {
  readonly node: P2pNode
  /** Port of the loopback WebSocket listener; undefined once it has closed. */
  readonly webSocketPort: number | undefined
  /** Where the node listens, without the loopback WebSocket listener. */
  listening(): readonly Multiaddr[]
  connections(peer: NodeId): readonly Connection[]
  request(peer: NodeId, frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array>
  publish(frame: Uint8Array): Promise<void>
  stop(): Promise<void>
}

/** Listener for upgrades handed over by the HTTP server; never told to peers. */
const innerListen = '/ip4/127.0.0.1/tcp/0/ws'

/**
 * Connections of one peer at once: both sides may dial at the same time, and a third finds one of them dead.
 * More only take the places of others.
 */
const connectionsPerPeerMax = 3

/** Starts a stack. Rejects with PORT_IN_USE or P2P_UNAVAILABLE, with everything released. */
export async function startStack(
  options: Omit<NodeOptions, 'advertised' | 'heard'>,
  trusted: ReadonlySet<NodeId>,
  events: StackEvents,
): Promise<Stack> {
  const listeners = new Set<Listener>()
  let inner: Listener | undefined
  let live = true
  const isInner = (address: Multiaddr): boolean =>
    inner?.getAddrs().some(own => own.equals(address.decapsulateCode(p2pCode))) ?? false

  const node = await createNode({
    ...options,
    listen: [...options.listen, innerListen],
    advertised: address => !isInner(address),
    heard: (peerId, addresses) => {
      const peer = toNodeId(peerId)
      if (peer !== undefined && live) events.rumoured(peer, addresses)
    },
  })
  const exchange = new Exchange(async (...request) => events.serve(...request))
  node.addEventListener('transport:listening', ({ detail }) => {
    if (inner === undefined && isLoopbackWebSocket(detail, options.listen)) inner = detail
    else listeners.add(detail)
  })
  node.addEventListener('transport:close', ({ detail }) => {
    listeners.delete(detail)
    if (detail === inner) inner = undefined
  })
  wire(node, events, () => live)
  guardTopic(node.services.pubsub, options.topic, trusted)
  try {
    await node.handle(exchangeProtocol, exchange.handler, { maxInboundStreams: inboundStreamsMax })
    await node.start()
    joinTopic(node.services.pubsub, options.topic, (from, frame) => live && events.heard(from, frame))
  } catch (error) {
    live = false
    await node.stop()
    throw translateStart(error)
  }
  return {
    node,
    get webSocketPort() {
      return inner?.getAddrs()[0] === undefined ? undefined : portOf(inner)
    },
    listening: () => [...listeners].flatMap(listener => listener.getAddrs()),
    connections: peer => node.getConnections(toPeerId(peer)),
    request: (peer, frame, signal) =>
      exchange.request(peer, node.getConnections(toPeerId(peer)), frame, signal),
    publish: frame => publish(node.services.pubsub, options.topic, frame),
    stop: async () => {
      live = false
      exchange.stop()
      await node.stop()
    },
  }
}

function wire(node: P2pNode, events: StackEvents, live: () => boolean): void {
  node.addEventListener('peer:connect', ({ detail }) => {
    const peer = toNodeId(detail)
    if (peer !== undefined && live()) events.connected(peer)
  })
  node.addEventListener('peer:disconnect', ({ detail }) => {
    const peer = toNodeId(detail)
    if (peer !== undefined && live()) events.disconnected(peer)
  })
  node.addEventListener('connection:open', ({ detail }) => {
    const others = node.getConnections(detail.remotePeer).filter(each => each !== detail)
    const oldestFirst = others.sort((a, b) => a.timeline.open - b.timeline.open)
    for (const each of oldestFirst.slice(0, 1 - connectionsPerPeerMax))
      each.abort(new LatticeError('PEER_REFUSED', 'the peer has newer connections'))
  })
  node.addEventListener('connection:close', ({ detail }) => {
    const peer = toNodeId(detail.remotePeer)
    const livedMs = (detail.timeline.close ?? Infinity) - detail.timeline.open
    if (peer !== undefined && live()) events.closed(peer, detail.remoteAddr.toString(), livedMs)
    // gossipsub has one stream for each peer, and opens another only when a connection is identified.
    const other = node.getConnections(detail.remotePeer).findLast(({ status }) => status === 'open')
    if (other !== undefined && live()) node.services.identify.identify(other).catch(() => {})
  })
  node.addEventListener('peer:update', ({ detail: { peer: record } }) => {
    const peer = toNodeId(record.id)
    if (peer === undefined || !live()) return
    events.learnt(
      peer,
      record.addresses.map(({ multiaddr }) => multiaddr.toString()),
    )
  })
}

/** Multicodec of /p2p, the last component of a full address. */
const p2pCode = 421

/** Ours is the listener on a loopback WebSocket port that the operator did not name. */
function isLoopbackWebSocket(listener: Listener, configured: readonly string[]): boolean {
  const [address] = listener.getAddrs()
  if (address === undefined) return false
  const text = address.toString()
  return /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/ws$/.test(text) && !configured.includes(text)
}

function portOf(listener: Listener): number | undefined {
  const port = listener
    .getAddrs()[0]
    ?.getComponents()
    .find(({ name }) => name === 'tcp')?.value
  return port === undefined ? undefined : Number(port)
}

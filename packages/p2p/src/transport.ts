/**
 * The P2P lung: `Transport` over libp2p.
 *
 * Tells the inbox what is connected, nothing more: no polling, no retry, no verdicts. Those are the engine's.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  LatticeError,
  assert,
  type AddressStatus,
  type Inbox,
  type NodeId,
  type PathKind,
  type Transport,
} from '@lattice/core'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { PrivateKey } from '@libp2p/interface'
import { parseAddress, parseBootstrap } from './addresses.ts'
import { Dialer } from './dialer.ts'
import { createGater } from './gater.ts'
import { privateKeyFromSeed, toNodeId } from './peer-id.ts'
import { Sparing } from './sparing.ts'
import { startStack, type Stack } from './stack.ts'
import { Upgrades, type CallerOf } from './upgrade.ts'

/** What a P2P transport is made of. */
export interface P2pOptions {
  /** Ed25519 seed, 32 bytes: the node's one identity. */
  readonly privateKeySeed: Uint8Array
  /** Who may connect. May change while running; takes effect at the next connection. */
  readonly trusted: ReadonlySet<NodeId>
  /** Multiaddrs to listen on; port 0 picks a free one. */
  readonly listen: readonly string[]
  /** Multiaddrs to be dialled at, told to peers instead of the listen addresses; empty: those. */
  readonly announce: readonly string[]
  /** Multiaddrs of other nodes, each ending in /p2p/<peer id>. */
  readonly bootstrap: readonly string[]
  /** Gossip topic (contract §1). */
  readonly topic: string
  /** Whose an upgrade request is, by IP address; default: whoever is connected. */
  readonly callerOf?: CallerOf
  readonly log?: P2pLog
}

/** Receives what an operator may want to read; `fields` are plain values. */
export type P2pLog = (
  level: 'debug' | 'info' | 'warn',
  message: string,
  fields: Readonly<Record<string, string | number>>,
) => void

/** The P2P lung and what the daemon needs beside the port. */
export interface P2pTransport extends Transport {
  /** Own peer id as text. */
  readonly peerId: string
  /** Where the node can be dialled, each ending in /p2p/<own id>; empty while stopped. */
  listenAddrs(): readonly string[]
  /** Hands an HTTP server's `upgrade` request to libp2p; answers 503 while stopped, 429 to too many. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void
  /**
   * Stops and starts libp2p with the same inbox, as after a jump of the clock (reliability T2), or starts it
   * where it could not before. No-op while stopped.
   */
  restart(): Promise<void>
}

/** A connection that ends this soon after its handshake was refused by the other side. */
const refusedWithinMs = 1000

const closedAtOnce =
  'the peer closed the connection at once; check that it trusts the public key of this node'

/** Makes the P2P lung. Throws CONFIG_INVALID for a bad seed or address; touches no network before `start`. */
export function createP2pTransport(options: P2pOptions): P2pTransport {
  return new Libp2pTransport(options)
}

class Libp2pTransport implements P2pTransport {
  readonly kind: PathKind = 'p2p'
  readonly peerId: string
  readonly #options: P2pOptions
  readonly #nodeId: NodeId
  readonly #privateKey: PrivateKey
  readonly #dialer: Dialer
  readonly #upgrades: Upgrades
  readonly #log: P2pLog
  readonly #refusals = new Sparing()
  /** Peers reported up and not down since. */
  readonly #up = new Set<NodeId>()
  #inbox: Inbox | undefined
  #stack: Stack | undefined
  /** Start, stop and restart run one after the other. */
  #lifecycle: Promise<void> = Promise.resolve()

  constructor(options: P2pOptions) {
    for (const address of options.listen) parseAddress(address, 'listen')
    for (const address of options.announce) parseAddress(address, 'announce')
    this.#options = options
    this.#log = options.log ?? (() => {})
    this.#upgrades = new Upgrades(options.callerOf ?? (request => request.socket.remoteAddress ?? ''))
    this.#privateKey = privateKeyFromSeed(options.privateKeySeed)
    const peerId = peerIdFromPrivateKey(this.#privateKey)
    const nodeId = toNodeId(peerId)
    assert(nodeId !== undefined, 'own key is Ed25519')
    this.#nodeId = nodeId
    this.peerId = peerId.toString()
    this.#dialer = new Dialer(parseBootstrap(options.bootstrap))
  }

  start(inbox: Inbox): Promise<void> {
    assert(this.#inbox === undefined, 'a transport is started once until it is stopped')
    this.#inbox = inbox
    return this.#next(() => this.#startStack())
  }

  stop(): Promise<void> {
    this.#inbox = undefined
    this.#up.clear()
    return this.#next(() => this.#stopStack())
  }

  restart(): Promise<void> {
    return this.#next(async () => {
      if (this.#inbox === undefined) return
      await this.#stopStack()
      for (const peer of [...this.#up]) this.#reportDown(peer, 'P2P is restarting on this node')
      if (this.#inbox !== undefined) await this.#startStack()
    })
  }

  async connect(peer: NodeId, signal: AbortSignal): Promise<void> {
    const stack = this.#running(peer)
    if (signal.aborted) throw new LatticeError('PEER_TIMEOUT')
    const connected = (): boolean => stack.connections(peer).some(({ status }) => status === 'open')
    if (!connected()) await this.#dialer.dial(stack.node, peer, signal)
    // What has ended again already, and was told as down, must not be taken for up.
    if (this.#stack !== stack) throw notRunning()
    if (!connected()) throw new LatticeError('PEER_REFUSED', closedAtOnce)
    this.#reportUp(peer)
  }

  async request(peer: NodeId, frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    return this.#running(peer).request(peer, frame, signal)
  }

  async announce(frame: Uint8Array): Promise<void> {
    if (this.#stack === undefined) throw notRunning()
    await this.#stack.publish(frame)
  }

  addresses(peer: NodeId): readonly AddressStatus[] {
    return this.#dialer.addresses(peer)
  }

  listenAddrs(): readonly string[] {
    if (this.#stack === undefined) return []
    const listening = this.#stack.listening().map(address => address.toString())
    const suffix = `/p2p/${this.peerId}`
    const complete = [...this.#options.announce, ...listening].map(address =>
      address.endsWith(suffix) ? address : address + suffix,
    )
    return [...new Set(complete)]
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    this.#upgrades.handOver(this.#stack?.webSocketPort, request, socket, head)
  }

  #next(step: () => Promise<void>): Promise<void> {
    const done = this.#lifecycle.then(step)
    this.#lifecycle = done.catch(() => {})
    return done
  }

  #running(peer: NodeId): Stack {
    if (peer === this.#nodeId || !this.#options.trusted.has(peer)) {
      throw new LatticeError('PEER_UNKNOWN', 'this node does not trust that peer')
    }
    if (this.#stack === undefined || this.#inbox === undefined) throw notRunning()
    return this.#stack
  }

  async #startStack(): Promise<void> {
    const { listen, announce, topic, trusted } = this.#options
    const gater = createGater(this.#nodeId, trusted, (peerId, direction) => {
      const news = this.#refusals.isNews(`${direction} ${peerId}`, performance.now())
      const fields = { peer_id: peerId, direction }
      this.#log(news ? 'info' : 'debug', 'connection with an untrusted peer refused', fields)
    })
    this.#stack = await startStack(
      { privateKey: this.#privateKey, gater, listen, announce, topic },
      trusted,
      {
        connected: peer => this.#reportUp(peer),
        disconnected: peer => this.#reportDown(peer, 'the connection was closed'),
        closed: (peer, address, livedMs) => this.#closed(peer, address, livedMs),
        learnt: (peer, addresses) => {
          if (peer !== this.#nodeId && trusted.has(peer)) this.#dialer.learn(peer, addresses)
        },
        rumoured: (peer, addresses) => {
          if (peer !== this.#nodeId && trusted.has(peer)) this.#dialer.hear(peer, addresses)
        },
        heard: (from, frame) => this.#inbox?.announced(from, frame),
        serve: async (from, frame, signal) => {
          if (this.#inbox === undefined) throw notRunning()
          return this.#inbox.serve(from, frame, signal)
        },
      },
    )
    this.#log('info', 'P2P started', { peer_id: this.peerId, listen: this.listenAddrs().join(',') })
  }

  async #stopStack(): Promise<void> {
    const stack = this.#stack
    this.#stack = undefined
    await stack?.stop()
    if (stack !== undefined) this.#log('info', 'P2P stopped', { peer_id: this.peerId })
  }

  #reportUp(peer: NodeId): void {
    this.#up.add(peer)
    this.#dialer.connected(peer)
    this.#inbox?.peerUp(peer)
    this.#log('debug', 'peer connected', { node_id: peer })
  }

  #reportDown(peer: NodeId, reason: string): void {
    this.#up.delete(peer)
    this.#inbox?.peerDown(peer, reason)
    this.#log('debug', 'peer disconnected', { node_id: peer, reason })
  }

  #closed(peer: NodeId, address: string, livedMs: number): void {
    if (livedMs > refusedWithinMs) return
    this.#dialer.failed(peer, address, new LatticeError('PEER_REFUSED', closedAtOnce))
    this.#log('debug', closedAtOnce, { node_id: peer, address })
  }
}

function notRunning(): LatticeError {
  return new LatticeError('PEER_UNREACHABLE', 'P2P is not running on this node')
}

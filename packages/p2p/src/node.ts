/**
 * The libp2p node: TCP and WebSockets, Noise, Yamux, identify, ping, a private DHT, gossipsub.
 *
 * It keeps no policy: who is dialled and how often is decided by the engine, through the dialer. The
 * library's own reconnecting is not relied on; it gives up after 31 s (reliability §1.1).
 */
import { noise } from '@chainsafe/libp2p-noise'
import type { GossipSub } from '@chainsafe/libp2p-gossipsub'
import type { Identify } from '@libp2p/identify'
import type { ConnectionGater, Libp2p, PrivateKey } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { ping, type Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { gossipOnTopic } from './announce.ts'
import { boundedIdentify, lookUpDht, type Hearsay } from './discovery.ts'

/** The services every node runs. */
export interface Services extends Record<string, unknown> {
  readonly identify: Identify
  readonly ping: Ping
  readonly dht: KadDHT
  readonly pubsub: GossipSub
}

/** A libp2p node with our services. */
export type P2pNode = Libp2p<Services>

/** What differs from node to node. */
export interface NodeOptions {
  readonly privateKey: PrivateKey
  readonly gater: ConnectionGater
  readonly listen: readonly string[]
  readonly announce: readonly string[]
  /** Whether a listen address is told to peers while `announce` is empty. */
  readonly advertised: (address: Multiaddr) => boolean
  readonly topic: string
  /** Told of the addresses that neighbours name for others. */
  readonly heard: Hearsay
}

/**
 * What a handshake may take, in milliseconds. It needs 2.5 round trips, so that this is enough at 1.6 s each;
 * the dialling side gives up 6 s after it began, its TCP handshake included.
 */
export const handshakeMsMax = 4000

/**
 * reliability TB4, X12. 16 connections hold 8 members twice over (both may dial at once). The threshold per
 * second and host is raised from 5: behind a local proxy or in a test everybody shares one address. A host
 * that uses it up all the time keeps 64 × 4 s = 256 handshakes pending, which leaves places to others even
 * where the gater cannot tell hosts apart; an idle one costs some tens of kilobytes.
 */
const connectionLimits = {
  maxConnections: 16,
  maxIncomingPendingConnections: 320,
  inboundConnectionThreshold: 64,
  inboundUpgradeTimeout: handshakeMsMax,
  inboundStreamProtocolNegotiationTimeout: handshakeMsMax,
}

/** Streams per connection: one per protocol and direction is normal, pings and look-ups come and go. */
const muxerLimits = { maxInboundStreams: 64, maxOutboundStreams: 64 }

/** Builds a node that is not started yet. */
export async function createNode(options: NodeOptions): Promise<P2pNode> {
  return createLibp2p<Services>({
    start: false,
    privateKey: options.privateKey,
    addresses: {
      listen: [...options.listen],
      announce: [...options.announce],
      announceFilter: addresses => addresses.filter(options.advertised),
    },
    transports: [tcp(), webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux(muxerLimits)],
    connectionGater: options.gater,
    connectionManager: connectionLimits,
    services: {
      identify: boundedIdentify(),
      ping: ping(),
      dht: lookUpDht(options.heard),
      pubsub: gossipOnTopic(options.topic),
    },
  })
}

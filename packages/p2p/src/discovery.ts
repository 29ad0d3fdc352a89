/**
 * How members learn each other's addresses: identify tells those of a node itself, a private DHT what its
 * neighbours know.
 *
 * Both are libp2p's, made for networks where addresses are many and cheap to keep. A hostile member could
 * fill our memory with them, and the time that libp2p takes for them grows with their square: 50 KB of
 * addresses held the event loop up for 20 s (measured). So what a peer says of itself is cut to a few
 * addresses, and the DHT looks things up but keeps nothing that others hand to it.
 */
import { identify, type Identify, type IdentifyComponents } from '@libp2p/identify'
import {
  peerDiscoverySymbol,
  type PeerData,
  type PeerDiscoveryProvider,
  type PeerId,
  type Stream,
} from '@libp2p/interface'
import { kadDHT, passthroughMapper, type KadDHT, type KadDHTComponents } from '@libp2p/kad-dht'
import type { Multiaddr } from '@multiformats/multiaddr'
import { LatticeError } from '@lattice/core'

/** Addresses kept of what a peer says of itself: a member has a few, a liar could name thousands. */
export const ownAddressesMax = 16

/** Private prefix: this DHT never meets the public one. */
export const dhtProtocol = '/lattice/kad/1.0.0'

/** Bytes that a DHT stream may bring: one question or answer, with all addresses of all members. */
const dhtStreamBytesMax = 8 * 1024

/** Told of the addresses that a neighbour names for a peer. Unproven. */
export type Hearsay = (peer: PeerId, addresses: readonly Multiaddr[]) => void

/** identify, which keeps the first few addresses of a peer. */
export function boundedIdentify(): (components: IdentifyComponents) => Identify {
  const cut = ({ addresses, ...data }: PeerData): PeerData =>
    addresses === undefined ? data : { ...data, addresses: addresses.slice(0, ownAddressesMax) }
  return components => {
    const { peerStore } = components
    const bounded = replacing(peerStore, {
      patch: (peer, data, options) => peerStore.patch(peer, cut(data), options),
    })
    return identify()(replacing(components, { peerStore: bounded }))
  }
}

/** The DHT: answers who asks for a peer, tells `heard` what answers name, and stores nothing for others. */
export function lookUpDht(heard: Hearsay): (components: KadDHTComponents) => KadDHT {
  return components => {
    const { peerStore, datastore, registrar, connectionManager } = components
    const bounded = replacing(components, {
      peerStore: replacing(peerStore, {
        merge: (peer, { multiaddrs: _, addresses: __, ...data }, options) =>
          peerStore.merge(peer, data, options),
      }),
      datastore: replacing(datastore, { put: key => key }),
      registrar: replacing(registrar, {
        handle: (protocol, handler, options) =>
          registrar.handle(protocol, (stream, from) => handler(briefly(stream), from), options),
      }),
      connectionManager: replacing(connectionManager, {
        openStream: async (...to) => briefly(await connectionManager.openStream(...to)),
      }),
    })
    const dht = kadDHT({ protocol: dhtProtocol, peerInfoMapper: passthroughMapper, clientMode: false })(
      bounded,
    )
    const { [peerDiscoverySymbol]: discovery } = dht as KadDHT & PeerDiscoveryProvider
    discovery?.addEventListener('peer', ({ detail: { id, multiaddrs } }) => heard(id, multiaddrs))
    // libp2p would add every answer to what it knows of a peer, without end.
    return Object.defineProperty(dht, peerDiscoverySymbol, { value: undefined })
  }
}

/** `stream`, which ends where it brings more than anybody has to say. */
function briefly(stream: Stream): Stream {
  let bytes = 0
  stream.addEventListener('message', ({ data }) => {
    bytes += data.byteLength
    if (bytes > dhtStreamBytesMax) stream.abort(new LatticeError('PEER_MALFORMED'))
  })
  return stream
}

/** `target` with some of its members replaced. Methods keep `target` as their `this`. */
function replacing<T extends object>(target: T, own: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const value: unknown = Reflect.get(name in own ? own : target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/**
 * Who may connect: trusted peer ids, and nobody else, in either direction (reliability TB4, X1).
 *
 * An inbound peer is known only once Noise has proved its key, so that is where it is refused: before a muxer
 * exists, hence before any protocol handler can run. Until then all that can be bounded is how many
 * handshakes one network keeps open (X12).
 */
import type { NodeId } from '@lattice/core'
import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { getNetConfig } from '@libp2p/utils'
import { isDialableClaim } from './addresses.ts'
import { toNodeId } from './peer-id.ts'
import { Places } from './places.ts'

/** Handshakes at once: 8 members behind one address, each twice over. libp2p bounds those of all. */
const handshakeLimits = { perNetwork: 16, inAll: Infinity }

/** The gater of node `self`; `denied` is told of every peer that was turned away. */
export function createGater(
  self: NodeId,
  trusted: ReadonlySet<NodeId>,
  denied: (peerId: string, direction: 'in' | 'out') => void,
): ConnectionGater {
  const isTrusted = (peerId: PeerId): boolean => {
    const nodeId = toNodeId(peerId)
    return nodeId !== undefined && trusted.has(nodeId)
  }
  const deny = (direction: 'in' | 'out') => (peerId: PeerId) => {
    if (isTrusted(peerId)) return false
    denied(peerId.toString(), direction)
    return true
  }
  const handshakes = new Handshakes()
  return {
    denyInboundConnection: connection => !handshakes.begin(connection),
    denyDialPeer: deny('out'),
    denyDialMultiaddr: () => false,
    denyOutboundConnection: deny('out'),
    denyOutboundEncryptedConnection: deny('out'),
    denyInboundEncryptedConnection: deny('in'),
    denyInboundUpgradedConnection: (peerId, connection) => {
      handshakes.end(connection)
      return deny('in')(peerId)
    },
    filterMultiaddrForPeer: (peerId, address) =>
      toNodeId(peerId) === self || (isTrusted(peerId) && isDialableClaim(address)),
  }
}

/** The inbound handshakes under way. */
class Handshakes {
  readonly #places = new Places(handshakeLimits)
  readonly #leave = new WeakMap<MultiaddrConnection, () => void>()

  /** Whether there is room for this one. */
  begin(connection: MultiaddrConnection): boolean {
    if (isFromProxy(connection)) return true
    const leave = this.#places.take(getNetConfig(connection.remoteAddr).host)
    if (leave === undefined) return false
    this.#leave.set(connection, leave)
    connection.addEventListener('close', leave, { once: true })
    return true
  }

  end(connection: MultiaddrConnection): void {
    this.#leave.get(connection)?.()
  }
}

/** A WebSocket from this machine: our HTTP port, which counts by itself (upgrade.ts), or another proxy. */
function isFromProxy({ remoteAddr }: MultiaddrConnection): boolean {
  return /^\/ip4\/127\..*\/ws$/.test(remoteAddr.toString())
}

/**
 * Who may connect: trusted peer ids, and nobody else, in either direction (reliability TB4, X1).
 *
 * An inbound peer is known only once Noise has proved its key, so that is where it is refused: before a muxer
 * exists, hence before any protocol handler can run.
 */
import type { NodeId } from '@lattice/core'
import type { ConnectionGater, PeerId } from '@libp2p/interface'
import { isDialableClaim } from './addresses.ts'
import { toNodeId } from './peer-id.ts'

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
  return {
    denyDialPeer: deny('out'),
    denyDialMultiaddr: () => false,
    denyOutboundConnection: deny('out'),
    denyOutboundEncryptedConnection: deny('out'),
    denyInboundEncryptedConnection: deny('in'),
    denyInboundUpgradedConnection: deny('in'),
    filterMultiaddrForPeer: (peerId, address) =>
      toNodeId(peerId) === self || (isTrusted(peerId) && isDialableClaim(address)),
  }
}

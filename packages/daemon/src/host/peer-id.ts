/**
 * A node has one Ed25519 key and two spellings of it: the node id (hex of the public key, what entries and
 * frames carry) and the libp2p peer id (multihash of the same key, what operators copy around). This file
 * converts.
 */
import { isNodeId } from '@lattice/core'
import type { NodeId } from '@lattice/core'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'

/**
 * The node id inside an Ed25519 peer id (`12D3KooW…`); undefined for anything else, other key types
 * included.
 */
export function nodeIdFromPeerId(text: string): NodeId | undefined {
  try {
    const peerId = peerIdFromString(text)
    if (peerId.type !== 'Ed25519' || peerId.toString() !== text) return undefined
    const hex = Buffer.from(peerId.publicKey.raw).toString('hex')
    return isNodeId(hex) ? hex : undefined
  } catch {
    return undefined
  }
}

/** The peer id (`12D3KooW…`) of a node. */
export function peerIdFromNodeId(nodeId: NodeId): string {
  return peerIdFromPublicKey(publicKeyFromRaw(Buffer.from(nodeId, 'hex'))).toString()
}

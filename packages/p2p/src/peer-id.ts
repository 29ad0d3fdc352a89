/**
 * Node ids and libp2p peer ids are two spellings of one Ed25519 public key.
 *
 * An Ed25519 peer id is the key itself behind a fixed header, so both directions are exact and need no look-
 * up (libp2p specs, peer-ids).
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { LatticeError, isNodeId, type NodeId } from '@lattice/core'
import { privateKeyFromRaw, publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'

/** PKCS #8 header of an Ed25519 private key (RFC 8410): Node takes a bare seed in no other form. */
const pkcs8Header = Buffer.from('302e020100300506032b657004220420', 'hex')

/** The peer id of a node as text. */
export function peerIdFromNodeId(nodeId: NodeId): string {
  return toPeerId(nodeId).toString()
}

/** The node id behind an Ed25519 peer id. Throws CONFIG_INVALID for any other text or key type. */
export function nodeIdFromPeerId(peerId: string): NodeId {
  const nodeId = toNodeId(parsePeerId(peerId))
  if (nodeId === undefined) {
    throw new LatticeError(
      'CONFIG_INVALID',
      `peer id ${peerId} is not an Ed25519 one; it should start with 12D3Koo`,
    )
  }
  return nodeId
}

/** The libp2p form of a node id. */
export function toPeerId(nodeId: NodeId): PeerId {
  return peerIdFromPublicKey(publicKeyFromRaw(Buffer.from(nodeId, 'hex')))
}

/** The node behind a libp2p peer id; undefined when it is not an Ed25519 one. */
export function toNodeId(peerId: PeerId): NodeId | undefined {
  if (peerId.type !== 'Ed25519') return undefined
  const hex = Buffer.from(peerId.publicKey.raw).toString('hex')
  return isNodeId(hex) ? hex : undefined
}

/** The libp2p private key of a 32-byte Ed25519 seed. Throws CONFIG_INVALID for another length. */
export function privateKeyFromSeed(seed: Uint8Array): PrivateKey {
  if (seed.length !== 32) {
    throw new LatticeError(
      'CONFIG_INVALID',
      `the private key seed has ${seed.length} bytes; Ed25519 takes 32`,
    )
  }
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Header, seed]), format: 'der', type: 'pkcs8' })
  const raw = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url')
  return privateKeyFromRaw(Buffer.concat([seed, raw]))
}

function parsePeerId(text: string): PeerId {
  try {
    return peerIdFromString(text)
  } catch (cause) {
    throw new LatticeError('CONFIG_INVALID', `"${text}" is not a peer id; it should start with 12D3Koo`, {
      cause,
    })
  }
}

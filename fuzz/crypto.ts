/** The cryptographic ports of fuzz targets: real SHA-256, and signatures that cost nothing. */
import { createHash } from 'node:crypto'
import type { Hash, NodeId, Signer } from '@lattice/core'

/** SHA-256. */
export const sha256: Hash = bytes => new Uint8Array(createHash('sha256').update(bytes).digest())

/** A member by number. */
export function memberId(number: number): NodeId {
  return number.toString(16).padStart(64, '0') as NodeId
}

/** Signs with zeros: who attacks as a member can sign anything, so nothing is gained by real keys. */
export function createZeroSigner(nodeId: NodeId): Signer {
  return { nodeId, sign: () => new Uint8Array(64) }
}

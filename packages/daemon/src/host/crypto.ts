/** The core's cryptographic ports on node:crypto. */
import { hash, randomBytes } from 'node:crypto'

import type { Hash, NodeId, Random, Verifier } from '@lattice/core'
import { createEd25519 } from './ed25519.ts'
import { VerifyCrew } from './verify-crew.ts'

// Up to this many are verified at once on the main thread (0.1 ms each): cheaper than a trip to a thread.
const inlineMax = 4

/** SHA-256. The detour over a string is twice as fast as asking for bytes (measured on Node 24). */
export const sha256: Hash = bytes => {
  const text = hash('sha256', bytes, 'binary')
  const digest = new Uint8Array(32)
  for (let at = 0; at < digest.length; at++) digest[at] = text.charCodeAt(at)
  return digest
}

/** Randomness from the operating system. */
export const systemRandom: Random = Object.freeze({
  // 48 bits: the most that readUIntBE gives, and exact in a double.
  unit: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  bytes: (length: number) => new Uint8Array(randomBytes(length)),
})

/** Checks signatures one at a time, or many in threads. */
export interface SystemVerifier extends Verifier {
  /** One verdict at once, in this thread: about 0.1 ms. False for whatever is malformed; never throws. */
  verifyOne(author: NodeId, message: Uint8Array, signature: Uint8Array): boolean
}

/** A verifier. A malformed author or signature is a `false`, never a rejection. */
export function createVerifier(): SystemVerifier {
  const verifyOne = createEd25519()
  const crew = new VerifyCrew()
  return {
    verifyOne,
    verify: async items => {
      if (items.length > inlineMax) return crew.verify(items)
      return items.map(({ author, message, signature }) => verifyOne(author, message, signature))
    },
  }
}

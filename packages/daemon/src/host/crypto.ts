/**
 * The core's cryptographic ports on node:crypto.
 *
 * Ed25519 verdicts are OpenSSL's (cofactorless, S < L enforced): the one rule of all nodes, because two
 * libraries with different edge cases would split the federation over one crafted signature.
 */
import { createPublicKey, hash, randomBytes, verify as verifySignature } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import { membersMax } from '@lattice/core'
import type { Hash, NodeId, Random, SignedMessage, Verifier } from '@lattice/core'

// SubjectPublicKeyInfo header of an Ed25519 public key (RFC 8410 §4); the 32 bytes follow.
const spkiHeader = Buffer.from('302a300506032b6570032100', 'hex')
// Parsed keys kept: a kept key verifies 1.5 times as fast as a parsed one. Several times the largest
// federation.
const keptKeysMax = 4 * membersMax
// Up to this many are verified at once on the main thread (0.1 ms each): cheaper than a trip through the
// pool.
const inlineMax = 4
// Verifications in flight in libuv's pool (4 threads by default), so that file and DNS calls find a free
// thread.
const lanesMax = 3

/** SHA-256. The detour over hex is twice as fast as asking for bytes (measured on Node 24). */
export const sha256: Hash = bytes => Buffer.from(hash('sha256', bytes), 'hex')

/** Randomness from the operating system. */
export const systemRandom: Random = Object.freeze({
  // 48 bits: the most that readUIntBE gives, and exact in a double.
  unit: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  bytes: (length: number) => new Uint8Array(randomBytes(length)),
})

/** Checks signatures one at a time, or many in the thread pool. */
export interface SystemVerifier extends Verifier {
  /** One verdict at once, in this thread: about 0.1 ms. False for whatever is malformed; never throws. */
  verifyOne(author: NodeId, message: Uint8Array, signature: Uint8Array): boolean
}

/**
 * A verifier with a bounded cache of keys. A malformed author or signature is a `false`, never a rejection.
 */
export function createVerifier(): SystemVerifier {
  const kept = new Map<NodeId, KeyObject>()
  const keyOf = (author: NodeId): KeyObject | undefined => {
    const known = kept.get(author)
    if (known !== undefined) return known
    const key = parseKey(author)
    if (key === undefined) return undefined
    const oldest = kept.size < keptKeysMax ? undefined : kept.keys().next().value
    if (oldest !== undefined) kept.delete(oldest)
    kept.set(author, key)
    return key
  }
  const verifyOne: SystemVerifier['verifyOne'] = (author, message, signature) => {
    const key = keyOf(author)
    return key !== undefined && signature.length === 64 && verifySignature(null, message, key, signature)
  }
  return {
    verifyOne,
    verify: async items => {
      if (items.length > inlineMax) return verifyInPool(items, keyOf)
      return items.map(({ author, message, signature }) => verifyOne(author, message, signature))
    },
  }
}

async function verifyInPool(
  items: readonly SignedMessage[],
  keyOf: (author: NodeId) => KeyObject | undefined,
): Promise<readonly boolean[]> {
  const verdicts = new Array<boolean>(items.length).fill(false)
  const queue = items.entries()
  const lane = async (): Promise<void> => {
    for (const [index, { author, message, signature }] of queue) {
      const key = keyOf(author)
      if (key !== undefined && signature.length === 64)
        verdicts[index] = await verifyOnce(message, key, signature)
    }
  }
  await Promise.all(Array.from({ length: lanesMax }, lane))
  return verdicts
}

function verifyOnce(message: Uint8Array, key: KeyObject, signature: Uint8Array): Promise<boolean> {
  return new Promise(resolve => {
    verifySignature(null, message, key, signature, (error, valid) => resolve(error === null && valid))
  })
}

function parseKey(author: NodeId): KeyObject | undefined {
  try {
    const der = Buffer.concat([spkiHeader, Buffer.from(author, 'hex')])
    return createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

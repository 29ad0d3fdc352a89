/**
 * Verifies Ed25519 signatures with node:crypto, with a bounded cache of parsed keys.
 *
 * Verdicts are OpenSSL's (cofactorless, S < L enforced), and no point of small order is taken: the one rule
 * of all nodes, because two verifiers with different edge cases would split the federation over one crafted
 * signature. Of Node 24, the earlier releases take such points and the later ones do not; so it is decided
 * here. Imports nothing of ours, so that the threads that verify start at once.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto'

// SubjectPublicKeyInfo header of an Ed25519 public key (RFC 8410 §4); the 32 bytes follow.
const spkiHeader = Buffer.from('302a300506032b6570032100', 'hex')
// Parsed keys kept: a kept key verifies 1.5 times as fast as a parsed one. Several times the largest
// federation of 64.
const keptKeysMax = 256

// The y of all points of small order: 1, −1, 0, those of order 8, and p and p + 1, which are 0 and 1 again.
const smallOrderYs = [
  '01'.padEnd(64, '0'),
  `ec${'ff'.repeat(30)}7f`,
  ''.padEnd(64, '0'),
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
].map(hex => Buffer.from(hex, 'hex'))

/** One verdict at once, in this thread: about 0.1 ms. False for whatever is malformed; never throws. */
export type VerifyOne = (author: string, message: Uint8Array, signature: Uint8Array) => boolean

/**
 * A verifier whose authors are public keys in hex.
 * @param ask OpenSSL, which this Node brings along
 */
export function createEd25519(ask: typeof verify = verify): VerifyOne {
  const kept = new Map<string, KeyObject>()
  const keyOf = (author: string): KeyObject | undefined => {
    const known = kept.get(author)
    if (known !== undefined) return known
    const key = parseKey(author)
    if (key === undefined) return undefined
    const oldest = kept.size < keptKeysMax ? undefined : kept.keys().next().value
    if (oldest !== undefined) kept.delete(oldest)
    kept.set(author, key)
    return key
  }
  return (author, message, signature) => {
    const key = keyOf(author)
    if (key === undefined || signature.length !== 64 || isSmallOrder(signature)) return false
    return ask(null, message, key, signature)
  }
}

/** Whether the first 32 bytes are a point of small order: as a key, anybody can sign for it. */
export function isSmallOrder(point: Uint8Array): boolean {
  return smallOrderYs.some(y => y.every((byte, at) => byte === (at < 31 ? point[at] : signless(point[at]))))
}

function signless(byte: number | undefined): number {
  return (byte ?? 0) & 127
}

function parseKey(author: string): KeyObject | undefined {
  try {
    const point = Buffer.from(author, 'hex')
    if (isSmallOrder(point)) return undefined
    const der = Buffer.concat([spkiHeader, point])
    return createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

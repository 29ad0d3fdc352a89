/**
 * Makes Ed25519 signatures: with libsodium where its prebuilt library loads, else with node:crypto. Libsodium
 * takes half of OpenSSL's time (measured: 24–29 against 50–57 µs), and every entry has a signature.
 *
 * Only for signing: RFC 8032 §5.1.6 leaves no choice, so both make the same bytes, while verdicts on crafted
 * signatures differ (ed25519.ts). Imports nothing of ours, so that the threads that sign start at once.
 */
import { createPrivateKey, sign, type KeyObject } from 'node:crypto'
import { createRequire } from 'node:module'

/** Bytes of a signature (RFC 8032 §5.1.6). */
export const signatureBytes = 64

// PKCS #8 header of an Ed25519 private key (RFC 8410 §7); the 32-byte seed follows.
const pkcs8Header = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Signs one message at once, in this thread. */
export type SignOne = (message: Uint8Array) => Uint8Array

/** What is used of libsodium. */
interface Sodium {
  crypto_sign_seed_keypair(publicKey: Buffer, secretKey: Buffer, seed: Buffer): void
  crypto_sign_detached(signature: Buffer, message: Uint8Array, secretKey: Buffer): void
}

/** The private key of a 32-byte seed. Throws where it has another length. */
export function privateKeyFromSeed(seed: Uint8Array): KeyObject {
  const der = Buffer.concat([pkcs8Header, seed])
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

/** Signs with the key of a 32-byte seed, which is copied. Throws where it has another length. */
export function createSign(seed: Uint8Array): SignOne {
  return signWithSodium(seed) ?? signWithNode(seed)
}

/** The same with OpenSSL, which is always there. */
export function signWithNode(seed: Uint8Array): SignOne {
  const privateKey = privateKeyFromSeed(seed)
  return message => sign(null, message, privateKey)
}

/** The same with libsodium; undefined where it is not installed or does not load on this system. */
export function signWithSodium(seed: Uint8Array): SignOne | undefined {
  const sodium = loadSodium()
  if (sodium === undefined) return undefined
  const secretKey = Buffer.alloc(64)
  sodium.crypto_sign_seed_keypair(Buffer.alloc(32), secretKey, Buffer.from(seed))
  return message => {
    const signature = Buffer.allocUnsafe(signatureBytes)
    sodium.crypto_sign_detached(signature, message, secretKey)
    return signature
  }
}

function loadSodium(): Sodium | undefined {
  try {
    return createRequire(import.meta.url)('sodium-native') as Sodium
  } catch {
    return undefined
  }
}

/**
 * Who signs: a keyed hash in most histories, because real signatures would cost most of the time, and Ed25519
 * in some.
 *
 * The world holds all secrets of the keyed hash, so its verifier can recompute; nobody in it can forge
 * without one.
 */
import { createPrivateKey, createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto'
import type { Hash, NodeId, Signer, SignedMessage, Verifier } from '@lattice/core'
import type { Dice } from './dice.ts'

/** Results remembered: the same few thousand entries are hashed again and again, on every node. */
const digestsMax = 50_000

/** Most entries are shorter; what is signed of an HTTP request is longer, and comes once. */
const longestRemembered = 400

const digests = new Map<string, Uint8Array>()

/** SHA-256. */
export const sha256: Hash = bytes => {
  if (bytes.length > longestRemembered) return hash('sha256', bytes, 'buffer')
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const known = digests.get(text)
  if (known !== undefined) return known
  const digest = hash('sha256', bytes, 'buffer')
  if (digests.size >= digestsMax) digests.clear()
  digests.set(text, digest)
  return digest
}

/** The keys of one federation. */
export interface KeyRing {
  /** In ascending order of node id. */
  readonly signers: readonly Signer[]
  readonly verifier: Verifier
  /** Checks one signature at once. */
  check(item: SignedMessage): boolean
}

/** PKCS#8 around a 32-byte Ed25519 seed (RFC 8410 §7). */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Draws the keys of `count` nodes. */
export function createKeyRing(count: number, dice: Dice, real: boolean): KeyRing {
  const seeds = Array.from({ length: count }, () => Buffer.from(dice.bytes(32)))
  const ring = real ? ed25519Ring(seeds) : keyedHashRing(seeds)
  return {
    ...ring,
    signers: ring.signers.toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1)),
    verifier: { verify: items => Promise.resolve(items.map(ring.check)) },
  }
}

function keyedHashRing(seeds: readonly Buffer[]): Omit<KeyRing, 'verifier'> {
  const secrets = new Map(seeds.map(seed => [hash('sha256', seed) as NodeId, seed]))
  return {
    signers: [...secrets].map(([nodeId, secret]) => ({
      nodeId,
      sign: message => keyedHash(secret, message),
    })),
    check({ author, message, signature }) {
      const secret = secrets.get(author)
      return secret !== undefined && keyedHash(secret, message).equals(signature)
    },
  }
}

/**
 * As long as a signature: two rounds of FNV-1a over the message, begun with the secret. Told apart by 64 bits
 * is enough where nobody searches for a collision, and several times cheaper than a cryptographic hash.
 */
function keyedHash(secret: Buffer, message: Uint8Array): Buffer {
  let one = secret.readUInt32BE(0)
  let other = secret.readUInt32BE(4)
  for (const byte of message) {
    one = Math.imul(one ^ byte, 0x0100_0193)
    other = Math.imul(other ^ byte ^ (one >>> 15), 0x85eb_ca6b)
  }
  const signature = Buffer.alloc(64, secret)
  signature.writeInt32BE(one, 0)
  signature.writeInt32BE(other, 4)
  return signature
}

function ed25519Ring(seeds: readonly Buffer[]): Omit<KeyRing, 'verifier'> {
  const publicKeys = new Map<NodeId, KeyObject>()
  const signers = seeds.map((seed): Signer => {
    const privateKey = createPrivateKey({
      key: Buffer.concat([pkcs8Head, seed]),
      format: 'der',
      type: 'pkcs8',
    })
    const publicKey = createPublicKey(privateKey)
    const nodeId = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex') as NodeId
    publicKeys.set(nodeId, publicKey)
    return { nodeId, sign: message => sign(null, message, privateKey) }
  })
  return {
    signers,
    check({ author, message, signature }) {
      const publicKey = publicKeys.get(author)
      return publicKey !== undefined && verify(null, message, publicKey, signature)
    },
  }
}

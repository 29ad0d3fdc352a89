/** The cryptographic ports of the core for its tests: real SHA-256 and real Ed25519 from fixed seeds. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  hash,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto'
import { toHex, type Hash, type NodeId, type SignedMessage, type Signer } from '@lattice/core'

/** SHA-256. */
export const sha256: Hash = bytes => new Uint8Array(Buffer.from(hash('sha256', bytes), 'hex'))

/** SHA-512. */
export const sha512: Hash = bytes => new Uint8Array(Buffer.from(hash('sha512', bytes), 'hex'))

/** Header of an Ed25519 private key in PKCS #8 (RFC 8410); the 32 bytes of the seed follow. */
const pkcs8Header = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Header of an Ed25519 public key (RFC 8410); its 32 bytes follow. */
const spkiHeader = Buffer.from('302a300506032b6570032100', 'hex')

/** An Ed25519 signer whose 32-byte seed is `seed` repeated. */
export function createTestSigner(seed: number): Signer {
  const der = Buffer.concat([pkcs8Header, Buffer.alloc(32, seed)])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const nodeId = toHex(spki.subarray(spkiHeader.length)) as NodeId
  return { nodeId, sign: message => new Uint8Array(sign(null, message, key)) }
}

/**
 * A signer that is as fast as a hash, for tests of thousands of entries where nobody checks signatures. Its
 * node id is made up.
 */
export function createKeyedHashSigner(seed: number): Signer {
  const nodeId = toHex(sha256(Uint8Array.of(seed))) as NodeId
  const half = (message: Uint8Array, at: number): Uint8Array =>
    createHash('sha256').update(nodeId).update(Uint8Array.of(at)).update(message).digest()
  return { nodeId, sign: message => Uint8Array.from([...half(message, 0), ...half(message, 1)]) }
}

const keys = new Map<NodeId, KeyObject>()

/** Whether the signature is the author's. */
export function verifies({ author, message, signature }: SignedMessage): boolean {
  let key = keys.get(author)
  try {
    key ??= createPublicKey({
      key: Buffer.concat([spkiHeader, Buffer.from(author, 'hex')]),
      format: 'der',
      type: 'spki',
    })
  } catch {
    return false
  }
  keys.set(author, key)
  return verify(null, message, key, signature)
}

/** Three nodes with real keys. */
export const [alice, bob, carol] = [1, 2, 3].map(createTestSigner) as [Signer, Signer, Signer]

/**
 * The key of a node under a passphrase: scrypt (RFC 7914) and AES-256-GCM, so that a backup may lie where
 * others can read it.
 */
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto'

/** scrypt as OWASP's Password Storage Cheat Sheet asks: N = 2¹⁷, r = 8, p = 1; 128 MiB and about 0.4 s. */
const cost = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 } as const
const saltBytes = 16
/** GCM's own length of a nonce. */
const nonceBytes = 12
const tagBytes = 16
const seedBytes = 32

/** Salt, nonce, tag and the encrypted 32-byte seed. */
export function sealSeed(seed: Uint8Array, passphrase: string): Uint8Array {
  const salt = randomBytes(saltBytes)
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', keyOf(passphrase, salt), nonce)
  const sealed = Buffer.concat([cipher.update(seed), cipher.final()])
  return Buffer.concat([salt, nonce, cipher.getAuthTag(), sealed])
}

/** The seed; undefined where the passphrase is another one or the bytes were changed. */
export function openSeed(sealed: Uint8Array, passphrase: string): Uint8Array | undefined {
  if (sealed.length !== saltBytes + nonceBytes + tagBytes + seedBytes) return undefined
  const [nonceAt, tagAt, seedAt] = [saltBytes, saltBytes + nonceBytes, saltBytes + nonceBytes + tagBytes]
  const key = keyOf(passphrase, sealed.subarray(0, nonceAt))
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(nonceAt, tagAt))
  decipher.setAuthTag(sealed.subarray(tagAt, seedAt))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(seedAt)), decipher.final()])
  } catch {
    return undefined
  }
}

function keyOf(passphrase: string, salt: Uint8Array): Uint8Array {
  return scryptSync(passphrase.normalize('NFC'), salt, 32, cost)
}

/**
 * `node scripts/generate-vectors.ts`: writes the test vectors of vectors/ from fixed keys and times.
 *
 * A test recomputes all of them from the code, so a change of the protocol shows as a change of these files.
 */
import { createPrivateKey, createPublicKey, hash, sign } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeId, Signer } from '@lattice/core'
import { vectorFiles } from '@lattice/core/testing'
import { syncVectors } from './sync-vectors.ts'

/** Ed25519 private key in PKCS #8 without its seed (RFC 8410). */
const pkcs8Header = Buffer.from('302e020100300506032b657004220420', 'hex')

function signerOf(seed: number): Signer {
  const der = Buffer.concat([pkcs8Header, Buffer.alloc(32, seed)])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const nodeId = spki.subarray(-32).toString('hex') as NodeId
  return { nodeId, sign: message => sign(null, message, key) }
}

const sha = (bits: 256 | 512) => (bytes: Uint8Array) => new Uint8Array(hash(`sha${bits}`, bytes, 'buffer'))
const folder = join(import.meta.dirname, '..', 'vectors')
mkdirSync(folder, { recursive: true })
const files = vectorFiles({ hash: sha(256), wideHash: sha(512), alice: signerOf(1), bob: signerOf(2) })
for (const [name, content] of files) writeFileSync(join(folder, name), content)
writeFileSync(join(folder, 'sync.json'), syncVectors())

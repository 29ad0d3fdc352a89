/**
 * Signs requests to `POST /sync/v1` as a node does, written from the protocol alone (RFC 9421, RFC 9530), so
 * that a shared mistake of signer and verifier shows.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** A key pair that belongs to no daemon. */
export interface Signer {
  readonly privateKey: KeyObject
  /** 64 hex digits. */
  readonly publicKey: string
}

/** What a request is made of; whatever is left out is as it should be. */
export interface FrameRequest {
  readonly signer: Signer
  /** Public key of the node it is meant for. */
  readonly dest: string
  readonly body: Uint8Array
  readonly contentType?: string
  readonly nonce?: string
  readonly createdS?: number
  /** Changes the signed request before it is sent. */
  readonly tamper?: (request: { headers: Record<string, string>; body: Uint8Array }) => void
}

/** How a node answered. */
export interface FrameAnswer {
  readonly status: number
  readonly code: string | undefined
  readonly detail: string | undefined
  /** What nonces must begin with, told in a challenge. */
  readonly life: string | undefined
  /** Bytes of the answer's body. */
  readonly bytes: number
}

/** A fresh Ed25519 key pair. */
export function createSigner(): Signer {
  const { privateKey } = generateKeyPairSync('ed25519')
  const { x = '' } = createPublicKey(
    createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' })),
  ).export({
    format: 'jwk',
  })
  return { privateKey, publicKey: Buffer.from(x, 'base64url').toString('hex') }
}

/** Sends one signed request to the node at `url`. */
export async function sendFrame(url: string, request: FrameRequest): Promise<FrameAnswer> {
  const sent = { headers: signedHeaders(request), body: request.body }
  request.tamper?.(sent)
  const response = await fetch(`${url}/sync/v1`, {
    method: 'POST',
    headers: sent.headers,
    body: Buffer.from(sent.body),
  })
  const body = Buffer.from(await response.arrayBuffer())
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json') === true
  const problem = isProblem ? (JSON.parse(body.toString('utf8')) as Record<string, string>) : {}
  const { code, detail, life } = problem
  return { status: response.status, code, detail, life, bytes: body.length }
}

function signedHeaders(request: FrameRequest): Record<string, string> {
  const digest = `sha-256=:${createHash('sha256').update(request.body).digest('base64')}:`
  const createdS = request.createdS ?? Math.floor(Date.now() / 1000)
  const nonce = request.nonce ?? randomBytes(16).toString('base64url')
  const covered: readonly (readonly [string, string])[] = [
    ['@method', 'POST'],
    ['@path', '/sync/v1'],
    ['@query', '?'],
    ['content-digest', digest],
    ['content-type', request.contentType ?? 'application/x-lattice-frame'],
    ['x-node-dest', request.dest],
  ]
  const parameters =
    `(${covered.map(([name]) => `"${name}"`).join(' ')});created=${createdS};expires=${createdS + 60}` +
    `;nonce="${nonce}";keyid="${request.signer.publicKey}";alg="ed25519";tag="lattice/1"`
  const base = `${covered.map(([name, value]) => `"${name}": ${value}\n`).join('')}"@signature-params": ${parameters}`
  const plain = covered.filter(([name]) => !name.startsWith('@'))
  return {
    ...Object.fromEntries(plain),
    'signature-input': `s=${parameters}`,
    signature: `s=:${sign(null, Buffer.from(base), request.signer.privateKey).toString('base64')}:`,
  }
}

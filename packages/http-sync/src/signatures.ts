/**
 * HTTP message signatures (RFC 9421) and digests (RFC 9530), in one fixed profile.
 *
 * Both ends speak exactly this profile, so there is nothing to negotiate and no general parser to attack: a
 * header either has the one accepted form or is refused. A request covers method, path, query, digest,
 * content type and the node it is meant for, never Host, which proxies rewrite. An answer covers status,
 * digest and the signature of the request, and through that its nonce and every byte of it.
 */
import { isNodeId, type Hash, type NodeId, type Signer } from '@lattice/core'
import { decodeBase64, encodeBase64 } from './base64.ts'

/** Names protocol and version inside every signature, so that none can be used for anything else. */
export const signatureTag = 'lattice/1'

/** Longest life of a signed request, and the largest clock difference accepted without a challenge: 60 s. */
export const windowS = 60

/** Length of an Ed25519 signature (RFC 8032). */
const signatureBytes = 64

/** The only label: a message carries one signature. */
const label = 's'

const requestComponents = ['@method', '@path', '@query', 'content-digest', 'content-type', 'x-node-dest'].map(
  name => `"${name}"`,
)
const responseComponents = ['"@status"', '"content-digest"', '"signature";req']

/** Checks one Ed25519 signature. False for whatever is not a signature by `nodeId`; never throws. */
export type VerifySignature = (nodeId: NodeId, message: Uint8Array, signature: Uint8Array) => boolean

/** The covered parts of a request, as both ends see them. */
export interface RequestHead {
  readonly method: string
  readonly path: string
  /** With its leading `?`; empty where there is none. */
  readonly query: string
  readonly contentDigest: string
  readonly contentType: string
  /** Node id of the destination. */
  readonly dest: string
}

/** The covered parts of an answer. */
export interface ResponseHead {
  readonly status: number
  readonly contentDigest: string
  /** The `signature` header of the request, which binds the answer to it. */
  readonly requestSignature: string
}

/** The two headers a signature travels in. */
export interface SignatureHeaders {
  readonly 'signature-input': string
  readonly signature: string
}

/** A well-formed signature that nobody has verified yet. */
export interface Claim {
  readonly nodeId: NodeId
  /** The bytes that were signed. */
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** A claim of a request. */
export interface RequestClaim extends Claim {
  /** Unix seconds. */
  readonly createdS: number
  /** Unix seconds. */
  readonly expiresS: number
  readonly nonce: string
}

/** The `content-digest` header of a body (RFC 9530), by SHA-256. */
export function contentDigest(hash: Hash, body: Uint8Array): string {
  return `sha-256=:${encodeBase64(hash(body))}:`
}

/** The text a signature is made over (RFC 9421 §2.5): one line per component, then the parameters. */
export function signatureBase(
  components: ReadonlyArray<readonly [identifier: string, value: string]>,
  parameters: string,
): string {
  const lines = components.map(([identifier, value]) => `${identifier}: ${value}\n`)
  return `${lines.join('')}"@signature-params": ${parameters}`
}

/**
 * Signs a request that lives from `createdS` for 60 s. `nonce` is visible ASCII without quotes or
 * backslashes.
 */
export function signRequest(
  signer: Signer,
  head: RequestHead,
  stamp: { readonly createdS: number; readonly nonce: string },
): SignatureHeaders {
  const parameters =
    `(${requestComponents.join(' ')});created=${stamp.createdS};expires=${stamp.createdS + windowS}` +
    `;nonce="${stamp.nonce}";keyid="${signer.nodeId}";alg="ed25519";tag="${signatureTag}"`
  return seal(signer, requestBase(head, parameters), parameters)
}

/** Signs an answer. It is as fresh as the request it is bound to, so it bears no time of its own. */
export function signResponse(signer: Signer, head: ResponseHead): SignatureHeaders {
  const parameters = `(${responseComponents.join(' ')});keyid="${signer.nodeId}";tag="${signatureTag}"`
  return seal(signer, responseBase(head, parameters), parameters)
}

const requestInputPattern = inputPattern(
  requestComponents,
  ';created=(?<created>[0-9]{1,12});expires=(?<expires>[0-9]{1,12});nonce="(?<nonce>[A-Za-z0-9:_-]{22,64})"' +
    ';keyid="(?<keyid>[0-9a-f]{64})";alg="ed25519"',
)
const responseInputPattern = inputPattern(responseComponents, ';keyid="(?<keyid>[0-9a-f]{64})"')

/** What a request claims to be signed with; undefined where the headers are not of the profile. */
export function readRequestClaim(
  head: RequestHead,
  headers: Partial<SignatureHeaders>,
): RequestClaim | undefined {
  const input = readInput(headers, requestInputPattern)
  if (input === undefined) return undefined
  const { created, expires, nonce } = input.fields
  if (created === undefined || expires === undefined || nonce === undefined) return undefined
  const message = requestBase(head, input.parameters)
  return { ...input.claim, message, createdS: Number(created), expiresS: Number(expires), nonce }
}

/** What an answer claims to be signed with; undefined where the headers are not of the profile. */
export function readResponseClaim(head: ResponseHead, headers: Partial<SignatureHeaders>): Claim | undefined {
  const input = readInput(headers, responseInputPattern)
  if (input === undefined) return undefined
  return { ...input.claim, message: responseBase(head, input.parameters) }
}

/** The signature behind a `signature` header of the profile. */
export function readSignature(header: string | undefined): Uint8Array | undefined {
  const text = /^s=:([A-Za-z0-9+/=]{88}):$/.exec(header ?? '')?.[1]
  const bytes = text === undefined ? undefined : decodeBase64(text)
  return bytes?.length === signatureBytes ? bytes : undefined
}

function inputPattern(components: readonly string[], parameters: string): RegExp {
  const list = components.join(' ')
  return new RegExp(`^${label}=(?<parameters>\\(${list}\\)${parameters};tag="${signatureTag}")$`)
}

interface Input {
  readonly parameters: string
  readonly fields: Readonly<Record<string, string | undefined>>
  readonly claim: Omit<Claim, 'message'>
}

function readInput(headers: Partial<SignatureHeaders>, pattern: RegExp): Input | undefined {
  const fields = pattern.exec(headers['signature-input'] ?? '')?.groups
  const signature = readSignature(headers.signature)
  if (fields === undefined || signature === undefined) return undefined
  const { parameters, keyid } = fields
  if (parameters === undefined || keyid === undefined || !isNodeId(keyid)) return undefined
  return { parameters, fields, claim: { nodeId: keyid, signature } }
}

function requestBase(head: RequestHead, parameters: string): Uint8Array {
  const values = [
    head.method,
    head.path,
    head.query === '' ? '?' : head.query,
    head.contentDigest,
    head.contentType,
    head.dest,
  ]
  return toBytes(requestComponents, values, parameters)
}

function responseBase(head: ResponseHead, parameters: string): Uint8Array {
  return toBytes(
    responseComponents,
    [String(head.status), head.contentDigest, head.requestSignature],
    parameters,
  )
}

function toBytes(identifiers: readonly string[], values: readonly string[], parameters: string): Uint8Array {
  const components = identifiers.map((identifier, i) => [identifier, values[i] ?? ''] as const)
  return new TextEncoder().encode(signatureBase(components, parameters))
}

function seal(signer: Signer, base: Uint8Array, parameters: string): SignatureHeaders {
  return {
    'signature-input': `${label}=${parameters}`,
    signature: `${label}=:${encodeBase64(signer.sign(base))}:`,
  }
}

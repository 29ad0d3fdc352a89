/** A running handler without a socket, and requests for it, for tests. */
import type { Inbox, NodeId } from '@lattice/core'
import { encodeBase64Url } from '../src/base64.ts'
import { contentTypes, type Headers, type Purpose } from '../src/frames.ts'
import { SyncHandler, type SyncRequest, type SyncResponse } from '../src/handler.ts'
import { nonceFor } from '../src/replay-cache.ts'
import { contentDigest, readResponseClaim, signRequest } from '../src/signatures.ts'
import { hash, newClock, newSigner, random, verifySignature } from './harness.ts'

export const server = newSigner()
export const caller = newSigner()
export const never = new AbortController().signal
export const frame = Uint8Array.of(1, 2, 3, 4)

export interface Call {
  readonly kind: 'serve' | 'announced'
  readonly from: NodeId
  readonly frame: Uint8Array
}

/** A running handler with an inbox that notes what arrives and answers the frame reversed. */
export async function open(wallOffsetMs = 0) {
  const calls: Call[] = []
  const clock = newClock(wallOffsetMs)
  const inbox: Inbox = {
    peerUp: () => {},
    peerDown: () => {},
    announced: (from, bytes) => void calls.push({ kind: 'announced', from, frame: bytes }),
    serve: async (from, bytes) => {
      calls.push({ kind: 'serve', from, frame: bytes })
      return bytes.toReversed()
    },
  }
  const handler = new SyncHandler({
    signer: server,
    verify: verifySignature,
    hash,
    trusted: new Set([caller.nodeId]),
    clock,
    random,
  })
  handler.start(inbox)
  const { life } = problemOf(await handler.handle(signed({ nonce: 'A'.repeat(22) })))
  const draft = (parts: Draft = {}): Whole => signed({ nonce: freshNonce(life), ...parts })
  return { handler, calls, clock, inbox, draft, life }
}

export interface Draft {
  readonly body?: Uint8Array
  readonly purpose?: Purpose
  readonly createdS?: number
  readonly nonce?: string
  readonly dest?: NodeId
  readonly signer?: typeof caller
}

export function freshNonce(life: string): string {
  return nonceFor(life, encodeBase64Url(random.bytes(16)))
}

export function nowS(): number {
  return Math.floor(Date.now() / 1000)
}

/** A request whose body is there. */
export type Whole = SyncRequest & { readonly body: Uint8Array }

/** A correctly signed request. */
export function signed(parts: Draft): Whole {
  const { body = frame, purpose = 'request', dest = server.nodeId } = parts
  const digest = contentDigest(hash, body)
  const contentType = contentTypes[purpose]
  const head = { method: 'POST', path: '/sync/v1', query: '', contentDigest: digest, contentType, dest }
  const stamp = { createdS: parts.createdS ?? nowS(), nonce: parts.nonce ?? '' }
  const proof = signRequest(parts.signer ?? caller, head, stamp)
  const headers = { 'content-type': contentType, 'content-digest': digest, 'x-node-dest': dest, ...proof }
  return { method: 'POST', path: '/sync/v1', query: '', headers, body, signal: never }
}

export function problemOf(answer: SyncResponse): { code: string; life: string; time: number; nonce: string } {
  return JSON.parse(new TextDecoder().decode(answer.body)) as ReturnType<typeof problemOf>
}

export function outcome(answer: SyncResponse): string {
  return answer.status < 300 ? String(answer.status) : `${answer.status} ${problemOf(answer).code}`
}

/** Whether `answer` bears the server's signature over exactly this request. */
export function isSigned(request: SyncRequest, answer: SyncResponse): boolean {
  const digest = answer.headers['content-digest'] ?? ''
  if (digest !== contentDigest(hash, answer.body)) return false
  const requestSignature = String(request.headers['signature'])
  const claim = readResponseClaim(
    { status: answer.status, contentDigest: digest, requestSignature },
    answer.headers,
  )
  return claim?.nodeId === server.nodeId && verifySignature(claim.nodeId, claim.message, claim.signature)
}

export function withHeader(request: SyncRequest, name: string, value: string | undefined): SyncRequest {
  const headers: Headers = { ...request.headers, [name]: value }
  return { ...request, headers }
}

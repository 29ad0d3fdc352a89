/**
 * Answers `POST /sync/v1`. Owns no socket: whoever does calls `handle` with the raw body and sends what it
 * returns.
 *
 * Checks run from cheap to dear. The head is signed, and names the digest of the body: so a stranger's body
 * is not even received, and nothing looks at a member's before its digest holds. Every answer to a request
 * that carries a signature is signed itself and bound to it, refusals too, so that the caller knows who
 * refused (reliability §5).
 */
import {
  errorCatalog,
  frameBytesMax,
  isLatticeError,
  type Clock,
  type ErrorCode,
  type Hash,
  type Inbox,
  type NodeId,
  type Random,
  type Signer,
} from '@lattice/core'
import { encodeBase64Url } from './base64.ts'
import {
  frameType,
  headerOf,
  isEncoded,
  problemType,
  purposeOf,
  short,
  syncPath,
  type Headers,
  type Log,
  type Purpose,
} from './frames.ts'
import { ReplayCache, lifeBytes } from './replay-cache.ts'
import {
  contentDigest,
  readRequestClaim,
  readSignature,
  signResponse,
  type RequestClaim,
  type VerifySignature,
} from './signatures.ts'

/** Random bytes in a nonce (reliability §5). */
export const nonceBytes = 16

/** What a caller should wait when this node is starting or stopping: shorter than any start. */
const notReadyRetryS = 1

/** Requests of one member at once: as many as its client has connections. Each may have a full frame. */
const openPerMemberMax = 64

/** One HTTP request, its body as received. */
export interface SyncRequest {
  readonly method: string
  /** Exactly as in the request line, without the query. */
  readonly path: string
  /** With its leading `?`; empty where there is none. */
  readonly query: string
  readonly headers: Headers
  /** Raw: no decoder may have run, whatever `content-encoding` says. Or how to get it: once, if at all. */
  readonly body: Uint8Array | (() => Promise<Uint8Array>)
  /** Fires when the client has gone. */
  readonly signal: AbortSignal
}

/** One HTTP answer. Send nothing but these headers and what HTTP itself needs. */
export interface SyncResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What the handler needs from the world: ports only. */
export interface SyncHandlerOptions {
  readonly signer: Signer
  readonly verify: VerifySignature
  readonly hash: Hash
  /** Who may call. Looked at for every request, so later changes count. */
  readonly trusted: ReadonlySet<NodeId>
  readonly clock: Clock
  readonly random: Random
  readonly log?: Log | undefined
}

interface Accepted {
  readonly from: NodeId
  readonly purpose: Purpose
}

interface Refusal {
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  readonly headers?: Readonly<Record<string, string>>
  readonly members?: Readonly<Record<string, string | number>>
}

/** The server side of the HTTP lung. Between `start` and `stop` it hands what it accepts to the inbox. */
export class SyncHandler {
  readonly #options: SyncHandlerOptions
  readonly #replays: ReplayCache
  /** Requests that are not answered yet, by member. */
  readonly #open = new Map<NodeId, number>()
  #running: { readonly inbox: Inbox; readonly stopping: AbortController } | undefined

  constructor(options: SyncHandlerOptions) {
    this.#options = options
    this.#replays = new ReplayCache(options.clock, encodeBase64Url(options.random.bytes(lifeBytes)))
  }

  /** From now on requests reach `inbox`. */
  start(inbox: Inbox): void {
    this.stop()
    this.#running = { inbox, stopping: new AbortController() }
  }

  /** From now on nothing reaches the inbox, and the signals of requests being served have fired. */
  stop(): void {
    const running = this.#running
    this.#running = undefined
    running?.stopping.abort()
  }

  /**
   * Answers one request. Rejects only when its body cannot be had, or the inbox failed with something that is
   * no `LatticeError`.
   */
  async handle(request: SyncRequest): Promise<SyncResponse> {
    const judged = this.#judge(request)
    if ('code' in judged) {
      this.#options.log?.('debug', `refused a sync request: ${judged.detail}`, { code: judged.code })
      return this.#refuse(request, judged)
    }
    const { from } = judged
    const open = this.#open.get(from) ?? 0
    if (open >= openPerMemberMax) return this.#refuse(request, overloaded)
    this.#open.set(from, open + 1)
    try {
      return await this.#take(request, judged)
    } finally {
      this.#open.set(from, (this.#open.get(from) ?? 1) - 1)
    }
  }

  /** Receives the body of an accepted request, and passes it on. */
  async #take(request: SyncRequest, { from, purpose }: Accepted): Promise<SyncResponse> {
    const body = typeof request.body === 'function' ? await request.body() : request.body
    if (headerOf(request.headers, 'content-digest') !== contentDigest(this.#options.hash, body))
      return this.#refuse(request, unsigned('the body does not match its Content-Digest'))
    const running = this.#running
    if (running === undefined) return this.#refuse(request, notReady)
    if (purpose === 'request') return await this.#serve(request, body, from, running)
    if (purpose === 'announce') running.inbox.announced(from, body)
    return this.#answer(request, 204, {}, new Uint8Array())
  }

  async #serve(
    request: SyncRequest,
    body: Uint8Array,
    from: NodeId,
    { inbox, stopping }: { readonly inbox: Inbox; readonly stopping: AbortController },
  ): Promise<SyncResponse> {
    const gone = AbortSignal.any([request.signal, stopping.signal])
    let frame: Uint8Array | undefined
    try {
      frame = await unlessGone(() => inbox.serve(from, body, gone), gone)
    } catch (error) {
      if (!isLatticeError(error)) throw error
      // A frame nobody can read stays so, however often it is sent; everything else may pass.
      const status = error.code === 'PEER_MALFORMED' ? 400 : 503
      return this.#refuse(request, { status, code: error.code, detail: error.message })
    }
    if (frame === undefined) return this.#refuse(request, notReady)
    if (frame.length > frameBytesMax) {
      const detail = `the answer has ${frame.length} bytes; a frame holds ${frameBytesMax}`
      return this.#refuse(request, { status: 500, code: 'BODY_TOO_LARGE', detail })
    }
    return this.#answer(request, 200, { 'content-type': frameType }, frame)
  }

  #judge(request: SyncRequest): Accepted | Refusal {
    const { headers, body } = request
    if (request.path !== syncPath)
      return { status: 404, code: 'NOT_FOUND', detail: `nodes take frames at ${syncPath}` }
    if (request.method !== 'POST')
      return {
        status: 405,
        code: 'METHOD_NOT_ALLOWED',
        detail: 'frames are posted',
        headers: { allow: 'POST' },
      }
    if (isEncoded(headers)) return unsupported('frames are not compressed; send no Content-Encoding')
    if (typeof body !== 'function' && body.length > frameBytesMax)
      return {
        status: 413,
        code: 'BODY_TOO_LARGE',
        detail: `the body has ${body.length} bytes; a frame holds ${frameBytesMax}`,
      }
    const purpose = purposeOf(headerOf(headers, 'content-type'))
    if (purpose === undefined) return unsupported(`send content-type ${frameType}`)
    const claim = this.#authenticate(request)
    return 'code' in claim ? claim : this.#admit(claim, purpose)
  }

  /** Who sent this head to us, exactly so; or what is wrong with it. */
  #authenticate(request: SyncRequest): RequestClaim | Refusal {
    const { signer, trusted, verify } = this.#options
    const claim = claimOf(request)
    if (claim === undefined)
      return unsigned('Signature-Input and Signature are missing, or not of this profile')
    if (!trusted.has(claim.nodeId) || claim.nodeId === signer.nodeId)
      return {
        status: 401,
        code: 'NOT_TRUSTED',
        detail: `this node does not trust the key ${short(claim.nodeId)}…`,
      }
    if (headerOf(request.headers, 'x-node-dest') !== signer.nodeId)
      return {
        status: 421,
        code: 'PEER_MISMATCH',
        detail: `this is node ${short(signer.nodeId)}…, not the one in X-Node-Dest`,
      }
    if (!verify(claim.nodeId, claim.message, claim.signature)) return unsigned('the signature does not match')
    return claim
  }

  #admit(claim: RequestClaim, purpose: Purpose): Accepted | Refusal {
    const from = claim.nodeId
    const verdict = this.#replays.admit(from, claim.nonce, claim.createdS, claim.expiresS)
    if (verdict === 'fresh') return { from, purpose }
    if (verdict === 'replayed') return { status: 401, code: 'REPLAYED', detail: 'this nonce was used before' }
    return {
      status: 401,
      code: 'CLOCK_SKEWED',
      detail: 'too old, too new, or not for this life of the node; sign again with this nonce',
      members: {
        life: this.#replays.life,
        time: Math.floor(this.#replays.nowMs() / 1000),
        nonce: this.#replays.challenge(from, encodeBase64Url(this.#options.random.bytes(nonceBytes))),
      },
    }
  }

  #refuse(request: SyncRequest, { status, code, detail, headers, members }: Refusal): SyncResponse {
    const [title, hint] = errorCatalog[code]
    const docs = `/docs#${code}`
    const problem = { type: docs, title, status, detail, success: false, code, hint, docs, ...members }
    const body = new TextEncoder().encode(JSON.stringify(problem))
    return this.#answer(request, status, { 'content-type': problemType, ...headers }, body)
  }

  #answer(
    request: SyncRequest,
    status: number,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
  ): SyncResponse {
    const { hash, signer } = this.#options
    const length: Record<string, string> = status === 204 ? {} : { 'content-length': String(body.length) }
    const requestSignature = headerOf(request.headers, 'signature')
    if (requestSignature === undefined || readSignature(requestSignature) === undefined)
      return { status, headers: { ...headers, ...length }, body }
    const digest = contentDigest(hash, body)
    const proof = signResponse(signer, { status, contentDigest: digest, requestSignature })
    return { status, headers: { ...headers, ...length, 'content-digest': digest, ...proof }, body }
  }
}

const notReady: Refusal = {
  status: 503,
  code: 'NOT_READY',
  detail: 'this node is starting or stopping',
  headers: { 'retry-after': String(notReadyRetryS) },
}

const overloaded: Refusal = {
  status: 503,
  code: 'OVERLOADED',
  detail: `this node answers ${openPerMemberMax} requests of a member at once`,
  headers: { 'retry-after': String(notReadyRetryS) },
}

function unsupported(detail: string): Refusal {
  return { status: 415, code: 'MEDIA_TYPE_UNSUPPORTED', detail }
}

function unsigned(detail: string): Refusal {
  return { status: 401, code: 'SIGNATURE_INVALID', detail }
}

function claimOf(request: SyncRequest): RequestClaim | undefined {
  const { headers } = request
  const contentDigestHeader = headerOf(headers, 'content-digest')
  const contentType = headerOf(headers, 'content-type')
  const dest = headerOf(headers, 'x-node-dest')
  const input = headerOf(headers, 'signature-input')
  const signature = headerOf(headers, 'signature')
  if (contentDigestHeader === undefined || contentType === undefined || dest === undefined) return undefined
  if (input === undefined || signature === undefined) return undefined
  const { method, path, query } = request
  const head = { method, path, query, contentDigest: contentDigestHeader, contentType, dest }
  return readRequestClaim(head, { 'signature-input': input, signature })
}

/** The value of `work`, or undefined as soon as `gone` fires; what fails after that concerns nobody. */
function unlessGone<T>(work: () => Promise<T>, gone: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const leave = (): void => resolve(undefined)
    if (gone.aborted) return leave()
    gone.addEventListener('abort', leave, { once: true })
    work()
      .finally(() => gone.removeEventListener('abort', leave))
      .then(resolve, reject)
  })
}

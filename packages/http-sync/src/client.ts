/**
 * Asks one node over HTTP and believes only what it signed.
 *
 * Every request is signed for one destination, every answer is checked against that request. A clock that
 * differs is met with the server's challenge: the caller signs again with the nonce it was given, and
 * remembers what it was told, so that a skewed node pays one extra round trip and not one per request.
 */
import { frameBytesMax, isNodeId, type NodeId } from '@lattice/core'
import { encodeBase64Url } from './base64.ts'
import {
  contentTypes,
  frameType,
  headerOf,
  identityPath,
  short,
  syncPath,
  type Headers,
  type Purpose,
} from './frames.ts'
import { nonceBytes, type SyncHandlerOptions } from './handler.ts'
import { HttpConnections, reuseRace, type Connections, type HttpAnswer, type HttpRequest } from './http.ts'
import { nonceFor } from './replay-cache.ts'
import { contentDigest, readResponseClaim, signRequest } from './signatures.ts'
import { peerError, refusedError, translateFailure, translateStatus, withRetryAfter } from './translate.ts'

/** What the client needs from the world. */
export type SyncClientOptions = Pick<
  SyncHandlerOptions,
  'signer' | 'verify' | 'hash' | 'clock' | 'random'
> & {
  /** What carries the requests; sockets by default. */
  readonly connections?: Connections | undefined
}

/**
 * A connection that was dead when it was used again says so within a round trip. One that is cut later had a
 * request waiting on it: how long it held tells the asker how patient a proxy on the way is.
 */
const raceMaxMs = 2_000

/** One question to one node. */
export interface Question {
  /** Base URL of the node, without a trailing slash. */
  readonly url: string
  /** Who has to answer. */
  readonly peer: NodeId
  readonly purpose: Purpose
  readonly frame: Uint8Array
  readonly signal: AbortSignal
}

/** How a server wants to be asked. */
interface Terms {
  /** The name of its life (replay-cache.ts). */
  readonly life: string
  /** How far its time scale is ahead of our wall clock, in seconds. */
  readonly aheadS: number
}

interface Challenge {
  readonly life: string
  readonly time: number
  readonly nonce: string
}

/** The client side of the HTTP lung. Rejections are `LatticeError`s with a PEER_… code. */
export class SyncClient {
  readonly #options: SyncClientOptions
  readonly #connections: Connections
  /** What the peers told in their signed challenges. */
  readonly #terms = new Map<NodeId, Terms>()

  constructor(options: SyncClientOptions) {
    this.#options = options
    this.#connections = options.connections ?? new HttpConnections()
  }

  /** Resolves the answer of exactly this peer; empty where the purpose has none. */
  async ask(question: Question): Promise<Uint8Array> {
    const first = await this.#tell(question, this.#nonceFor(question.peer))
    if (!('time' in first)) return first
    const second = await this.#tell(question, first.nonce)
    if (!('time' in second)) return second
    throw peerError(
      'PEER_REFUSED',
      `peer ${short(question.peer)}… refuses its own challenge; is it restarting?`,
    )
  }

  /** The next question at `url` looks the name up anew, unless a connection is busy with another. */
  lookAnew(url: string): void {
    this.#connections.dropIdle(url)
  }

  /** The node id that whatever answers at `url` gives itself. Unproven. */
  async identify(url: string, signal: AbortSignal): Promise<NodeId> {
    const address = url + identityPath
    const answer = await this.#send({ method: 'GET', url: address, headers: {}, signal })
    if (answer.status !== 200) throw this.#untrusted(address, answer)
    const claimed = readIdentity(answer)
    if (claimed === undefined)
      throw peerError('PEER_MALFORMED', `${address}: this is no Lattice node; check the URL`)
    return claimed
  }

  /** When the TLS certificate of the host of `url` ends, in Unix ms; undefined while none was accepted. */
  certificateEnds(url: string): number | undefined {
    return this.#connections.certificateEnds(url)
  }

  /** Destroys all connections. */
  close(): void {
    this.#connections.close()
  }

  async #tell(question: Question, nonce: string): Promise<Uint8Array | Challenge> {
    const { clock } = this.#options
    const sent = this.#sign(question, nonce)
    const sentAt = clock.now().mono
    const answer = await this.#connections.send(sent)
    if (answer !== reuseRace) return this.#read(question, sent, answer)
    if (clock.now().mono - sentAt > raceMaxMs) throw translateFailure({ code: 'ECONNRESET' }, sent.url)
    const again = this.#sign(question, this.#nonceFor(question.peer))
    return this.#read(question, again, await this.#send(again))
  }

  async #send(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#connections.send(request)
    if (answer === reuseRace) throw peerError('PEER_UNREACHABLE', `${request.url}: closes every connection`)
    return answer
  }

  #sign({ url, peer, purpose, frame, signal }: Question, nonce: string): SignedHttpRequest {
    const { clock, hash, signer } = this.#options
    const head = {
      method: 'POST',
      // As the node sees it: where it lives below a path, a proxy takes that off.
      path: syncPath,
      query: '',
      contentDigest: contentDigest(hash, frame),
      contentType: contentTypes[purpose],
      dest: peer,
    } as const
    const createdS = Math.floor(clock.now().wall / 1000) + (this.#terms.get(peer)?.aheadS ?? 0)
    const proof = signRequest(signer, head, { createdS, nonce })
    const headers = {
      'content-type': head.contentType,
      'content-digest': head.contentDigest,
      'x-node-dest': head.dest,
      ...proof,
    }
    return {
      method: 'POST',
      url: url + syncPath,
      headers,
      body: frame,
      signal,
      requestSignature: proof.signature,
    }
  }

  #read(question: Question, sent: SignedHttpRequest, answer: HttpAnswer): Uint8Array | Challenge {
    this.#authenticate(question.peer, sent, answer)
    const { status, headers, body } = answer
    if (status === 204 && question.purpose !== 'request') return body
    if (status === 200 && question.purpose === 'request') {
      if (headerOf(headers, 'content-type') !== frameType)
        throw peerError('PEER_MALFORMED', `${sent.url}: the content type of the answer is not ${frameType}`)
      return body
    }
    const problem = readProblem(body)
    if (problem.challenge !== undefined) {
      const wallS = Math.floor(this.#options.clock.now().wall / 1000)
      const { life, time } = problem.challenge
      this.#terms.set(question.peer, { life, aheadS: time - wallS })
      return problem.challenge
    }
    const error = refusedError(short(question.peer), problem.code ?? String(status), problem.detail ?? '')
    throw withRetryAfter(error, headers, this.#options.clock.now().wall)
  }

  /** Throws unless exactly this peer gave exactly this answer to exactly this request. */
  #authenticate(peer: NodeId, sent: SignedHttpRequest, answer: HttpAnswer): void {
    const { hash, verify } = this.#options
    const { url, requestSignature } = sent
    const digest = headerOf(answer.headers, 'content-digest')
    const input = headerOf(answer.headers, 'signature-input')
    const signature = headerOf(answer.headers, 'signature')
    if (digest === undefined || input === undefined || signature === undefined)
      throw this.#untrusted(url, answer)
    const head = { status: answer.status, contentDigest: digest, requestSignature }
    const claim = readResponseClaim(head, { 'signature-input': input, signature })
    if (claim === undefined) throw this.#untrusted(url, answer)
    if (!verify(claim.nodeId, claim.message, claim.signature))
      throw peerError('PEER_MALFORMED', `${url}: the signature of the answer does not match`)
    if (claim.nodeId !== peer)
      throw peerError(
        'PEER_MISMATCH',
        `${url}: node ${short(claim.nodeId)}… answers, not ${short(peer)}…; was it reinstalled or moved?`,
      )
    if (contentDigest(hash, answer.body) !== digest)
      throw peerError('PEER_MALFORMED', `${url}: the body of the answer was changed or cut on the way`)
  }

  #untrusted(url: string, { status, headers }: HttpAnswer): Error {
    return translateStatus(url, status, headers, this.#options.clock.now().wall)
  }

  #nonceFor(peer: NodeId): string {
    return nonceFor(this.#terms.get(peer)?.life, encodeBase64Url(this.#options.random.bytes(nonceBytes)))
  }
}

interface SignedHttpRequest extends HttpRequest {
  readonly requestSignature: string
}

interface Problem {
  readonly code?: string
  readonly detail?: string
  readonly challenge?: Challenge
}

function readProblem(body: Uint8Array): Problem {
  const fields = readObject(body)
  const { code, detail } = fields
  const challenge = code === 'CLOCK_SKEWED' ? readChallenge(fields) : undefined
  return {
    ...(typeof code === 'string' ? { code: code.slice(0, 64) } : {}),
    ...(typeof detail === 'string' ? { detail: detail.slice(0, 256) } : {}),
    ...(challenge === undefined ? {} : { challenge }),
  }
}

/** A challenge whose parts fit the signature profile, so that signing with them cannot go wrong. */
function readChallenge({ life, time, nonce }: Readonly<Record<string, unknown>>): Challenge | undefined {
  if (typeof life !== 'string' || !/^[A-Za-z0-9_-]{8,32}$/.test(life)) return undefined
  if (typeof nonce !== 'string' || !/^c:[A-Za-z0-9_-]{20,62}$/.test(nonce)) return undefined
  if (typeof time !== 'number' || !Number.isSafeInteger(time)) return undefined
  return time >= 0 && time <= latestTimeS ? { life, time, nonce } : undefined
}

/** Twelve digits of Unix seconds, less an hour for what is added to them. */
const latestTimeS = 999_999_996_400

function readIdentity({ headers, body }: { headers: Headers; body: Uint8Array }): NodeId | undefined {
  if (!/^application\/json\b/i.test(headerOf(headers, 'content-type') ?? '')) return undefined
  const key = readObject(body)['public_key']
  return typeof key === 'string' && isNodeId(key) ? key : undefined
}

/** The members of a JSON object; none where `body` is anything else. */
function readObject(body: Uint8Array): Readonly<Record<string, unknown>> {
  if (body.length > frameBytesMax) return {}
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body))
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

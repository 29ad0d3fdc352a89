/**
 * Turns what sockets, TLS and HTTP report into sentences with a next step, under the PEER_… codes.
 *
 * Codes of Node and OpenSSL are stable, their messages are not, so only codes are read.
 */
import { LatticeError, errorCatalog, isLatticeError, type ErrorCode } from '@lattice/core'
import { headerOf, type Headers } from './frames.ts'

/** Longest wait a Retry-After may ask for that is passed on: a day; more is a mistake of the sender. */
const retryAfterMaxMs = 24 * 3600 * 1000

/** Waking takes 30 s and more: who asks for less is busy, and does not sleep (reliability H1). */
const wakingMs = 30_000

/** Error code of Node or OpenSSL → what it means for the operator. */
const sentences: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: start the peer, or correct host and port',
  ECONNRESET: 'the connection was cut while waiting for the answer',
  EPIPE: 'the connection was closed while sending',
  EHOSTUNREACH: 'there is no route to the host: check network and firewall',
  ENETUNREACH: 'the network is unreachable: check the connection of this node',
  EHOSTDOWN: 'the host is down',
  EADDRNOTAVAIL: 'the address cannot be used from this host',
  EACCES: 'a local firewall forbids the connection',
  EPERM: 'a local firewall forbids the connection',
  EMFILE: 'this process has no file descriptors left: raise the limit (ulimit -n)',
  ENOTFOUND: 'the host name does not exist: check its spelling and the DNS',
  EAI_AGAIN: 'the DNS server does not answer: check the resolver of this node',
  ERR_HTTP_CONTENT_LENGTH_MISMATCH: 'the answer was cut short',
  CERT_HAS_EXPIRED: 'its TLS certificate has expired: renew it',
  CERT_NOT_YET_VALID: 'its TLS certificate is not valid yet: check the clock of this node',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its TLS certificate is self-signed: add its CA with NODE_EXTRA_CA_CERTS',
  SELF_SIGNED_CERT_IN_CHAIN: 'its TLS certificate comes from an unknown CA: add it with NODE_EXTRA_CA_CERTS',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'its TLS certificate comes from an unknown CA: add it with NODE_EXTRA_CA_CERTS',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its TLS certificate chain is incomplete: install the intermediate certificate',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its TLS certificate is for another host name',
  EPROTO: 'TLS failed: is this an http:// port written as https://?',
}

/** Codes that mean time ran out on the way. */
const timeouts: ReadonlySet<string> = new Set([
  'ETIMEDOUT',
  'ESOCKETTIMEDOUT',
  'ERR_SOCKET_CONNECTION_TIMEOUT',
])

/** The `LatticeError` for a request to `url` that failed without an answer. Passes on what is one already. */
export function translateFailure(cause: unknown, url: string): LatticeError {
  if (isLatticeError(cause)) return cause
  const code = codeOf(cause)
  if (timeouts.has(code)) return peerError('PEER_TIMEOUT', `${url}: the connection timed out`, cause)
  if (code.startsWith('HPE_'))
    return peerError('PEER_MALFORMED', `${url}: what answers does not speak HTTP (${code})`, cause)
  const sentence = sentences[code] ?? (code === '' ? messageOf(cause) : code)
  return peerError('PEER_UNREACHABLE', `${url}: ${sentence}`, cause)
}

/** The `LatticeError` for an answer that bears no signature: somebody before the peer gave it. */
export function translateStatus(url: string, status: number, headers: Headers, wall: number): LatticeError {
  const waitMs = waitMsOf(headers, wall)
  const error = statusError(url, status, headerOf(headers, 'content-type'), waitMs)
  return waitMs === undefined ? error : Object.assign(error, { retryAfterMs: waitMs })
}

function statusError(
  url: string,
  status: number,
  contentType: string | undefined,
  waitMs: number | undefined,
): LatticeError {
  if (status >= 300 && status < 400)
    return new LatticeError(
      'PEER_REFUSED',
      `${url} redirects (${status}), and redirects are never followed: configure the final URL`,
    )
  if (status === 401 || status === 403)
    return new LatticeError('PEER_REFUSED', `${url}: a proxy or login page refuses this node (${status})`)
  if (status === 413)
    return new LatticeError('PEER_REFUSED', `${url}: a proxy refuses the size; let it pass bodies of 1 MiB`)
  if (status === 429) return new LatticeError('PEER_REFUSED', `${url}: too many requests (429)`)
  if (status === 404 || status === 405)
    return new LatticeError('PEER_MALFORMED', `${url}: no Lattice node takes frames there (${status})`)
  if (status === 503 && waitMs !== undefined && waitMs < wakingMs)
    return new LatticeError('PEER_UNREACHABLE', `${url}: its host is overloaded and asks to wait (503)`)
  if (status === 503)
    return new LatticeError('PEER_ASLEEP', `${url}: its host says that it is asleep or starting (503)`)
  if (status >= 500)
    return new LatticeError('PEER_UNREACHABLE', `${url}: the host answers, but not the peer (${status})`)
  const type = contentType ?? 'no content type'
  return new LatticeError('PEER_MALFORMED', `${url}: answered ${status} with ${type} and no valid signature`)
}

/** A `LatticeError` with this sentence, and what led to it. */
export function peerError(code: ErrorCode, detail: string, cause?: unknown): LatticeError {
  return new LatticeError(code, detail, cause === undefined ? undefined : { cause })
}

/** How long the peer, or a proxy before it, asked to be left alone, in ms; undefined where it did not. */
export function retryAfterMs(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('retryAfterMs' in error)) return undefined
  return typeof error.retryAfterMs === 'number' ? error.retryAfterMs : undefined
}

/** Adds `retryAfterMs` to `error` where the headers ask for a pause. `wall` in Unix ms. */
export function withRetryAfter(error: LatticeError, headers: Headers, wall: number): LatticeError {
  const waitMs = waitMsOf(headers, wall)
  return waitMs === undefined ? error : Object.assign(error, { retryAfterMs: waitMs })
}

/** The pause that Retry-After asks for, or else the end of a used-up quota in RateLimit. */
function waitMsOf(headers: Headers, wall: number): number | undefined {
  const header = headerOf(headers, 'retry-after')?.trim()
  if (header === undefined) return quotaResetMs(headerOf(headers, 'ratelimit') ?? '')
  const waitMs = /^[0-9]+$/.test(header) ? Number(header) * 1000 : untilDateMs(header, headers, wall)
  return Number.isFinite(waitMs) ? Math.min(Math.max(waitMs, 0), retryAfterMaxMs) : undefined
}

/** `"name";r=<left>;t=<seconds>` (draft-ietf-httpapi-ratelimit-headers), of the first quota that is used up. */
function quotaResetMs(header: string): number | undefined {
  const used = header.split(',').find(quota => /;\s*r=0(?=;|\s|$)/.test(quota))
  const [, seconds] = /;\s*t=([0-9]{1,9})(?=;|\s|$)/.exec(used ?? '') ?? []
  return seconds === undefined ? undefined : Math.min(Number(seconds) * 1000, retryAfterMaxMs)
}

/** Until an HTTP date, by the clock of the sender where it shows it, so that skewed clocks do no harm. */
function untilDateMs(header: string, headers: Headers, wall: number): number {
  const sentAt = Date.parse(headerOf(headers, 'date') ?? '')
  return Date.parse(header) - (Number.isNaN(sentAt) ? wall : sentAt)
}

/** The sentence for a refusal that the peer itself signed. */
export function refusedError(peer: string, code: string, detail: string): LatticeError {
  const step = code in errorCatalog ? errorCatalog[code as ErrorCode][1] : ''
  const hint = step === '' ? '' : `; there: ${step}`
  return new LatticeError('PEER_REFUSED', `peer ${peer}… refused (${code}): ${detail}${hint}`)
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return ''
  if ('code' in error && typeof error.code === 'string' && !error.code.startsWith('ERR_GOT'))
    return error.code
  return 'cause' in error ? codeOf(error.cause) : ''
}

function messageOf(error: unknown): string {
  return Error.isError(error) ? error.message : String(error)
}

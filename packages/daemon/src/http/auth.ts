/**
 * Who may write: the holder of the admin token, or a program on this machine while nothing else can reach the
 * listener.
 *
 * A loopback caller is exempt only where all hold: the listener is bound to loopback, the connection comes
 * from loopback, no proxy speaks for somebody else (forwarding headers), the Host names loopback (DNS
 * rebinding), and a browser, if it is one, says that its page is ours (cross-site requests). A proxy that has
 * not been told to say for whom it speaks looks like a program here; nginx, as it comes, gives itself away by
 * HTTP/1.0.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { isLoopbackHost } from './caller.ts'
import type { HttpConfig } from './options.ts'
import { HttpProblem } from './problems.ts'

function hostName(header: string): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]/@]+)(?::\d{1,5})?$/.exec(header)
  const name = match?.[1]
  if (name === undefined) return undefined
  return name.startsWith('[') && !isIPv6(name.slice(1, -1)) ? undefined : name
}

/** Headers by which proxies say that the caller is somebody else. */
const forwardingHeader = new RegExp(
  '^(?:forwarded|via|x-forwarded(?:-.*)?|x-real-ip|x-client-ip|x-cluster-client-ip|x-original-.*|cf-.*|' +
    'true-client-ip|fly-client-ip|fastly-client-ip|client-ip)$',
)

function isForwarded(request: IncomingMessage): boolean {
  return Object.keys(request.headers).some(name => forwardingHeader.test(name))
}

function isForeignPage(request: IncomingMessage, origins: ReadonlySet<string>): boolean {
  const origin = request.headers.origin
  if (origin !== undefined) {
    if (origins.has(origin)) return false
    return !URL.canParse(origin) || new URL(origin).host !== request.headers.host?.toLowerCase()
  }
  const site = request.headers['sec-fetch-site']
  return site !== undefined && site !== 'same-origin' && site !== 'none'
}

/** Whether this caller needs no token. */
export function isExempt(
  request: IncomingMessage,
  config: Pick<HttpConfig, 'host'>,
  origins: ReadonlySet<string>,
): boolean {
  const host = hostName(request.headers.host ?? '')
  return (
    isLoopbackHost(config.host) &&
    isLoopbackHost(request.socket.remoteAddress ?? '') &&
    !isForwarded(request) &&
    request.httpVersion !== '1.0' &&
    host !== undefined &&
    isLoopbackHost(host) &&
    !isForeignPage(request, origins)
  )
}

/** One token for each request, or guesses would come in pairs; `Authorization` may be a proxy's own. */
function presentedToken(request: IncomingMessage): string | undefined {
  const own = request.headers['x-lattice-token']
  if (typeof own === 'string') return own
  return /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Says who may write. */
export interface Authority {
  /**
   * Whether the request needs no token, or carries one that nobody can guess: only those may be told from
   * others where wrong tokens are not counted.
   */
  readonly isSurelyAdmin: (request: Request) => boolean
  /** Lets administrators pass; everybody else gets 401, or 429 after too many wrong tokens. */
  readonly requireAdmin: RequestHandler
}

/**
 * From this length on a token cannot be guessed, and throttling its holder would only let strangers lock him
 * out.
 */
const unguessableChars = 32

/**
 * Makes the gate. `throttle` counts wrong tokens per address and ends the request with 429 at its limit;
 * `isThrottled` tells whether an address has reached it.
 */
export function createAuthority(options: {
  readonly config: Pick<HttpConfig, 'host' | 'adminToken' | 'corsOrigins'>
  readonly throttle: RequestHandler
  readonly isThrottled: (request: Request) => Promise<boolean>
}): Authority {
  const { config, throttle, isThrottled } = options
  const expected = config.adminToken === undefined ? undefined : digest(config.adminToken)
  const guessable = (config.adminToken?.length ?? 0) < unguessableChars
  const origins = new Set(config.corsOrigins.filter(origin => origin !== '*'))
  const holdsToken = (request: IncomingMessage): boolean => {
    const token = presentedToken(request)
    return expected !== undefined && token !== undefined && timingSafeEqual(digest(token), expected)
  }

  const judge = async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    const tried = presentedToken(request) !== undefined
    if (tried && guessable && (await isThrottled(request)))
      return void (await throttle(request, response, next))
    if (holdsToken(request)) return next()
    const refusal = new HttpProblem('UNAUTHORIZED', tried ? 'the token is wrong' : 'no token was sent')
    if (!tried) return next(refusal)
    await throttle(request, response, error => next(error ?? refusal))
  }
  // One after the other, or requests that come at once are all compared before the first of them is counted.
  let turn: Promise<unknown> = Promise.resolve()

  return {
    isSurelyAdmin: request => isExempt(request, config, origins) || (!guessable && holdsToken(request)),
    requireAdmin: async (request, response, next) => {
      if (isExempt(request, config, origins)) return next()
      const judged = turn.then(() => judge(request, response, next))
      turn = judged.catch(() => undefined)
      await judged
    },
  }
}

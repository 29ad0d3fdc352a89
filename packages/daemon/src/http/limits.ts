/**
 * How often one address may ask or guess. Limits answer 429 with RateLimit, RateLimit-Policy and Retry-After.
 */
import { ipKeyGenerator, rateLimit } from 'express-rate-limit'
import type { RateLimitRequestHandler } from 'express-rate-limit'
import type { Request, RequestHandler } from 'express'
import { isLoopbackHost, type CallerOf } from './caller.ts'
import { HttpProblem } from './problems.ts'

/** Wrong tokens per minute and address (reliability O9). */
const wrongTokensPerMinute = 5

/**
 * Wrong tokens per minute through one proxy on this machine. It may pass on what its callers say of
 * themselves: then each guess comes from an address of its own.
 */
const wrongTokensPerProxy = 50

const minuteMs = 60_000

function limiter(
  name: string,
  limit: number,
  keyGenerator: (request: Request) => string,
  detail: string,
): RateLimitRequestHandler {
  return rateLimit({
    windowMs: minuteMs,
    limit,
    identifier: name,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    keyGenerator,
    validate: false,
    handler: (_request, _response, next) => next(new HttpProblem('RATE_LIMITED', detail)),
  })
}

/** Counts wrong tokens. */
export interface TokenThrottle {
  readonly throttle: RequestHandler
  readonly isThrottled: (request: Request) => Promise<boolean>
}

/** Makes the counter of wrong tokens. Proxies on other machines are those whose word is true. */
export function createTokenThrottle(callerOf: CallerOf): TokenThrottle {
  const connectedOf = (request: Request): string => request.socket.remoteAddress ?? ''
  const byCaller = wrongTokens('wrong-tokens', wrongTokensPerMinute, request =>
    ipKeyGenerator(callerOf(request)),
  )
  const byProxy = wrongTokens('wrong-tokens-by-proxy', wrongTokensPerProxy, connectedOf)
  const counters = (request: Request): readonly TokenThrottle[] => {
    const connected = connectedOf(request)
    const isNamed = isLoopbackHost(connected) && callerOf(request) !== connected
    return isNamed ? [byCaller, byProxy] : [byCaller]
  }
  return {
    throttle: async (request, response, next) => {
      for (const { throttle } of counters(request)) {
        const refusal = await new Promise(resolve => void throttle(request, response, resolve))
        if (refusal !== undefined) return next(refusal)
      }
      return next()
    },
    isThrottled: async request => {
      for (const { isThrottled } of counters(request)) if (await isThrottled(request)) return true
      return false
    },
  }
}

function wrongTokens(name: string, limit: number, keyOf: (request: Request) => string): TokenThrottle {
  const throttle = limiter(name, limit, keyOf, 'too many wrong tokens from this address')
  const isThrottled = async (request: Request): Promise<boolean> => {
    const count = await throttle.getKey(keyOf(request))
    return count !== undefined && count.totalHits >= limit && Number(count.resetTime) > Date.now()
  }
  return { throttle, isThrottled }
}

/** Makes the limit on requests; `spares` names the callers it does not concern, who do not wait for it. */
export function createRequestLimit(
  perMinute: number,
  callerOf: CallerOf,
  spares: (request: Request) => boolean,
): RequestHandler {
  const keyOf = (request: Request): string => ipKeyGenerator(callerOf(request))
  const detail = `more than ${perMinute} requests per minute from this address`
  const limit = limiter('requests', perMinute, keyOf, detail)
  return (request, response, next) => {
    if (spares(request)) return next()
    return void limit(request, response, next)
  }
}

/**
 * How often one address may ask or guess. Limits answer 429 with RateLimit, RateLimit-Policy and Retry-After.
 */
import { ipKeyGenerator, rateLimit } from 'express-rate-limit'
import type { RateLimitRequestHandler } from 'express-rate-limit'
import type { Request, RequestHandler } from 'express'
import type { CallerOf } from './caller.ts'
import { HttpProblem } from './problems.ts'

/** Wrong tokens per minute and address (reliability O9). */
const wrongTokensPerMinute = 5

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
  readonly throttle: RateLimitRequestHandler
  readonly isThrottled: (request: Request) => Promise<boolean>
}

/** Makes the counter of wrong tokens. */
export function createTokenThrottle(callerOf: CallerOf): TokenThrottle {
  const keyOf = (request: Request): string => ipKeyGenerator(callerOf(request))
  const detail = 'too many wrong tokens from this address'
  const throttle = limiter('wrong-tokens', wrongTokensPerMinute, keyOf, detail)
  return {
    throttle,
    isThrottled: async request => {
      const count = await throttle.getKey(keyOf(request))
      return (
        count !== undefined && count.totalHits >= wrongTokensPerMinute && Number(count.resetTime) > Date.now()
      )
    },
  }
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

/**
 * Cross-origin reads and writes for the exact origins the operator lists. Never with credentials: nothing
 * here uses cookies, so a page can act only with a token it was given.
 */
import type { RequestHandler } from 'express'

const allowedMethods = 'GET, HEAD, PUT, POST, DELETE'
const allowedHeaders =
  'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Lattice-Token'
const exposedHeaders = 'ETag, RateLimit, RateLimit-Policy, Retry-After'

/**
 * A preflight is remembered for ten minutes: a changed list takes effect soon, and few preflights are sent.
 */
const preflightSeconds = '600'

/** Answers preflights and marks answers for listed origins; others get no CORS header at all. */
export function createCors(origins: readonly string[]): RequestHandler {
  const listed = new Set(origins)
  return (request, response, next) => {
    const origin = request.headers.origin
    if (listed.size > 0) response.vary('Origin')
    if (origin === undefined) return next()
    const allowed = listed.has(origin) ? origin : listed.has('*') ? '*' : undefined
    if (allowed !== undefined) {
      response.set({
        'Access-Control-Allow-Origin': allowed,
        'Access-Control-Expose-Headers': exposedHeaders,
      })
    }
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined)
      return next()
    if (allowed !== undefined) {
      response.set({
        'Access-Control-Allow-Methods': allowedMethods,
        'Access-Control-Allow-Headers': allowedHeaders,
        'Access-Control-Max-Age': preflightSeconds,
      })
    }
    response.status(204).end()
  }
}

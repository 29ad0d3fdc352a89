/** Turns everything that can go wrong into problem details (RFC 9457). Internals are logged, never sent. */
import { randomUUID } from 'node:crypto'
import { problemMediaType, problemStatus } from '@lattice/api'
import type { Problem, ProblemCode } from '@lattice/api'
import { errorCatalog, isLatticeError, LatticeError } from '@lattice/core'
import type { ErrorCode } from '@lattice/core'
import type { ErrorRequestHandler, Response } from 'express'
import type { HttpLog } from './options.ts'

/** One field that is wrong. */
export interface FieldError {
  readonly field: string
  readonly message: string
}

/** A refusal with what HTTP adds to a code: wrong fields, headers, further members. */
export class HttpProblem extends LatticeError {
  readonly fields: readonly FieldError[]
  readonly headers: Readonly<Record<string, string>>
  readonly extra: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    detail?: string,
    more: {
      fields?: readonly FieldError[]
      headers?: Readonly<Record<string, string>>
      extra?: Readonly<Record<string, unknown>>
    } = {},
  ) {
    super(code, detail)
    this.fields = more.fields ?? []
    this.headers = more.headers ?? {}
    this.extra = more.extra ?? {}
  }
}

/** The refusal of a request in which one thing is wrong: where it is, and what is expected there. */
export function invalid(field: string, message: string, code: ErrorCode = 'REQUEST_INVALID'): HttpProblem {
  return new HttpProblem(code, `${field}: ${message}`, { fields: [{ field, message }] })
}

/** Seconds after which a refusal of this kind may be gone: time for a commit or two, or for a start. */
const retryAfterSeconds: Partial<Record<ProblemCode, number>> = {
  OVERLOADED: 1,
  NOT_READY: 2,
  STORE_UNAVAILABLE: 30,
  STORE_FULL: 30,
  STORE_SUSPECT: 10,
  ENTRY_DAMAGED: 5,
}

/** The body of an error answer. */
export function problemBody(
  code: ProblemCode,
  detail: string | undefined,
  more: Readonly<Record<string, unknown>> = {},
): Problem {
  const [title, hint] =
    code === 'INTERNAL'
      ? ['an internal error', 'look for the instance id in the log of the node, and report it']
      : errorCatalog[code]
  const docs = `/docs#${code}`
  return {
    type: docs,
    title,
    status: problemStatus[code],
    detail: detail ?? title,
    success: false,
    code,
    hint,
    docs,
    ...more,
  }
}

function send(response: Response, problem: Problem, headers: Readonly<Record<string, string>>): void {
  const wait = retryAfterSeconds[problem.code as ProblemCode]
  response.status(problem.status)
  if (wait !== undefined && !response.hasHeader('Retry-After')) response.set('Retry-After', String(wait))
  if (problem.status === 401) response.set('WWW-Authenticate', 'Bearer realm="lattice"')
  response.removeHeader('ETag')
  response.set({ 'Content-Type': problemMediaType, 'Cache-Control': 'no-store', ...headers })
  response.end(JSON.stringify(problem))
}

function statusOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'status' in error && typeof error.status === 'number'
    ? error.status
    : undefined
}

/** Express's last stop for errors. */
export function createProblemHandler(log: HttpLog | undefined): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    if (response.headersSent) {
      log?.warn('answer cut short', {
        method: request.method,
        route: response.locals['route'],
        error: String(error),
      })
      response.destroy()
      return
    }
    if (isLatticeError(error)) {
      const fields =
        error instanceof HttpProblem && error.fields.length > 0 ? { errors: [...error.fields] } : {}
      const extra = error instanceof HttpProblem ? error.extra : {}
      const headers = error instanceof HttpProblem ? error.headers : {}
      send(response, problemBody(error.code, error.message, { ...fields, ...extra }), headers)
      return
    }
    if (error instanceof URIError || statusOf(error) === 400) {
      const errors = [{ field: 'path', message: 'percent-encoded UTF-8' }]
      send(
        response,
        problemBody('REQUEST_INVALID', 'the URL is not valid percent-encoded UTF-8', { errors }),
        {},
      )
      return
    }
    const instance = `urn:uuid:${randomUUID()}`
    log?.error('request failed', {
      instance,
      method: request.method,
      route: response.locals['route'],
      error: typeof error === 'object' && error !== null && 'stack' in error ? error.stack : String(error),
    })
    send(response, problemBody('INTERNAL', undefined, { instance }), {})
  }
}

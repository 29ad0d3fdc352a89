/**
 * Binds a row of the route table to a handler: the token, the body, and validation by the row's own schemas
 * come first.
 */
import { fieldName, inWords, transactionSchema } from '@lattice/api'
import type { Route, RouteRequest } from '@lattice/api'
import { valueDepthMax } from '@lattice/core'
import type { ErrorCode } from '@lattice/core'
import type { Express, Request, RequestHandler, Response } from 'express'
import { readBody, requireJson } from './body.ts'
import { parseJson } from './json.ts'
import { HttpProblem } from './problems.ts'

/** Handles one validated request; answers through `response`. */
export type RouteHandler<R extends Route> = (
  input: RouteRequest<R>,
  request: Request,
  response: Response,
) => void | Promise<void>

/** Adds handlers for rows of the table. */
export interface Mount {
  <const R extends Route>(route: R, handler: RouteHandler<R>): void
}

/** A transaction wraps its values in three levels of its own: body, operations, operation. */
const transactionDepth = 3

/** How a failed check is called where the list of codes has a better word than REQUEST_INVALID. */
function codeFor(route: Route, part: 'params' | 'query' | 'body', field: PropertyKey | undefined): ErrorCode {
  if (part === 'body') return route.body === transactionSchema ? 'TRANSACTION_INVALID' : 'VALUE_INVALID'
  return field === 'key' ? 'KEY_INVALID' : 'REQUEST_INVALID'
}

/**
 * Fields named in one answer: enough to mend a request, and a bound on what a hostile one can make us write.
 */
const fieldErrorsMax = 20

function validate(route: Route, part: 'params' | 'query' | 'body', value: unknown): unknown {
  const schema = route[part]
  if (schema === undefined) return undefined
  const parsed = schema.safeParse(value, inWords)
  if (parsed.success) return parsed.data
  const [first] = parsed.error.issues
  const fields = parsed.error.issues
    .slice(0, fieldErrorsMax)
    .map(issue => ({ field: fieldName(issue.path) || part, message: issue.message }))
  const at = fields[0]
  const unknownName = first?.code === 'unrecognized_keys'
  const code = unknownName && part !== 'body' ? 'REQUEST_INVALID' : codeFor(route, part, first?.path.at(-1))
  throw new HttpProblem(code, `${at?.field}: ${at?.message}`, { fields })
}

async function readJson(route: Route, request: Request): Promise<unknown> {
  requireJson(request)
  const wrapped = route.body === transactionSchema
  return parseJson(await readBody(request), valueDepthMax + (wrapped ? transactionDepth : 0))
}

/** Express looks for a query each time it is asked for one. */
function queryOf(request: Request): Record<string, unknown> {
  return request.url.includes('?') ? { ...request.query } : {}
}

function expressPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1')
}

/** Makes the binder for one app. */
export function createMount(app: Express, requireAdmin: RequestHandler): Mount {
  return (route, handler) => {
    const isOpen = route.auth !== 'admin'
    const enter: RequestHandler = (request, response, next) => {
      response.locals['route'] = route.path
      return isOpen ? next() : requireAdmin(request, response, next)
    }
    const run: RequestHandler = async (request, response) => {
      const row: Route = route
      const params = validate(row, 'params', { ...request.params })
      const query = row.query === undefined ? undefined : validate(row, 'query', queryOf(request))
      const body = row.body === undefined ? undefined : validate(row, 'body', await readJson(row, request))
      await handler({ params, query, body } as RouteRequest<typeof route>, request, response)
    }
    const verb = route.method.toLowerCase() as 'get' | 'put' | 'post' | 'delete'
    app[verb](expressPath(route.path), enter, run)
  }
}

/** Answers every other method on the table's paths: 405 with Allow, or 204 to OPTIONS. */
export function refuseOtherMethods(app: Express, table: readonly Route[]): void {
  const methods = new Map<string, Set<string>>()
  for (const route of table) {
    const known = methods.get(route.path) ?? new Set<string>()
    known.add(route.method)
    if (route.method === 'GET') known.add('HEAD')
    methods.set(route.path, known)
  }
  for (const [path, known] of methods) {
    const allow = [...known, 'OPTIONS'].join(', ')
    app.all(expressPath(path), (request, response) => {
      response.locals['route'] = path
      response.set('Allow', allow)
      if (request.method === 'OPTIONS') {
        response.status(204).end()
        return
      }
      throw new HttpProblem('METHOD_NOT_ALLOWED', `${path} takes ${allow}`)
    })
  }
}

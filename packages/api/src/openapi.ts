/**
 * OpenAPI 3.1 from the route table: the same schemas that validate requests describe them.
 */
import { z } from 'zod'
import { problemMediaType, problemSchema, problemStatus } from './problem.ts'
import type { Route, RouteAnswer, RouteHeader } from './route.ts'
import { routes } from './routes.ts'

/** A JSON object of the document. */
export type JsonObject = { [name: string]: unknown }

const headerText: Record<RouteHeader, string> = {
  'If-Match':
    'only if the key has one of these entity tags, or versions in quotes; * means: only if it exists',
  'If-None-Match': 'on reads 304 when unchanged; on writes * means: only if the key does not exist',
  'Idempotency-Key':
    'a retry with the same key and body applies once and answers the same, but with the present root; ' +
    '1 to 255 characters',
  'Last-Event-ID': 'replays the events after this one',
}

/** Answers may get more members in later versions, except where their schema is strict. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    io,
    override: ({ zodSchema: { _zod }, jsonSchema: made }) => {
      if (_zod.def.type === 'object' && _zod.def.catchall === undefined) delete made.additionalProperties
    },
  }) as JsonObject
  return rest
}

function parametersOf(schema: z.ZodType | undefined, place: 'path' | 'query'): JsonObject[] {
  if (schema === undefined) return []
  const described = jsonSchema(schema, 'input')
  const required = (described['required'] ?? []) as string[]
  return Object.entries((described['properties'] ?? {}) as Record<string, JsonObject>).map(
    ([name, member]) => ({
      name,
      in: place,
      required: place === 'path' || required.includes(name),
      ...(member['description'] === undefined ? {} : { description: member['description'] }),
      schema: member,
    }),
  )
}

function answerOf(answer: RouteAnswer): JsonObject {
  const { description } = answer
  if (!('schema' in answer || 'mediaType' in answer)) return { description }
  const text = { schema: { type: 'string' } }
  const main =
    'schema' in answer
      ? { 'application/json': { schema: jsonSchema(answer.schema, 'output') } }
      : { [answer.mediaType]: text }
  return {
    description,
    content: { ...main, ...(answer.onWish === undefined ? {} : { [answer.onWish]: text }) },
  }
}

function problemsOf(route: Route): JsonObject {
  const byStatus = new Map<number, string[]>()
  for (const code of route.problems) {
    const status = route.statuses?.[code] ?? problemStatus[code]
    const codes = byStatus.get(status)
    if (codes) codes.push(code)
    else byStatus.set(status, [code])
  }
  const reference = { schema: { $ref: '#/components/schemas/Problem' } }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      String(status),
      { description: codes.join(', '), content: { [problemMediaType]: reference } },
    ]),
  )
}

function bodyOf({ body, bytes }: Route): JsonObject {
  if (bytes !== undefined)
    return { requestBody: { required: true, content: Object.fromEntries(bytes.map(type => [type, {}])) } }
  if (body === undefined) return {}
  const content = { 'application/json': { schema: jsonSchema(body, 'input') } }
  return { requestBody: { required: true, content } }
}

function operationOf(name: string, route: Route): JsonObject {
  const headers = (route.headers ?? []).map(header => ({
    name: header,
    in: 'header',
    required: false,
    description: headerText[header],
    schema: { type: 'string' },
  }))
  const answers = Object.entries(route.answers).map(([status, answer]) => [status, answerOf(answer)])
  const notModified = route.method === 'GET' && route.headers?.includes('If-None-Match') === true
  return {
    operationId: name,
    summary: route.summary,
    tags: [route.group],
    ...(route.auth === 'admin' ? { security: [{ bearer: [] }, { latticeToken: [] }, {}] } : {}),
    parameters: [...parametersOf(route.params, 'path'), ...parametersOf(route.query, 'query'), ...headers],
    ...bodyOf(route),
    responses: {
      ...problemsOf(route),
      ...Object.fromEntries(answers),
      ...(notModified ? { 304: { description: 'Unchanged since the ETag in If-None-Match' } } : {}),
    },
  }
}

/** The OpenAPI 3.1 document of this API. `version` is the product's. */
export function createOpenapiDocument(options: { readonly version: string }): JsonObject {
  const paths: Record<string, JsonObject> = {}
  for (const [name, route] of Object.entries(routes) as [string, Route][]) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(name, route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Lattice',
      version: options.version,
      description:
        'One replicated key-value state. Reads are open; writes need the admin token unless a loopback caller ' +
        'uses a loopback listener. Every error is application/problem+json.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: { Problem: jsonSchema(problemSchema, 'output') },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        latticeToken: { type: 'apiKey', in: 'header', name: 'X-Lattice-Token' },
      },
    },
  }
}

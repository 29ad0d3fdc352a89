/**
 * Requests of every kind for one operation of the OpenAPI document: as it wants them, at its limits, beyond.
 */
import { request as httpRequest } from 'node:http'
import type { Agent } from 'node:http'
import fc from 'fast-check'

/** A JSON object of the document. */
type Schema = Readonly<Record<string, unknown>>

/** What of one operation of the document is read here. */
export interface Operation {
  readonly parameters: readonly {
    readonly name: string
    readonly in: 'path' | 'query' | 'header'
    readonly required: boolean
    readonly schema: { readonly enum?: readonly string[] }
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly description: string
        readonly content?: Readonly<Record<string, { readonly schema: Schema }>>
      }
    >
  >
}

/** One request, exactly as it is sent. */
export interface Request {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** What came back. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

const segments = fc.constantFrom(
  ...['k', 'c', 's', 'a%2Fb', '%2e%2e', '%00', '%ff', '%ed%a0%80', '%', '+', '%F0%9F%98%80', '__proto__'],
  ...['k'.repeat(512), 'k'.repeat(513), '%C3%BC'.repeat(256), '%C3%BC'.repeat(257), 'k'.repeat(1024)],
)
const texts = fc.constantFrom(
  ...[
    '',
    '0',
    '1',
    '1000',
    '1001',
    '-1',
    '1e3',
    'true',
    'TRUE',
    'k',
    '%ff',
    '%00',
    '%C2%85',
    'azE',
    'x'.repeat(2001),
  ],
  ...[
    'auto',
    'p2p',
    'http',
    '30m',
    '999ms',
    '31d',
    'mode',
    'mode,lag',
    'mode,x',
    'now',
    '2026-11-28',
    '1700000000',
  ],
)
const instants = fc.constantFrom(
  ...['0', '-1', '1700000000', 'now', '2026-11-28', '2026-11-28T00:00:00%2B01:00', '1960-01-01'],
  ...['253402300799', '253402300800', '%2B010000-01-01T00:00:00Z', '%2B275760-09-13T00:00:00Z'],
)
const conditions = fc.constantFrom('*', '"0000000000000001"', 'W/"a", "b"', '"', 'x', '', '"a"b')
const headerValues: Readonly<Record<string, fc.Arbitrary<string>>> = {
  'If-Match': conditions,
  'If-None-Match': conditions,
  'Idempotency-Key': fc.constantFrom('1', '2', 'a b', ' ', 'x'.repeat(255), 'x'.repeat(256), 'a\tb'),
  'Last-Event-ID': fc.constantFrom('', 'x', '0123456789ab-0', '-1'),
  Accept: fc.constantFrom(
    '*/*',
    'text/html',
    'application/json',
    'application/openmetrics-text',
    'image/png',
  ),
}

const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)
const values = fc.constantFrom(
  ...['1', '"x"', '{"a":[1,{"b":null}]}', '{"__proto__":1}', nested(64), nested(65), '', '{', 'NaN', '1e999'],
  ...[
    '9007199254740993',
    '"\\ud800"',
    '{"a":1,"a":2}',
    `"${'x'.repeat(131_067)}"`,
    `"${'x'.repeat(131_068)}"`,
  ],
  ...[`"${'x'.repeat(1024 * 1024)}"`],
)
const key = fc.constantFrom('k', 'c', 's', '', 'k'.repeat(513))
const step = fc.oneof(
  fc.record({ op: fc.constantFrom('put', 'delete', 'burn'), key, value: fc.constantFrom(1, 'x', null) }),
  fc.record({ op: fc.constant('put'), key, value: fc.constant({ a: [1] }) }),
  fc.record({ op: fc.constant('delete'), key }),
  fc.record({
    op: fc.constant('increment'),
    key,
    by: fc.constantFrom(1, -1, 0, 0.5, '1', 2 ** 53 - 1, 2 ** 53),
  }),
  fc.record({ op: fc.constantFrom('add', 'remove'), key, element: fc.constantFrom(1, 'x', null) }),
)
const transactions = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.array(step, { maxLength: 3 }).map(operations => JSON.stringify({ operations })),
  },
  values,
  fc
    .constantFrom(1000, 1001)
    .map(count => JSON.stringify({ operations: Array(count).fill({ op: 'put', key: 'k', value: 1 }) })),
)

function valuesOf({ name, schema }: Operation['parameters'][number]): fc.Arbitrary<string> {
  if (name === 'key') return segments
  if (name === 'from' || name === 'to') return instants
  return fc.oneof(texts, fc.constantFrom(...(schema.enum ?? ['k', 'mode'])))
}

function querySeen({ parameters }: Operation): fc.Arbitrary<string> {
  const pairs = parameters
    .filter(each => each.in === 'query')
    .map(parameter => {
      const pair = valuesOf(parameter).map(text => `${parameter.name}=${text}`)
      const once = pair.map(each => [each])
      const seldom = fc.oneof({ weight: 9, arbitrary: once }, fc.tuple(pair, pair))
      return fc.option(seldom, { nil: [], freq: parameter.required ? 9 : 1 })
    })
  const unknown = fc.constantFrom([], [], ['x=1'], ['x=%ff'], ['__proto__=1'], [''])
  return fc.tuple(...pairs, unknown).map(all => (all.flat().length === 0 ? '' : `?${all.flat().join('&')}`))
}

function headersSeen({ parameters, requestBody }: Operation): fc.Arbitrary<Record<string, string>> {
  const names = [...parameters.filter(each => each.in === 'header').map(({ name }) => name), 'Accept']
  const type = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...Object.keys(requestBody?.content ?? { 'text/plain': 0 })) },
    fc.constantFrom('application/json; charset=utf-8', 'application/json; charset=latin1', 'text/plain'),
  )
  const wanted = names.map(name => [name, headerValues[name] ?? texts] as const)
  const withType = requestBody === undefined ? wanted : [...wanted, ['Content-Type', type] as const]
  return fc.record(Object.fromEntries(withType), {
    requiredKeys: requestBody === undefined ? [] : ['Content-Type'],
  })
}

/** Requests for `operation`, which has `method` and `path`. */
export function requestsFor(method: string, path: string, operation: Operation): fc.Arbitrary<Request> {
  const { requestBody } = operation
  const body = path.endsWith('/transactions') ? transactions : values
  return fc.record({
    method: fc.constant(method),
    path: fc
      .tuple(segments, querySeen(operation))
      .map(([segment, query]) => path.replace('{key}', segment) + query),
    headers: headersSeen(operation),
    body: requestBody === undefined ? fc.constant(undefined) : body,
  })
}

/** Sends a request as it stands, and reads the answer; of an endless one, what comes first. */
export function send(url: string, { method, path, headers, body }: Request, agent: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const request = httpRequest({ hostname, port, path, method, headers, agent }, response => {
      let text = ''
      const done = (): void => resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
        if (response.headers['content-type']?.startsWith('text/event-stream') === true) response.destroy()
      })
      response.on('close', done)
    })
    request.on('error', reject)
    request.end(body)
  })
}

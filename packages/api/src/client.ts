/**
 * The typed client: one method per row of the route table. For browsers, Node and the CLI.
 *
 * Error answers reject with `ApiError`; nothing is retried here, since only the caller knows whether it may.
 */
import { readServerEvents } from './events.ts'
import { readLines } from './lines.ts'
import type { ServerEvent } from './events.ts'
import { problemMediaType } from './problem.ts'
import type { Problem, ProblemCode } from './problem.ts'
import type { Route, RouteInput, RouteResult } from './route.ts'
import { routes } from './routes.ts'
import type { RouteName, Routes } from './routes.ts'
import type { SignedKeyProof } from './schemas/proof.ts'

/** What went wrong before or beside a proper answer of a node. */
export type TransportCode = 'UNREACHABLE' | 'TIMEOUT' | 'ABORTED' | 'NOT_MODIFIED' | 'UNEXPECTED_ANSWER'

/** An error answer, or the lack of an answer. `status` is 0 when there was none. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ProblemCode | TransportCode
  readonly hint: string
  readonly status: number
  /** Seconds to wait before a retry, when the node said so. */
  readonly retryAfter: number | undefined
  /** Fields that are wrong, when the node named them. */
  readonly errors: readonly { readonly field: string; readonly message: string }[]
  /** That a key is not there, when it was asked for. */
  readonly proof: SignedKeyProof | undefined

  constructor(
    code: ProblemCode | TransportCode,
    detail: string,
    rest: {
      hint: string
      status: number
      retryAfter?: number | undefined
      errors?: readonly { field: string; message: string }[] | undefined
      proof?: SignedKeyProof | undefined
      cause?: unknown
    },
  ) {
    super(detail, { cause: rest.cause })
    this.code = code
    this.hint = rest.hint
    this.status = rest.status
    this.retryAfter = rest.retryAfter
    this.errors = rest.errors ?? []
    this.proof = rest.proof
  }
}

/** Where and how to call. */
export interface ClientOptions {
  /** With or without a trailing slash, e.g. `http://127.0.0.1:8000`. */
  readonly baseUrl: string
  /** Admin token, sent as `X-Lattice-Token` so that a hosting proxy may keep `Authorization` for itself. */
  readonly token?: string
  readonly fetch?: typeof fetch
  /**
   * Whole answer, in milliseconds, or what says so for each call; 0 waits for ever. Default 10 s: the daemon
   * answers in milliseconds.
   */
  readonly timeoutMs?: number | (() => number)
  /** Sent with every request, e.g. `Authorization` for a private hosting proxy. */
  readonly headers?: Readonly<Record<string, string>>
}

type Arguments<I> = Record<never, never> extends I ? [input?: I] : [input: I]

/** Rows that a generic call cannot serve: an endless stream and the signed node-to-node exchange. */
type UncalledName = 'getEvents' | 'exchange'

/** One method per route, and `events` for the stream. */
export type Client = {
  readonly [N in Exclude<RouteName, UncalledName>]: (
    ...args: Arguments<RouteInput<Routes[N]>>
  ) => Promise<RouteResult<Routes[N]>>
} & {
  /** Follows the node's events until `signal` fires or the connection ends; resume with the last `id`. */
  readonly events: (options?: {
    readonly lastEventId?: string
    readonly signal?: AbortSignal
  }) => AsyncGenerator<ServerEvent>
  /** The lines of `exportState` as they come: the whole may be longer than a text can be. */
  readonly exportLines: (options?: { readonly signal?: AbortSignal }) => AsyncGenerator<string>
}

interface AnyInput {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body?: unknown
  readonly ifMatch?: string
  readonly ifNoneMatch?: string
  readonly idempotencyKey?: string
  readonly signal?: AbortSignal
}

const unsafeSegments = new Set(['', '.', '..'])

/**
 * The path and query of one call, relative to the base URL. Every parameter is one percent-encoded segment.
 */
export function routeUrl(
  route: Pick<Route, 'path' | 'unsafeSegment'>,
  input: Pick<AnyInput, 'params' | 'query'> = {},
): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(input.query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined) query.append(name, String(one))
  }
  let path = route.path
  for (const [name, value] of Object.entries(input.params ?? {})) {
    if (!value.isWellFormed()) throw notSendable(`${name} has a lone surrogate`)
    if (route.unsafeSegment === name && unsafeSegments.has(value)) {
      path = path.replace(`/{${name}}`, '')
      query.append(name, value)
    } else {
      path = path.replace(`{${name}}`, () => encodeURIComponent(value))
    }
  }
  return query.size > 0 ? `${path}?${query.toString()}` : path
}

function notSendable(detail: string, hint = 'send well-formed Unicode text'): ApiError {
  return new ApiError('REQUEST_INVALID', detail, { status: 0, hint })
}

/** JSON that says what was meant: infinities and NaN would become null. */
function bodyOf(body: unknown): string {
  return JSON.stringify(body, (name, value: unknown) => {
    if (typeof value !== 'number' || Number.isFinite(value)) return value
    const what = `${name === '' ? 'the value' : name} is ${value}, which JSON cannot say`
    throw notSendable(what, 'send a number within the range of a double, or a text')
  })
}

function quoted(version: string): string {
  return version === '*' || version.startsWith('"') || version.startsWith('W/') ? version : `"${version}"`
}

function headersOf(options: ClientOptions, route: Route, input: AnyInput): Record<string, string> {
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers }
  if (options.token !== undefined) headers['x-lattice-token'] = options.token
  if (input.ifMatch !== undefined) headers['if-match'] = quoted(input.ifMatch)
  if (input.ifNoneMatch !== undefined) headers['if-none-match'] = quoted(input.ifNoneMatch)
  if (input.idempotencyKey !== undefined) headers['idempotency-key'] = input.idempotencyKey
  if (route.body) headers['content-type'] = 'application/json'
  return headers
}

function failure(error: unknown, url: string, caller: AbortSignal | undefined): ApiError {
  if (error instanceof ApiError) return error
  if (caller?.aborted === true) {
    return new ApiError('ABORTED', 'the call was cancelled', { status: 0, hint: 'call again', cause: error })
  }
  const name = typeof error === 'object' && error !== null && 'name' in error ? error.name : ''
  if (name === 'TimeoutError') {
    return new ApiError('TIMEOUT', `no answer from ${url} in time`, {
      status: 0,
      hint: 'check the load of the node, or wait longer',
      cause: error,
    })
  }
  const cause = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : error
  const reason =
    typeof cause === 'object' && cause !== null && 'code' in cause ? `: ${String(cause.code)}` : ''
  return new ApiError('UNREACHABLE', `cannot reach ${url}${reason}`, {
    status: 0,
    hint: 'check that the daemon runs there (lattice start) and that the URL is right',
    cause: error,
  })
}

function problemOf(response: Response, body: string): ApiError {
  const wait = Number(response.headers.get('retry-after') ?? Number.NaN)
  const retryAfter = Number.isFinite(wait) ? wait : undefined
  const unexpected = (detail: string): ApiError =>
    new ApiError('UNEXPECTED_ANSWER', detail, {
      status: response.status,
      hint: 'something between here and the node answers in its place, or the URL is not that of a Lattice node',
      retryAfter,
    })
  if (response.headers.get('content-type')?.startsWith(problemMediaType) !== true) {
    return unexpected(`HTTP ${response.status} without a problem description`)
  }
  try {
    const problem = JSON.parse(body) as Problem
    return new ApiError(problem.code as ProblemCode, problem.detail, {
      status: response.status,
      hint: problem.hint,
      retryAfter,
      errors: problem.errors,
      proof: problem.proof,
    })
  } catch {
    return unexpected(`HTTP ${response.status} with a malformed problem description`)
  }
}

async function readAnswer(route: Route, response: Response): Promise<unknown> {
  if (response.status === 304) {
    throw new ApiError('NOT_MODIFIED', 'unchanged', { status: 304, hint: 'use the copy you have' })
  }
  const body = await response.text()
  const type = response.headers.get('content-type') ?? ''
  const answer = route.answers[response.status]
  if (answer === undefined || type.startsWith(problemMediaType)) throw problemOf(response, body)
  if (!('schema' in answer)) return body
  try {
    return JSON.parse(body)
  } catch (cause) {
    throw new ApiError('UNEXPECTED_ANSWER', `HTTP ${response.status} whose body is no JSON`, {
      status: response.status,
      hint: 'check that the URL is that of a Lattice node',
      cause,
    })
  }
}

/** The calls whose answer is read while it comes. */
function streamsOf(
  options: ClientOptions,
  base: string,
  send: typeof fetch,
): Pick<Client, 'events' | 'exportLines'> {
  const stream = async (
    route: Route,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<ReadableStream<Uint8Array>> => {
    const response = await send(base + route.path, {
      headers: { ...headersOf(options, route, {}), ...headers },
      redirect: 'error',
      ...(signal ? { signal } : {}),
    })
    if (!response.ok || response.body === null) throw problemOf(response, await response.text())
    return response.body
  }

  const events: Client['events'] = async function* (following = {}) {
    const { lastEventId, signal } = following
    const last = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
    try {
      yield* readServerEvents(
        await stream(routes.getEvents, { accept: 'text/event-stream', ...last }, signal),
      )
    } catch (error) {
      throw failure(error, base, signal)
    }
  }

  const exportLines: Client['exportLines'] = async function* ({ signal } = {}) {
    try {
      yield* readLines(await stream(routes.exportState, {}, signal), Number.POSITIVE_INFINITY)
    } catch (error) {
      throw failure(error, base, signal)
    }
  }

  return { events, exportLines }
}

/** Makes a client for one node. Importing or creating it sends nothing. */
export function createClient(options: ClientOptions): Client {
  const base = options.baseUrl.replace(/\/+$/, '')
  const send = options.fetch ?? fetch
  const limit = options.timeoutMs ?? 10_000

  const call = async (route: Route, input: AnyInput = {}): Promise<unknown> => {
    const url = base + routeUrl(route, input)
    const timeoutMs = typeof limit === 'function' ? limit() : limit
    const signals = timeoutMs > 0 ? [AbortSignal.timeout(timeoutMs)] : []
    if (input.signal) signals.push(input.signal)
    try {
      const response = await send(url, {
        method: route.method,
        headers: headersOf(options, route, input),
        redirect: 'error',
        signal: AbortSignal.any(signals),
        ...(route.body ? { body: bodyOf(input.body) } : {}),
      })
      return await readAnswer(route, response)
    } catch (error) {
      throw failure(error, base, input.signal)
    }
  }

  const methods = Object.entries(routes).map(([name, route]) => [
    name,
    (input?: AnyInput) => call(route, input),
  ])
  return { ...Object.fromEntries(methods), ...streamsOf(options, base, send) } as Client
}

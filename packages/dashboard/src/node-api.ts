/**
 * What the dashboard asks a node, typed by the route table of @lattice/api.
 *
 * Only the types come along: the table's schemas would more than double what a browser has to load. So each
 * answer is checked here for the fields that are shown; a login page or an older program in the node's place
 * becomes an error with words, not a broken page.
 */
import { ApiError } from '@lattice/api'
import type { problemMediaType, ProblemCode, RouteResult, Routes } from '@lattice/api'
import { areFields, isObject, listOf, nullable } from './answer-shape.ts'
import type { Shape } from './answer-shape.ts'
import { redirectStatus } from './failure-words.ts'

/** `GET /api/lattice/p2p/status`. */
export type SyncStatus = RouteResult<Routes['getP2pStatus']>

/** One other node, as the asked node sees it. */
export type Peer = RouteResult<Routes['getPeers']>['peers'][number]

/** What the other nodes say of their links; `node_id` is how they name the asked node. */
export type Links = Pick<RouteResult<Routes['getLinks']>, 'node_id' | 'rows'>

/** What one other node says. */
export type LinkRow = Links['rows'][number]

/** Something that needs a look. */
export type Warning = SyncStatus['warnings'][number]

/** One step of the sync-mode state machine. */
export type Transition = RouteResult<Routes['getTransitions']>['transitions'][number]

/** `GET /api/lattice/health`. */
export type HealthReport = RouteResult<Routes['getHealthReport']>

/** `GET /api/lattice/metrics/history`. */
export type History = RouteResult<Routes['getHistory']>

/** One page of keys. */
export interface StatePage {
  readonly entries: readonly (readonly [key: string, value: unknown])[]
  readonly keyCount: number
  /** Public key of the node that answers. */
  readonly nodeId: string
  readonly nextCursor: string | undefined
  /** Keys that belong here and are damaged on the node's disk; `?` where the damage may have taken a name. */
  readonly damagedKeys: readonly string[]
}

/** One key with what is known of it. */
export type KeyReading = RouteResult<Routes['getKey']>

/** What an operator may ask for. */
export type Mode = SyncStatus['mode']

/** The answer to a switch. */
export type SwitchReceipt = RouteResult<Routes['switchMode']>

/** The calls of one node. Every method rejects with `ApiError`. */
export interface NodeApi {
  status(signal?: AbortSignal): Promise<SyncStatus>
  peers(signal?: AbortSignal): Promise<readonly Peer[]>
  health(signal?: AbortSignal): Promise<HealthReport>
  links(signal?: AbortSignal): Promise<Links>
  transitions(signal?: AbortSignal): Promise<readonly Transition[]>
  history(query: HistoryQuery, signal?: AbortSignal): Promise<History>
  page(query: StateQuery, signal?: AbortSignal): Promise<StatePage>
  key(key: string, signal?: AbortSignal): Promise<KeyReading>
  /** Where the key can be loaded together with the proof of what the signed root holds of it. */
  proofUrl(key: string): string
  /** `forText` as `parseDuration` of @lattice/api reads it; left out, the mode stays. */
  switchMode(mode: Mode, forText: string | undefined, token: string | undefined): Promise<SwitchReceipt>
}

/** Which part of the history to read, in Unix seconds. */
export interface HistoryQuery {
  readonly from: number
  readonly to: number
  readonly stepSeconds: number
}

/** Which keys to list. */
export interface StateQuery {
  readonly prefix: string
  readonly cursor: string | undefined
  readonly limit: number
}

const paths = {
  status: '/api/lattice/p2p/status' satisfies Routes['getP2pStatus']['path'],
  peers: '/api/lattice/peers' satisfies Routes['getPeers']['path'],
  links: '/api/lattice/links' satisfies Routes['getLinks']['path'],
  health: '/api/lattice/health' satisfies Routes['getHealthReport']['path'],
  transitions: '/api/lattice/transitions' satisfies Routes['getTransitions']['path'],
  history: '/api/lattice/metrics/history' satisfies Routes['getHistory']['path'],
  state: '/api/lattice/state' satisfies Routes['getState']['path'],
  switchMode: '/api/lattice/sync/switch' satisfies Routes['switchMode']['path'],
}

/** The path of the event stream, relative to the base URL. */
export const eventsPath = '/api/lattice/events' satisfies Routes['getEvents']['path']

/** Spelt out, since importing the value would bring the schemas along; the type keeps it true. */
const problemType: typeof problemMediaType = 'application/problem+json'

/** What the charts show. */
const chartSeries = 'mode,lag,latency,writes,errors'

/** A daemon answers in milliseconds; after this long a retry is worth more than waiting. */
const timeoutMs = 8000

/** Empty pages in a row, of ten thousand deleted keys each, before the next one is left to the viewer. */
const emptyMax = 20

/** What a header can carry; of anything else a browser makes no request. */
const sendable = /^[\t\x20-\x7E\x80-\xFF]*$/

const link: Shape = { state: 'string', rtt_ms: nullable('number'), last_error: nullable('string') }
const shapes = {
  status: {
    timestamp: nullable('number'),
    sync_mode: 'string',
    mode: 'string',
    phase: 'string',
    since: 'string',
    reason: 'string',
    status_text: 'string',
    merkle_root: 'string',
    peer_count: 'number',
    enabled: 'boolean',
    heartbeat_active: 'boolean',
    last_sync: nullable('string'),
    forced_until: nullable('string'),
    warnings: listOf({
      code: 'string',
      title: 'string',
      text: 'string',
      severity: 'string',
      since: 'string',
      primaryAction: { label: 'string' },
    }),
  },
  peers: {
    peers: listOf({
      name: nullable('string'),
      peer_id: 'string',
      path: 'string',
      why: 'string',
      since: 'string',
      url: nullable('string'),
      last_seen: nullable('string'),
      merkle_root: nullable('string'),
      in_sync: nullable('boolean'),
      behind: nullable('number'),
      ahead: nullable('number'),
      links: { p2p: link, http: link },
    }),
  },
  links: {
    rows: listOf({
      node_id: 'string',
      why: nullable('string'),
      links: listOf({ node_id: 'string', p2p: link, http: link }),
    }),
  },
  health: { overall: 'string', reason: 'string', version: 'string', name: 'string', role: 'string' },
  transitions: {
    transitions: listOf({
      from: 'string',
      to: 'string',
      reason: 'string',
      trigger: 'string',
      at: 'string',
      duration_seconds: 'number',
    }),
  },
  history: {
    from: 'string',
    to: 'string',
    step_seconds: 'number',
    series: listOf({ series: 'string', labels: 'object' }),
  },
  page: { public_key: 'string', entry_count: 'number', state: 'object', next_cursor: nullable('string') },
  key: { key: 'string', version: 'string', author: 'string', type: 'string' },
  switchMode: { message: 'string', requested: 'string', mode: 'string' },
} as const satisfies Record<string, Shape>

interface ListedState {
  readonly state: object
  readonly entry_count: number
  readonly public_key: string
  readonly next_cursor: string | null
  /** Not told by nodes of before. */
  readonly damaged_keys?: readonly string[]
}

/**
 * Makes the calls of the node at `baseUrl`, with or without a trailing slash; '' is the page's own origin.
 */
export function createNodeApi(baseUrl: string): NodeApi {
  const base = baseUrl.replace(/\/+$/, '')
  const get = async <T>(path: string, shape: Shape, signal?: AbortSignal): Promise<T> =>
    (await ask(base, path, shape, { method: 'GET' }, signal)) as T
  return {
    status: signal => get(paths.status, shapes.status, signal),
    peers: async signal => (await get<{ peers: Peer[] }>(paths.peers, shapes.peers, signal)).peers,
    links: signal => get(paths.links, shapes.links, signal),
    health: signal => get(paths.health, shapes.health, signal),
    transitions: async signal =>
      (await get<{ transitions: Transition[] }>(paths.transitions, shapes.transitions, signal)).transitions,
    history: ({ from, to, stepSeconds }, signal) => {
      const span = { from: String(from), to: String(to), step: `${stepSeconds}s` }
      const query = new URLSearchParams({ series: chartSeries, ...span })
      return get(`${paths.history}?${query.toString()}`, shapes.history, signal)
    },
    page: (query, signal) => readPage(query, path => get(path, shapes.page, signal)),
    // As a query: a URL path cannot carry every key.
    key: (key, signal) => get(`${paths.state}?${new URLSearchParams({ key })}`, shapes.key, signal),
    proofUrl: key => `${base}${paths.state}?${new URLSearchParams({ key, proof: 'true' })}`,
    switchMode: async (mode, forText, token) => {
      if (token !== undefined && !sendable.test(token))
        throw failure('UNAUTHORIZED', 'no token can be like this', 401, undefined)
      const query = new URLSearchParams({ mode })
      if (forText !== undefined) query.set('for', forText)
      const headers: Record<string, string> = token === undefined ? {} : { 'x-lattice-token': token }
      const path = `${paths.switchMode}?${query.toString()}`
      return (await ask(base, path, shapes.switchMode, { method: 'POST', headers })) as SwitchReceipt
    },
  }
}

/**
 * Reads on while nothing is found: a node ends its page where thousands of keys in a row are deleted ones,
 * and beyond them there may be others.
 */
async function readPage(
  { prefix, cursor, limit }: StateQuery,
  get: (path: string) => Promise<ListedState>,
): Promise<StatePage> {
  const damagedKeys = new Set<string>()
  for (let next = cursor, tried = 1; ; tried += 1) {
    const query = new URLSearchParams({ limit: String(limit) })
    if (prefix !== '') query.set('prefix', prefix)
    if (next !== undefined) query.set('cursor', next)
    const answer = await get(`${paths.state}?${query.toString()}`)
    for (const key of answer.damaged_keys ?? []) damagedKeys.add(key)
    next = answer.next_cursor ?? undefined
    const entries = Object.entries(answer.state)
    if (entries.length === 0 && next !== undefined && tried < emptyMax) continue
    const { entry_count: keyCount, public_key: nodeId } = answer
    return { entries, keyCount, nodeId, nextCursor: next, damagedKeys: [...damagedKeys] }
  }
}

async function ask(
  base: string,
  path: string,
  shape: Shape,
  init: { readonly method: string; readonly headers?: Readonly<Record<string, string>> },
  signal?: AbortSignal,
): Promise<unknown> {
  const limit = AbortSignal.timeout(timeoutMs)
  let response: Response
  let text: string
  try {
    response = await fetch(base + path, {
      ...init,
      headers: { accept: 'application/json', ...init.headers },
      credentials: 'same-origin',
      redirect: 'manual',
      cache: 'no-store',
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    })
    text = isRedirect(response) ? '' : await response.text()
  } catch (cause) {
    if (signal?.aborted === true) throw failure('ABORTED', 'the call was cancelled', 0, cause)
    if (limit.aborted) throw failure('TIMEOUT', 'no answer in time', 0, cause)
    throw failure('UNREACHABLE', 'the node cannot be reached', 0, cause)
  }
  if (isRedirect(response)) throw failure('UNEXPECTED_ANSWER', 'a redirect', redirectStatus, undefined)
  const body = parsed(text)
  const type = response.headers.get('content-type') ?? ''
  if (type.startsWith(problemType) && isObject(body)) throw problemOf(response, body)
  // 503 with a proper body is the health report of a node that is not well.
  if (!areFields(body, shape))
    throw failure('UNEXPECTED_ANSWER', `HTTP ${response.status}`, response.status, undefined)
  return body
}

/** No node sends anybody elsewhere; what asks for a login does. A browser tells no more of it than that. */
function isRedirect({ type, status }: Response): boolean {
  return type === 'opaqueredirect' || (status >= 300 && status < 400)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function failure(code: ApiError['code'], detail: string, status: number, cause: unknown): ApiError {
  return new ApiError(code, detail, { hint: '', status, cause })
}

function problemOf(response: Response, body: Readonly<Record<string, unknown>>): ApiError {
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  const wait = Number(response.headers.get('retry-after') ?? Number.NaN)
  return new ApiError((text(body['code']) || 'UNEXPECTED_ANSWER') as ProblemCode, text(body['detail']), {
    hint: text(body['hint']),
    status: response.status,
    retryAfter: Number.isFinite(wait) ? wait : undefined,
  })
}

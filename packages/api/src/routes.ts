/**
 * The route table: every REST call of the operator contract, once.
 *
 * A route that is not here does not exist: the server mounts the rows, the client calls them, /openapi.json
 * prints them.
 */
import { jsonValueSchema } from './schemas/scalars.ts'
import {
  keyParamsSchema,
  keyQuerySchema,
  keyReadingSchema,
  keyReadQuerySchema,
  stateQuerySchema,
  stateSchema,
  transactionReceiptSchema,
  transactionSchema,
  writeReceiptSchema,
} from './schemas/state.ts'
import {
  identitySchema,
  linksSchema,
  nodesSchema,
  p2pStatusSchema,
  peersSchema,
  switchQuerySchema,
  switchSchema,
  transitionsSchema,
} from './schemas/sync.ts'
import { healthRoutes, nodeRoutes } from './health-routes.ts'
import { json, nothing, text } from './route-answers.ts'
import { defineRoute } from './route.ts'
import type { Route } from './route.ts'
import { z } from 'zod'

const noQuery = z.strictObject({})

const readProblems = [
  'KEY_INVALID',
  'REQUEST_INVALID',
  'KEY_NOT_FOUND',
  'ENTRY_DAMAGED',
  'RATE_LIMITED',
  'NOT_READY',
] as const
/** A store that does not give back what it holds. */
const storeProblems = ['STORE_SUSPECT', 'STORE_CORRUPT'] as const
/** Why a node takes no writes, besides being too busy. */
const closedProblems = [
  'STORE_UNAVAILABLE',
  'STORE_FULL',
  'STORE_SUSPECT',
  'NODE_CLONED',
  'NOT_READY',
] as const
const writeProblems = [
  'KEY_INVALID',
  'VALUE_INVALID',
  'VALUE_TOO_DEEP',
  'REQUEST_INVALID',
  'UNAUTHORIZED',
  'TYPE_CONFLICT',
  'VERSION_MISMATCH',
  'BODY_TOO_LARGE',
  'VALUE_TOO_LARGE',
  'MEDIA_TYPE_UNSUPPORTED',
  'IDEMPOTENCY_CONFLICT',
  'RATE_LIMITED',
  'OVERLOADED',
  'ENTRY_DAMAGED',
  ...closedProblems,
] as const
const deleteProblems = [
  'KEY_INVALID',
  'REQUEST_INVALID',
  'UNAUTHORIZED',
  'VERSION_MISMATCH',
  'IDEMPOTENCY_CONFLICT',
  'RATE_LIMITED',
  'OVERLOADED',
  ...closedProblems,
] as const

const putKey = {
  method: 'PUT',
  group: 'state',
  auth: 'admin',
  body: jsonValueSchema,
  headers: ['If-Match', 'If-None-Match', 'Idempotency-Key'],
  answers: { 200: json('Durable on this node', writeReceiptSchema) },
  problems: writeProblems,
} as const

const deleteKey = {
  method: 'DELETE',
  group: 'state',
  auth: 'admin',
  headers: ['If-Match', 'If-None-Match', 'Idempotency-Key'],
  answers: { 200: json('The tombstone is durable on this node', writeReceiptSchema) },
  problems: deleteProblems,
} as const

const stateRoutes = {
  getState: defineRoute({
    method: 'GET',
    path: '/api/lattice/state',
    group: 'state',
    summary:
      'The signed state: whole and streamed, or paged by prefix, limit and cursor. While something is damaged ' +
      'on the disk of this node, the whole is refused, and pages name what they lack',
    auth: 'open',
    query: stateQuerySchema,
    headers: ['If-None-Match'],
    answers: { 200: json('The state; with ?key= one key', z.union([stateSchema, keyReadingSchema])) },
    problems: [...readProblems, 'OVERLOADED', 'BODY_TOO_LARGE', ...storeProblems],
  }),
  getKey: defineRoute({
    method: 'GET',
    path: '/api/lattice/state/{key}',
    group: 'state',
    summary: 'One key; with ?proof=true also the proof of what the signed root holds of it',
    auth: 'open',
    params: keyParamsSchema,
    query: keyReadQuerySchema,
    headers: ['If-None-Match'],
    answers: { 200: json('The key', keyReadingSchema) },
    problems: [...readProblems, 'OVERLOADED', 'BODY_TOO_LARGE', ...storeProblems],
    unsafeSegment: 'key',
  }),
  exportState: defineRoute({
    method: 'GET',
    path: '/api/lattice/export',
    group: 'state',
    summary:
      'Every key with type and value, a line each, in the order of their UTF-8 bytes; all of one moment. Refused while ' +
      'something is damaged on the disk of this node',
    auth: 'open',
    query: noQuery,
    headers: ['If-None-Match'],
    answers: { 200: text('{"key","type","value"} per line; ETag is the root', 'application/jsonl') },
    problems: [
      'REQUEST_INVALID',
      'ENTRY_DAMAGED',
      'RATE_LIMITED',
      'OVERLOADED',
      'NOT_READY',
      ...storeProblems,
    ],
  }),
  putKey: defineRoute({
    ...putKey,
    path: '/api/lattice/state/{key}',
    summary: 'Write one key',
    params: keyParamsSchema,
    query: noQuery,
    unsafeSegment: 'key',
  }),
  deleteKey: defineRoute({
    ...deleteKey,
    path: '/api/lattice/state/{key}',
    summary: 'Delete one key',
    params: keyParamsSchema,
    query: noQuery,
    unsafeSegment: 'key',
  }),
  putKeyByQuery: defineRoute({
    ...putKey,
    path: '/api/lattice/state',
    summary: 'Write one key, for keys that a path cannot carry (. and ..)',
    query: keyQuerySchema,
  }),
  deleteKeyByQuery: defineRoute({
    ...deleteKey,
    path: '/api/lattice/state',
    summary: 'Delete one key, for keys that a path cannot carry (. and ..)',
    query: keyQuerySchema,
  }),
  transact: defineRoute({
    method: 'POST',
    path: '/api/lattice/transactions',
    group: 'state',
    summary: 'Apply several operations, all or none',
    auth: 'admin',
    query: noQuery,
    body: transactionSchema,
    headers: ['If-Match', 'If-None-Match', 'Idempotency-Key'],
    answers: { 200: json('Durable on this node', transactionReceiptSchema) },
    problems: [...writeProblems, 'TRANSACTION_INVALID', 'COUNTER_OVERFLOW'],
  }),
  getEvents: defineRoute({
    method: 'GET',
    path: '/api/lattice/events',
    group: 'state',
    summary: 'Server-sent events: change, mode, peer, alert, resync',
    auth: 'open',
    headers: ['Last-Event-ID'],
    answers: { 200: text('An endless stream; Last-Event-ID replays', 'text/event-stream') },
    problems: ['OVERLOADED', 'NOT_READY', 'RATE_LIMITED'],
  }),
} as const

const syncRoutes = {
  getNodes: defineRoute({
    method: 'GET',
    path: '/api/lattice/nodes',
    group: 'sync',
    summary: 'Configured base URLs of the other nodes',
    auth: 'open',
    answers: { 200: json('The URLs', nodesSchema) },
    problems: ['RATE_LIMITED'],
  }),
  getPeers: defineRoute({
    method: 'GET',
    path: '/api/lattice/peers',
    group: 'sync',
    summary: 'Every other node: path, why, since, RTT, how far behind or ahead',
    auth: 'open',
    answers: { 200: json('The peers', peersSchema) },
    problems: ['RATE_LIMITED'],
  }),
  getLinks: defineRoute({
    method: 'GET',
    path: '/api/lattice/links',
    group: 'sync',
    summary: 'How the other nodes reach each other, as they say themselves; asked at most every 10 s',
    auth: 'open',
    answers: { 200: json('The links', linksSchema) },
    problems: ['RATE_LIMITED'],
  }),
  getP2pStatus: defineRoute({
    method: 'GET',
    path: '/api/lattice/p2p/status',
    group: 'sync',
    summary: 'Sync mode, phase, reason, warnings',
    auth: 'open',
    answers: { 200: json('The status', p2pStatusSchema) },
    problems: ['RATE_LIMITED'],
  }),
  getIdentity: defineRoute({
    method: 'GET',
    path: '/api/lattice/p2p/identity',
    group: 'sync',
    summary: 'Who this node is, and where it can be dialled',
    auth: 'open',
    answers: { 200: json('The identity', identitySchema) },
    problems: ['RATE_LIMITED'],
  }),
  switchMode: defineRoute({
    method: 'POST',
    path: '/api/lattice/sync/switch',
    group: 'sync',
    summary: 'Ask for auto, p2p or http; idempotent, remembered over a restart',
    auth: 'admin',
    query: switchQuerySchema,
    answers: {
      200: json('The mode is in force', switchSchema),
      202: json('Accepted; auto is still proving a path', switchSchema),
    },
    problems: ['MODE_INVALID', 'REQUEST_INVALID', 'UNAUTHORIZED', 'MODE_IMPOSSIBLE', 'RATE_LIMITED'],
  }),
  getTransitions: defineRoute({
    method: 'GET',
    path: '/api/lattice/transitions',
    group: 'sync',
    summary: 'History of the sync mode',
    auth: 'open',
    answers: { 200: json('The last transitions, at most 1000', transitionsSchema) },
    problems: ['RATE_LIMITED'],
  }),
  exchange: defineRoute({
    method: 'POST',
    path: '/sync/v1',
    group: 'sync',
    summary:
      'Node-to-node frames, signed (RFC 9421, RFC 9530); trusted nodes only: docs/protocol.md, section 9',
    auth: 'open',
    bytes: ['', ';announce=1', ';hello=1'].map(suffix => `application/x-lattice-frame${suffix}`),
    answers: {
      200: text('A signed frame', 'application/x-lattice-frame'),
      204: nothing('What was only to be told (announce=1, hello=1) has come; signed, too'),
    },
    problems: [
      'REQUEST_INVALID',
      'PEER_MALFORMED',
      'SIGNATURE_INVALID',
      'NOT_TRUSTED',
      'REPLAYED',
      'CLOCK_SKEWED',
      'PEER_MISMATCH',
      'BODY_TOO_LARGE',
      'MEDIA_TYPE_UNSUPPORTED',
      'NOT_READY',
      'OVERLOADED',
      'STORE_SUSPECT',
    ],
    // To the peer it is the request that is wrong, where a caller of this node is told that a peer is.
    statuses: { PEER_MALFORMED: 400, PEER_MISMATCH: 421 },
  }),
} as const

/** Every REST call, by name. */
export const routes = {
  ...stateRoutes,
  ...syncRoutes,
  ...healthRoutes,
  ...nodeRoutes,
} as const satisfies Record<string, Route>

/** The table's type. */
export type Routes = typeof routes

/** Name of a route. */
export type RouteName = keyof Routes

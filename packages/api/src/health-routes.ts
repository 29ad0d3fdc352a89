/** Rows of the route table on the node itself: how it is, how it was, and how people find their way. */
import { z } from 'zod'
import { json, text } from './route-answers.ts'
import { defineRoute } from './route.ts'
import {
  healthReportSchema,
  healthSchema,
  integritySchema,
  rootAnswerSchema,
  statusSchema,
} from './schemas/health.ts'
import { historyQuerySchema, historySchema } from './schemas/history.ts'

const anyTexts = z.union([z.string(), z.array(z.string())]).optional()

/** Probes may append anything; only these two mean something. */
const checkQuerySchema = z.object({
  verbose: anyTexts.describe('lists the checks'),
  exclude: anyTexts.describe('checks to leave out'),
})

/** Health, metrics and history. */
export const healthRoutes = {
  getHealth: defineRoute({
    method: 'GET',
    path: '/health',
    group: 'health',
    summary: 'The verdict in one word',
    auth: 'open',
    answers: { 200: json('healthy or degraded', healthSchema), 503: json('unhealthy', healthSchema) },
    problems: [],
  }),
  getHealthReport: defineRoute({
    method: 'GET',
    path: '/api/lattice/health',
    group: 'health',
    summary: 'Health of every component, with reasons and figures',
    auth: 'open',
    answers: {
      200: json('healthy or degraded', healthReportSchema),
      503: json('unhealthy', healthReportSchema),
    },
    problems: ['RATE_LIMITED'],
  }),
  getLiveness: defineRoute({
    method: 'GET',
    path: '/livez',
    group: 'health',
    summary: 'Whether the process answers',
    auth: 'open',
    query: checkQuerySchema,
    answers: { 200: text('alive', 'text/plain') },
    problems: ['REQUEST_INVALID'],
  }),
  getReadiness: defineRoute({
    method: 'GET',
    path: '/readyz',
    group: 'health',
    summary: 'Whether to send requests here: store open, a transport usable, not stopping',
    auth: 'open',
    query: checkQuerySchema,
    answers: { 200: text('ready', 'text/plain'), 503: text('not ready', 'text/plain') },
    problems: ['REQUEST_INVALID'],
  }),
  getStatus: defineRoute({
    method: 'GET',
    path: '/api/status',
    group: 'health',
    summary: 'Settings at a glance',
    auth: 'open',
    answers: { 200: json('The status', statusSchema) },
    problems: ['RATE_LIMITED'],
  }),
  getIntegrity: defineRoute({
    method: 'GET',
    path: '/api/persistence/integrity',
    group: 'health',
    summary: 'Result and age of the last re-hash of the store',
    auth: 'open',
    answers: { 200: json('The last result', integritySchema) },
    problems: ['RATE_LIMITED'],
  }),
  getMetrics: defineRoute({
    method: 'GET',
    path: '/metrics',
    group: 'health',
    summary: 'Prometheus text, or OpenMetrics by Accept',
    auth: 'open',
    answers: { 200: { ...text('The metrics', 'text/plain'), onWish: 'application/openmetrics-text' } },
    problems: [],
  }),
  getHistory: defineRoute({
    method: 'GET',
    path: '/api/lattice/metrics/history',
    group: 'health',
    summary: 'Built-in history: up to 400 days of mode, lag, latency, writes, errors, keys, availability',
    auth: 'open',
    query: historyQuerySchema,
    answers: { 200: json('The points', historySchema) },
    problems: ['REQUEST_INVALID', 'RATE_LIMITED', 'OVERLOADED', 'STORE_UNAVAILABLE'],
  }),
} as const

/** The ways in: pages and descriptions. */
export const nodeRoutes = {
  getRoot: defineRoute({
    method: 'GET',
    path: '/',
    group: 'node',
    summary: 'The dashboard to a browser, a table of contents to anything else',
    auth: 'open',
    answers: { 200: { ...json('Name, version, endpoints', rootAnswerSchema), onWish: 'text/html' } },
    problems: [],
  }),
  getOpenapi: defineRoute({
    method: 'GET',
    path: '/openapi.json',
    group: 'node',
    summary: 'This contract as OpenAPI 3.1',
    auth: 'open',
    answers: { 200: json('OpenAPI 3.1', z.record(z.string(), z.unknown())) },
    problems: [],
  }),
  getDocs: defineRoute({
    method: 'GET',
    path: '/docs',
    group: 'node',
    summary: 'This contract as a page',
    auth: 'open',
    answers: { 200: text('HTML', 'text/html') },
    problems: [],
  }),
  getStatusPage: defineRoute({
    method: 'GET',
    path: '/status',
    group: 'node',
    summary: 'A page for the public: verdict, nodes, the last 90 days. Off unless the operator wants it',
    auth: 'open',
    answers: { 200: text('HTML', 'text/html') },
    problems: ['NOT_FOUND', 'RATE_LIMITED'],
  }),
} as const

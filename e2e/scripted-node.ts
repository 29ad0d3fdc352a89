/**
 * A node that says what a test tells it to: the REST contract on a real port, every answer held against the
 * same schemas that the daemon's answers have, and the built dashboard at `/`.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { routes } from '@lattice/api'
import type { RouteResult, Routes } from '@lattice/api'
import { scriptedSeries } from './scripted-history.ts'

/** Everything the dashboard asks for. */
export interface Answers {
  readonly status: RouteResult<Routes['getP2pStatus']>
  readonly peers: RouteResult<Routes['getPeers']>['peers']
  readonly health: RouteResult<Routes['getHealthReport']>
  readonly transitions: RouteResult<Routes['getTransitions']>['transitions']
  readonly state: Readonly<Record<string, unknown>>
  /** None where left out: then no other node could be asked. */
  readonly links?: RouteResult<Routes['getLinks']>['rows']
}

/** The built page. */
export const dashboardBuild = join(import.meta.dirname, '../packages/dashboard/dist/page')

const policy =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'"

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** A scripted node between `listen` and `close`. */
export class ScriptedNode {
  answers: Answers
  /** When set, API calls get this status and no proper answer. */
  outage: number | undefined
  readonly #streams = new Set<ServerResponse>()
  readonly #server: Server

  constructor(answers: Answers) {
    this.answers = answers
    this.#server = createServer((request, response) => this.#serve(request, response))
  }

  /** Starts on a free port of 127.0.0.1; its origin. */
  async listen(): Promise<string> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Changes what the node says and tells those who listen. */
  say(answers: Answers): void {
    this.answers = answers
    for (const stream of this.#streams) stream.write('event: peer\ndata: {}\n\n')
  }

  /** Ends all connections and the server. */
  async close(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://node')
    if (url.pathname === routes.getEvents.path) return this.#stream(response)
    if (!url.pathname.startsWith('/api/')) return serveFile(url.pathname, response)
    if (this.outage !== undefined) return void response.writeHead(this.outage).end('out of order')
    const answer = this.#answer(url)
    if (answer === undefined) return void response.writeHead(404).end()
    response.writeHead(200, { 'Content-Type': 'application/json' })
    return void response.end(JSON.stringify(answer))
  }

  #answer(url: URL): unknown {
    const { status, peers, health, transitions, state } = this.answers
    switch (url.pathname) {
      case routes.getP2pStatus.path:
        return routes.getP2pStatus.answers[200].schema.parse(status)
      case routes.getPeers.path:
        return routes.getPeers.answers[200].schema.parse({ success: true, peers, count: peers.length })
      case routes.getHealthReport.path:
        return routes.getHealthReport.answers[200].schema.parse(health)
      case routes.getTransitions.path:
        return routes.getTransitions.answers[200].schema.parse({
          success: true,
          transitions,
          count: transitions.length,
        })
      case routes.getLinks.path:
        return routes.getLinks.answers[200].schema.parse({
          success: true,
          asked_at: new Date().toISOString(),
          node_id: 'ab'.repeat(32),
          rows: this.answers.links ?? [],
        })
      case routes.getHistory.path:
        return historyAnswer(url.searchParams)
      case routes.getState.path:
        return this.#state(url.searchParams, state)
      default:
        return undefined
    }
  }

  #state(query: URLSearchParams, state: Readonly<Record<string, unknown>>): unknown {
    const key = query.get('key')
    const common = { success: true, merkle_root: this.answers.status.merkle_root }
    if (key !== null) {
      const reading = {
        ...common,
        key,
        value: state[key],
        version: '018f00000000000a',
        author: 'ab'.repeat(32),
      }
      return routes.getKey.answers[200].schema.parse({ ...reading, type: 'register' })
    }
    const keys = Object.keys(state).filter(each => each.startsWith(query.get('prefix') ?? ''))
    const from = Number(query.get('cursor') ?? 0)
    const to = from + Number(query.get('limit') ?? keys.length)
    const shown = keys.slice(from, to)
    return routes.getState.answers[200].schema.parse({
      ...common,
      state: Object.fromEntries(shown.map(each => [each, state[each]])),
      state_size: shown.length,
      entry_count: Object.keys(state).length,
      timestamp: 1,
      signature: '0'.repeat(128),
      public_key: 'ab'.repeat(32),
      signed: true,
      next_cursor: to < keys.length ? String(to) : null,
    })
  }

  #stream(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write('retry: 1000\n\n')
    this.#streams.add(response)
    response.on('close', () => this.#streams.delete(response))
  }
}

function historyAnswer(query: URLSearchParams): unknown {
  const { series, from = 0, to = 0, step = 0 } = routes.getHistory.query.parse(Object.fromEntries(query))
  const all = scriptedSeries(from / 1000, to / 1000, step / 1000)
  return routes.getHistory.answers[200].schema.parse({
    success: true,
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    step_seconds: step / 1000,
    series: all.filter(each => series.includes(each.series)),
  })
}

function serveFile(pathname: string, response: ServerResponse): void {
  const name = pathname === '/' ? 'index.html' : /^\/(assets\/[\w.-]+)$/.exec(pathname)?.[1]
  if (name === undefined) return void response.writeHead(404).end()
  const headers = { 'Content-Type': types[extname(name)] ?? 'text/plain', 'Content-Security-Policy': policy }
  return void response.writeHead(200, headers).end(readFileSync(join(dashboardBuild, name)))
}

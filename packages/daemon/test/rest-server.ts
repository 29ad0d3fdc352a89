/** A server that answers each REST call with what a test put in, in the shapes of the route table. */
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'

import { routes } from '@lattice/api'
import type { Client, RouteAnswer, RouteName } from '@lattice/api'

import { healthy } from './rest-answers.ts'
import type { Answers } from './rest-answers.ts'

/** One call as it came. */
export interface Call {
  readonly name: string
  readonly url: string
  readonly token: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
}

/** A server; tests write into `answers` and `problems`. */
export interface RestServer {
  readonly url: string
  readonly answers: Answers
  readonly problems: Partial<Record<RouteName, { status: number; code: string }>>
  readonly calls: readonly Call[]
  close(): Promise<void>
}

/** Starts one that says that all is well. */
export async function startRestServer(): Promise<RestServer> {
  const calls: Call[] = []
  const problems: RestServer['problems'] = {}
  const server = createServer(
    (request, response) =>
      void answer(request).then(({ status, type, body }) => {
        response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body))
      }),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  const answers = healthy(url)
  async function answer(request: IncomingMessage): Promise<{ status: number; type: string; body: unknown }> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString('utf8')
    const { pathname } = new URL(request.url ?? '/', url)
    const found = Object.entries(routes).find(([, route]) => {
      const pattern = new RegExp(`^${route.path.replace(/\{\w+\}/g, '[^/]+')}$`)
      return route.method === request.method && pattern.test(pathname)
    })
    const name = (found?.[0] ?? 'none') as Exclude<keyof Client, 'events' | 'exportLines'>
    const token = request.headers['x-lattice-token']
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    calls.push({ name, url: request.url ?? '', token: String(token ?? ''), headers: request.headers, body })
    const problem = problems[name]
    if (problem !== undefined) {
      const detail = {
        title: 'x',
        detail: `told ${problem.code}`,
        code: problem.code,
        hint: 'do it',
        success: false,
      }
      return {
        status: problem.status,
        type: 'application/problem+json',
        body: { ...detail, status: problem.status },
      }
    }
    const shape = Object.values<RouteAnswer>(found?.[1].answers ?? {})[0]
    // An answer that a real daemon could not give would prove nothing.
    if (shape !== undefined && 'schema' in shape) shape.schema.parse(answers[name])
    return { status: 200, type: 'application/json', body: answers[name] }
  }
  return {
    url,
    answers,
    problems,
    calls,
    close: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/**
 * `POST /sync/v1`: hands the untouched bytes of a signed frame to the HTTP lung and sends back what it answers.
 */
import { routes } from '@lattice/api'
import { frameBytesMax } from '@lattice/core'
import type { Express } from 'express'
import { passOver, readBody, refuseUnreadable } from './body.ts'
import type { SyncHandler } from './options.ts'
import { HttpProblem } from './problems.ts'

/** Adds the exchange. Mounted first: its answers carry no header that the frame budget does not know. */
export function mountPeerSync(app: Express, handler: SyncHandler | undefined): void {
  app.post(routes.exchange.path, async (request, response) => {
    response.locals['route'] = routes.exchange.path
    if (handler === undefined) throw new HttpProblem('NOT_READY', 'this node takes no sync over HTTP')
    refuseUnreadable(request, frameBytesMax)
    const gone = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished) gone.abort()
    })
    const [path = '', ...query] = request.originalUrl.split('?')
    const answer = await handler.handle({
      method: request.method,
      path,
      query: query.length === 0 ? '' : `?${query.join('?')}`,
      headers: request.headers,
      body: () => readBody(request, frameBytesMax),
      signal: gone.signal,
    })
    // On a kept connection Node does so behind the answer.
    if (!response.shouldKeepAlive) await passOver(request)
    if (response.destroyed) return
    response.status(answer.status).set({ ...answer.headers })
    response.end(answer.body)
  })
}

/**
 * Headers that every answer carries unless it says otherwise, added when its head is written.
 *
 * A dozen headers set one by one for each request, to be looked up and copied again at the end, cost a tenth
 * of a small request. Express gives every response of an app one prototype, which is where they come in.
 */
import { IncomingMessage, ServerResponse, type OutgoingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import type { Express, RequestHandler, Response } from 'express'

/** Name in lower case, and value. */
type Header = readonly [name: string, value: string]

/** The mark on answers that carry them. */
const mark = 'standingHeaders'

/** What a middleware sets on any answer, as long as it does not look at the request. */
export function headersOf(middleware: RequestHandler): Header[] {
  const request = new IncomingMessage(new Socket())
  const response = new ServerResponse(request)
  void middleware(request as never, response as never, () => undefined)
  return response.getHeaderNames().map(name => [name, String(response.getHeader(name))])
}

/** Teaches the answers of `app` those headers; mount what comes back before the routes that shall have them. */
export function createStandingHeaders(app: Express, standing: readonly Header[]): RequestHandler {
  Object.assign(app.response, {
    writeHead(this: Response, status: number, given: Readonly<Record<string, string>> = {}): Response {
      if (this.locals[mark] !== true) return write(this, status, given)
      // With headers set before, Node merges; without any it takes a list as it is.
      if (this.getHeaderNames().length === 0) return write(this, status, listOf(standing, given))
      for (const [name, value] of standing) if (!this.hasHeader(name)) this.setHeader(name, value)
      return write(this, status, given)
    },
  })
  return (_request, response, next) => {
    response.locals[mark] = true
    next()
  }
}

/** What Node does by itself. */
function write(response: Response, status: number, headers: OutgoingHttpHeaders | string[]): Response {
  ServerResponse.prototype.writeHead.call(response, status, headers)
  return response
}

/** Names and values by turns; what is given stands for what is standing. */
function listOf(standing: readonly Header[], given: Readonly<Record<string, string>>): string[] {
  const list: string[] = []
  const names = Object.keys(given)
  for (const [name, value] of standing)
    if (!names.some(other => other.length === name.length && other.toLowerCase() === name))
      list.push(name, value)
  for (const name of names) list.push(name, given[name] as string)
  return list
}

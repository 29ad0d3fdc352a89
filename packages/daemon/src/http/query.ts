/** Queries of requests. What does not decode is refused: replaced, it would name another key. */
import { parse, type ParsedUrlQuery } from 'node:querystring'
import { HttpProblem } from './problems.ts'

/** The fields of a query, without its `?`. @throws HttpProblem REQUEST_INVALID */
export function parseQuery(text: string | null | undefined): ParsedUrlQuery {
  for (const part of text?.split('&') ?? []) {
    const [name = ''] = part.split('=')
    if (decodes(part)) continue
    const message = 'bytes that are no percent-encoded UTF-8'
    throw new HttpProblem('REQUEST_INVALID', `${name}: ${message}`, { fields: [{ field: name, message }] })
  }
  return parse(text ?? '')
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

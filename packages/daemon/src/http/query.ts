/** Queries of requests. What does not decode is refused: replaced, it would name another key. */
import { parse, type ParsedUrlQuery } from 'node:querystring'
import { invalid } from './problems.ts'

/** The fields of a query, without its `?`. @throws HttpProblem REQUEST_INVALID */
export function parseQuery(text: string | null | undefined): ParsedUrlQuery {
  for (const part of text?.split('&') ?? []) {
    const [name = ''] = part.split('=')
    if (!decodes(part)) throw invalid(name, 'bytes that are no percent-encoded UTF-8')
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

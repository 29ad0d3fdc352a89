/**
 * Reading server-sent events (WHATWG HTML §9.2.6) from a byte stream: fields, joined data lines, ids.
 */
import { readLines } from './lines.ts'

/** One event as read from the stream. */
export interface ServerEvent {
  readonly id: string
  readonly event: string
  readonly data: string
}

/**
 * A line longer than this is no event of ours: ends a hostile or mistaken stream before it fills the memory.
 */
const lineCharsMax = 1 << 20

/** Reads events until the stream ends. Comments and empty events are skipped. */
export async function* readServerEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  let id = ''
  let event = ''
  let data: string[] = []
  for await (const ended of readLines(body, lineCharsMax)) {
    const line = ended.endsWith('\r') ? ended.slice(0, -1) : ended
    if (line === '') {
      if (data.length > 0) yield { id, event: event || 'message', data: data.join('\n') }
      event = ''
      data = []
      continue
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'id') id = value
    else if (field === 'event') event = value
    else if (field === 'data') data.push(value)
  }
}

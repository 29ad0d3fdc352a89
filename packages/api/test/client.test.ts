/** The client calls rows of the table, says precisely what went wrong, and never alters a key. */
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  createClient,
  createOpenapiDocument,
  formatDuration,
  parseDuration,
  routes,
  routeUrl,
} from '@lattice/api'
import type { Route } from '@lattice/api'

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
  server = undefined
})

interface Seen {
  method: string
  url: string
  headers: Record<string, unknown>
  body: string
}

interface Reply {
  readonly status: number
  readonly type?: string
  readonly body: string
  readonly headers?: Record<string, string>
}

async function serve(reply: Reply): Promise<{ baseUrl: string; seen: Seen[] }> {
  const seen: Seen[] = []
  server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
      response.writeHead(reply.status, { 'content-type': reply.type ?? 'application/json', ...reply.headers })
      response.end(reply.body)
    })
  })
  await new Promise<void>(resolve => server?.listen(0, '127.0.0.1', resolve))
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, seen }
}

describe('paths', () => {
  it('every key survives the way into a URL and back', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.constantFrom('.', '..', '', 'a/b', '$&', '😀', '?key=x', '%2e%2e'),
          fc.string({ unit: 'binary' }).filter(text => text.isWellFormed()),
        ),
        key => {
          // The URL parser is what drops `.` and `..`; it must not change what the client made.
          const url = new URL(`http://h${routeUrl(routes.getKey, { params: { key } })}`)
          const inPath = url.pathname.split('/')[4]
          expect(url.pathname.split('/').length).toBeLessThanOrEqual(5)
          expect(inPath === undefined ? url.searchParams.get('key') : decodeURIComponent(inPath)).toBe(key)
        },
      ),
    )
  })

  it('text that is no Unicode is refused before it is sent', () => {
    expect(() => routeUrl(routes.getKey, { params: { key: '\ud800' } })).toThrow('lone surrogate')
  })

  it('queries leave out what is undefined', () => {
    expect(routeUrl(routes.switchMode, { query: { mode: 'http', for: undefined, reason: 'a b&c' } })).toBe(
      '/api/lattice/sync/switch?mode=http&reason=a+b%26c',
    )
  })
})

describe('a call', () => {
  it.each([Number.POSITIVE_INFINITY, Number.NaN])(
    'with %p, of which JSON would make null, is not sent',
    async n => {
      const { baseUrl, seen } = await serve({ status: 200, body: '{"success":true}' })
      const client = createClient({ baseUrl })
      const put = client.putKey({ params: { key: 'k' }, body: n })
      await expect(put).rejects.toMatchObject({
        code: 'REQUEST_INVALID',
        message: expect.stringContaining(String(n)),
      })
      const operations = [{ op: 'put' as const, key: 'k', value: { balance: n } }]
      await expect(client.transact({ body: { operations } })).rejects.toThrow('balance is')
      expect(seen).toEqual([])
    },
  )

  it('carries token, conditions, idempotency key and body', async () => {
    const { baseUrl, seen } = await serve({ status: 200, body: '{"success":true}' })
    const client = createClient({ baseUrl, token: 't0ken', headers: { authorization: 'Bearer hf' } })
    const input = { params: { key: 'a/b' }, body: { n: 1 }, ifMatch: '00000000000000ff', idempotencyKey: 'i' }
    await client.putKey(input)
    expect(seen[0]).toMatchObject({ method: 'PUT', url: '/api/lattice/state/a%2Fb', body: '{"n":1}' })
    expect(seen[0]?.headers).toMatchObject({
      'x-lattice-token': 't0ken',
      authorization: 'Bearer hf',
      'if-match': '"00000000000000ff"',
      'idempotency-key': 'i',
      'content-type': 'application/json',
    })
  })

  it('sends no body and no content type where the row has none', async () => {
    const { baseUrl, seen } = await serve({ status: 200, body: '{"success":true}' })
    await createClient({ baseUrl }).switchMode({ query: { mode: 'p2p' } })
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/api/lattice/sync/switch?mode=p2p', body: '' })
    expect(seen[0]?.headers['content-type']).toBeUndefined()
  })

  it('resolves a declared answer that is no success: unhealthy is an answer', async () => {
    const { baseUrl } = await serve({ status: 503, body: '{"status":"unhealthy"}' })
    expect(await createClient({ baseUrl }).getHealth()).toEqual({ status: 'unhealthy' })
  })

  it('rejects a problem with code, hint, status, fields and wait', async () => {
    const errors = [{ field: 'mode', message: 'x' }]
    const problem = { code: 'RATE_LIMITED', detail: 'slow down', hint: 'wait', success: false, errors }
    const { baseUrl } = await serve({
      status: 429,
      type: 'application/problem+json',
      body: JSON.stringify(problem),
      headers: { 'retry-after': '7' },
    })
    await expect(createClient({ baseUrl }).getPeers()).rejects.toMatchObject({
      name: 'ApiError',
      code: 'RATE_LIMITED',
      message: 'slow down',
      hint: 'wait',
      status: 429,
      retryAfter: 7,
      errors,
    })
  })

  it.each([
    ['a page of a proxy', { status: 502, type: 'text/html', body: '<h1>Bad gateway</h1>' }, 502],
    ['success that is no JSON', { status: 200, body: '<html>' }, 200],
    ['a malformed problem', { status: 500, type: 'application/problem+json', body: 'oops' }, 500],
    ['a status of no row', { status: 418, body: '{}' }, 418],
  ] as [string, Reply, number][])('%s is UNEXPECTED_ANSWER', async (_name, reply, status) => {
    const { baseUrl } = await serve(reply)
    await expect(createClient({ baseUrl }).getPeers()).rejects.toMatchObject({
      code: 'UNEXPECTED_ANSWER',
      status,
    })
  })

  it('nobody there is UNREACHABLE with the cause', async () => {
    const { baseUrl } = await serve({ status: 200, body: '{}' })
    await new Promise(resolve => server?.close(resolve))
    const failed = createClient({ baseUrl }).getHealth()
    await expect(failed).rejects.toMatchObject({ code: 'UNREACHABLE', status: 0 })
    await expect(failed).rejects.toThrow('ECONNREFUSED')
  })

  it('silence is TIMEOUT, a cancelled call ABORTED', async () => {
    server = createServer(() => undefined)
    await new Promise<void>(resolve => server?.listen(0, '127.0.0.1', resolve))
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await expect(createClient({ baseUrl, timeoutMs: 20 }).getHealth()).rejects.toMatchObject({
      code: 'TIMEOUT',
    })
    const stop = new AbortController()
    const call = createClient({ baseUrl }).getHealth({ signal: stop.signal })
    stop.abort()
    await expect(call).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('does not follow redirects, which could carry the token away', async () => {
    const { baseUrl } = await serve({ status: 302, body: '', headers: { location: 'http://127.0.0.1:1/' } })
    await expect(createClient({ baseUrl, token: 'x' }).getHealth()).rejects.toMatchObject({
      code: 'UNREACHABLE',
    })
  })
})

describe('the event stream', () => {
  it('is read as the standard says: joined lines, comments, CRLF, ids kept, chunks anywhere', async () => {
    const body =
      ': hi\r\n\r\nid: 1\nevent: change\ndata: {"a":\ndata:1}\n\nid: 2\n\ndata: ü\n\nevent: lost\ndata: cut'
    server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const byte of Buffer.from(body)) response.write(new Uint8Array([byte]))
      response.end()
    })
    await new Promise<void>(resolve => server?.listen(0, '127.0.0.1', resolve))
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const events = []
    for await (const event of createClient({ baseUrl }).events()) events.push(event)
    expect(events).toEqual([
      { id: '1', event: 'change', data: '{"a":\n1}' },
      { id: '2', event: 'message', data: 'ü' },
    ])
  })

  it('rejects a refusal like any call', async () => {
    const { baseUrl } = await serve({ status: 503, type: 'text/plain', body: 'no' })
    await expect(createClient({ baseUrl }).events().next()).rejects.toMatchObject({
      code: 'UNEXPECTED_ANSWER',
    })
  })
})

describe('an export', () => {
  const linesAt = async (baseUrl: string): Promise<string[]> => {
    const lines = []
    for await (const line of createClient({ baseUrl }).exportLines()) lines.push(line)
    return lines
  }

  it('is read line by line, also where the whole is longer than a text can be', async () => {
    const line = `${'x'.repeat(2 ** 26)}\n`
    server = createServer((_request, response) => {
      const long = Readable.from(Array.from({ length: 9 }, () => line))
      long.pipe(response)
    })
    await new Promise<void>(resolve => server?.listen(0, '127.0.0.1', resolve))
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const lengths = []
    for await (const each of createClient({ baseUrl }).exportLines()) lengths.push(each.length)
    expect(lengths).toEqual(Array.from({ length: 9 }, () => 2 ** 26))
  }, 60_000)

  it.each([
    ['', []],
    ['a\n\u00fc\n', ['a', '\u00fc']],
    ['a\nb', ['a', 'b']],
  ])('%j has the lines %j', async (body, lines) => {
    const { baseUrl } = await serve({ status: 200, type: 'application/jsonl', body })
    expect(await linesAt(baseUrl)).toEqual(lines)
  })

  it('that breaks off is an error, never a shorter one', async () => {
    server = createServer((_request, response) => {
      response.write('{"key":"a","type":"register","value":1}\n')
      setImmediate(() => response.destroy())
    })
    await new Promise<void>(resolve => server?.listen(0, '127.0.0.1', resolve))
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await expect(linesAt(baseUrl)).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })
})

describe('durations', () => {
  it.each([
    ['5', 5000],
    ['5s', 5000],
    ['500ms', 500],
    ['2m', 120_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['0.5s', 500],
    ['0', 0],
    [' 5s ', 5000],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms))

  it.each(['', 's', '-1', '5 s', '1e3', '5S', '5w', 'NaN', '999999999999999d', '5s5'])('%j is none', text =>
    expect(parseDuration(text)).toBeUndefined(),
  )

  it('what is written is read back', () => {
    fc.assert(fc.property(fc.nat(), ms => expect(parseDuration(formatDuration(ms))).toBe(ms)))
  })
})

describe('OpenAPI', () => {
  const document = createOpenapiDocument({ version: '1.2.3' })
  const operations = Object.entries(
    document['paths'] as Record<string, Record<string, Record<string, unknown>>>,
  ).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )

  it('describes each row once: unique ids, all path parameters, security on admin rows only', () => {
    expect(operations).toHaveLength(Object.keys(routes).length)
    for (const { path, operation } of operations) {
      const row = routes[operation['operationId'] as keyof typeof routes] as Route
      expect(row.path).toBe(path)
      expect('security' in operation).toBe(row.auth === 'admin')
      const parameters = operation['parameters'] as { name: string; in: string; required: boolean }[]
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1])
      expect(parameters.filter(one => one.in === 'path').map(one => one.name)).toEqual(inPath)
    }
  })

  it('resolves every reference within itself', () => {
    const components = document['components'] as { schemas: Record<string, unknown> }
    for (const [, name] of JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)) {
      const local = /^#\/components\/schemas\/(\w+)$/.exec(name ?? '')?.[1] ?? ''
      expect(components.schemas).toHaveProperty([local])
    }
  })
})

/** Who may write: exactly those the contract names. */
import { createServer, request as ask, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { isExempt } from '../src/http/auth.ts'
import { callerAddress, isLoopbackHost } from '../src/http/caller.ts'
import { jsonBody, startWorld, token } from './http-world.ts'
import type { Answer, World, WorldOptions } from './http-world.ts'

let world: World | undefined
afterEach(() => world?.close())

const start = async (config: NonNullable<WorldOptions['config']> = {}): Promise<World> =>
  (world = await startWorld({ config }))
const put = (at: World, headers: Record<string, string> = {}): Promise<Answer> =>
  at.ask('/api/lattice/state/k', jsonBody(1, headers))

describe('a loopback caller of a loopback listener', () => {
  it.each([
    ['says nothing else', {}, 200],
    ['names localhost', { host: 'localhost:8000' }, 200],
    ['names IPv6 loopback', { host: '[::1]:8000' }, 200],
    ['names another host (DNS rebinding)', { host: 'evil.example' }, 401],
    ['names a host that begins like loopback', { host: '127.0.0.1.evil.example' }, 401],
    ['names a host with user info', { host: 'localhost@evil.example' }, 401],
    ['was forwarded (x-forwarded-for)', { 'x-forwarded-for': '127.0.0.1' }, 401],
    ['was forwarded (forwarded)', { forwarded: 'for=127.0.0.1' }, 401],
    ['was forwarded (via)', { via: '1.1 proxy' }, 401],
    ['was forwarded (x-real-ip)', { 'x-real-ip': '127.0.0.1' }, 401],
    ['was forwarded (x-forwarded-host)', { 'x-forwarded-host': 'localhost' }, 401],
    ['is a page of another site', { origin: 'https://evil.example' }, 401],
    ['is an opaque page', { origin: 'null' }, 401],
    ['is a cross-site form', { 'sec-fetch-site': 'cross-site' }, 401],
    ['is another port of this machine', { origin: 'http://localhost:3000', host: 'localhost:8000' }, 401],
    ['is its own page', { origin: 'http://localhost:8000', host: 'localhost:8000' }, 200],
  ] as [string, Record<string, string>, number][])('that %s', async (_name, headers, status) => {
    const at = await start()
    const answer = await put(at, headers)
    expect(answer.status).toBe(status)
    expect(at.node.read('k')?.value).toBe(status === 200 ? 1 : undefined)
    if (status === 401) {
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="lattice"')
      expect(answer.json).toMatchObject({ code: 'UNAUTHORIZED', success: false })
    }
  })

  it('is not exempt where it speaks like a proxy that was told nothing', async () => {
    const at = await start()
    const ask = (version: string): string =>
      `DELETE /api/lattice/state/k HTTP/${version}\r\nHost: 127.0.0.1:8000\r\nConnection: close\r\n\r\n`
    expect(await at.raw(ask('1.0'))).toMatch(/^HTTP\/1.1 401 /)
    expect(await at.raw(ask('1.1'))).toMatch(/^HTTP\/1.1 200 /)
  })

  it('is not exempt once the listener is open to others', async () => {
    const at = await start({ host: '0.0.0.0' })
    expect((await put(at)).status).toBe(401)
    expect((await at.ask('/api/lattice/sync/switch?mode=http', { method: 'POST' })).status).toBe(401)
    expect((await at.ask('/api/lattice/state/k', { method: 'DELETE' })).status).toBe(401)
    expect((await at.ask('/api/lattice/transactions', { ...jsonBody({}), method: 'POST' })).status).toBe(401)
    expect((await at.ask('/api/lattice/state')).status).toBe(200)
  })

  it('is judged by the socket, not by what it says', () => {
    const from = (remoteAddress: string) =>
      isExempt(
        { httpVersion: '1.1', headers: { host: 'localhost' }, socket: { remoteAddress } } as never,
        { host: '127.0.0.1' },
        new Set(),
      )
    expect([from('127.0.0.1'), from('::1'), from('::ffff:127.0.0.1'), from('10.0.0.1'), from('')]).toEqual([
      true,
      true,
      true,
      false,
      false,
    ])
  })
})

describe('the token', () => {
  const open = { host: '0.0.0.0' }
  it.each([
    ['as Bearer', { authorization: `Bearer ${token}` }, 200],
    ['as bearer', { authorization: `bearer ${token}` }, 200],
    ['as X-Lattice-Token', { 'x-lattice-token': token }, 200],
    ['beside a proxy token', { authorization: 'Bearer hf_other', 'x-lattice-token': token }, 200],
    ['as a second guess', { authorization: `Bearer ${token}`, 'x-lattice-token': 'a first guess' }, 401],
    ['wrong', { authorization: 'Bearer wrong' }, 401],
    ['a prefix', { 'x-lattice-token': token.slice(0, -1) }, 401],
    ['longer', { 'x-lattice-token': `${token}x` }, 401],
    ['empty', { 'x-lattice-token': '' }, 401],
    ['as Basic', { authorization: `Basic ${token}` }, 401],
    ['nowhere', {}, 401],
  ] as [string, Record<string, string>, number][])('%s', async (_name, headers, status) => {
    expect((await put(await start(open), headers)).status).toBe(status)
  })

  it('does not exist: nobody but exempt callers may write', async () => {
    world = await startWorld({ config: { host: '0.0.0.0', adminToken: undefined as never } })
    expect((await put(world, { 'x-lattice-token': 'undefined' })).status).toBe(401)
  })

  it('guessed five times a minute is 429 from then on; its holder still gets in', async () => {
    const at = await start(open)
    for (let guess = 0; guess < 5; guess += 1)
      expect((await put(at, { 'x-lattice-token': `no${guess}` })).status).toBe(401)
    const sixth = await put(at, { 'x-lattice-token': 'no6' })
    expect([sixth.status, sixth.json['code'], sixth.json['success']]).toEqual([429, 'RATE_LIMITED', false])
    expect(Number(sixth.headers['retry-after'])).toBeGreaterThan(0)
    expect(sixth.headers['ratelimit']).toContain('r=0')
    expect((await put(at)).status).toBe(401)
    expect((await put(at, { 'x-lattice-token': token })).status).toBe(200)
  })

  it('that could be guessed is not even compared then', async () => {
    const at = await start({ ...open, adminToken: 'short-token-1234' })
    expect((await put(at, { 'x-lattice-token': 'short-token-1234' })).status).toBe(200)
    for (let guess = 0; guess < 5; guess += 1) await put(at, { 'x-lattice-token': `no${guess}` })
    expect((await put(at, { 'x-lattice-token': 'short-token-1234' })).status).toBe(429)
  })

  it('that could be guessed is not told from others where nobody counts: reads are limited with it, too', async () => {
    const short = 'short-token-1234'
    const limitsOf = async (adminToken: string, sent: string): Promise<unknown> => {
      const config = { host: '0.0.0.0', trustedProxyHops: 1, adminToken }
      const at = (world = await startWorld({ requestsPerMinute: 2, config }))
      const headers = { 'x-forwarded-for': '203.0.113.9', 'x-lattice-token': sent }
      const answers = []
      for (let count = 0; count < 3; count += 1) answers.push(await at.ask('/api/lattice/nodes', { headers }))
      await at.close()
      return answers.map(({ status, headers: { ratelimit } }) => [status, ratelimit !== undefined])
    }
    const limited = [
      [200, true],
      [200, true],
      [429, true],
    ]
    expect(await limitsOf(short, 'wrong-token-1234')).toEqual(limited)
    expect(await limitsOf(short, short)).toEqual(limited)
    expect(await limitsOf(token, token)).toEqual(Array.from({ length: 3 }, () => [200, false]))
  })

  it('guessed in one breath is guessed five times, no more', async () => {
    const short = 'short-token-1234'
    const at = await start({ ...open, adminToken: short })
    const ask = (sent: string, last = ''): string =>
      `DELETE /api/lattice/state/k HTTP/1.1\r\nHost: x\r\nX-Lattice-Token: ${sent}\r\n${last}\r\n`
    const guesses = Array.from({ length: 20 }, (_, count) => ask(`wrong-${count}`))
    const text = await at.raw([...guesses, ask(short, 'Connection: close\r\n')].join(''))
    const statuses = [...text.matchAll(/HTTP\/1.1 (\d+) /g)].map(([, status]) => status)
    expect(statuses).toEqual([...Array<string>(5).fill('401'), ...Array<string>(16).fill('429')])
  })
})

describe('a proxy on this machine', () => {
  const short = 'short-token-1234'
  const proxies = new Set<Server>()
  afterEach(() => {
    for (const proxy of proxies) proxy.close().closeAllConnections()
    proxies.clear()
  })
  /** One that changes the header as `forwards` says; where it listens. */
  const startProxy = async (at: World, forwards: (said: string) => string): Promise<number> => {
    const proxy = createServer((request, response) => {
      const forwarded = forwards(String(request.headers['x-forwarded-for']))
      const headers = { ...request.headers, 'x-forwarded-for': forwarded }
      const onward = ask({ port: at.port, path: request.url, method: request.method, headers }, answer =>
        answer.pipe(response.writeHead(answer.statusCode ?? 0, answer.headers)),
      )
      request.pipe(onward)
    })
    proxies.add(proxy)
    await new Promise<void>(resolve => void proxy.listen(0, '127.0.0.1', resolve))
    return (proxy.address() as AddressInfo).port
  }
  /** What `count` guesses from forged addresses and then the right token get. */
  const guess = async (port: number, count: number): Promise<number[]> => {
    const statuses = []
    for (let number = 0; number <= count; number += 1) {
      const headers = {
        'x-forwarded-for': `198.51.100.${number}`,
        'x-lattice-token': number === count ? short : `wrong-token-${number}`,
      }
      const answer = await fetch(`http://127.0.0.1:${port}/api/lattice/state/k`, {
        method: 'DELETE',
        headers,
      })
      await answer.arrayBuffer()
      statuses.push(answer.status)
    }
    return statuses
  }

  it('that says whom it speaks for is believed, and what its caller says is not', async () => {
    const at = await start({ adminToken: short })
    const port = await startProxy(at, said => `${said}, 203.0.113.9`)
    expect(await guess(port, 6)).toEqual([401, 401, 401, 401, 401, 429, 429])
  })

  it('that passes on what its caller says lets nobody guess for ever', async () => {
    const at = await start({ adminToken: short })
    const statuses = await guess(await startProxy(at, said => said), 60)
    expect(statuses.filter(status => status === 401)).toHaveLength(50)
    expect(statuses.slice(50).every(status => status === 429)).toBe(true)
  })
})

describe('pages of other origins', () => {
  const origin = 'https://ops.example'
  const preflight = { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PUT' } }

  it('get no CORS header unless listed', async () => {
    const at = await start({ corsOrigins: ['https://other.example'] })
    const read = await at.ask('/health', { headers: { origin } })
    expect(read.headers['access-control-allow-origin']).toBeUndefined()
    expect(read.headers.vary).toContain('Origin')
    expect(
      (await at.ask('/api/lattice/state/k', preflight)).headers['access-control-allow-methods'],
    ).toBeUndefined()
  })

  it('are allowed by exact origin, never with credentials', async () => {
    const at = await start({ corsOrigins: [origin] })
    const asked = await at.ask('/api/lattice/state/k', preflight)
    expect(asked.status).toBe(204)
    expect(asked.headers).toMatchObject({ 'access-control-allow-origin': origin })
    expect(asked.headers['access-control-allow-headers']).toContain('X-Lattice-Token')
    expect(asked.headers['access-control-allow-credentials']).toBeUndefined()
    const near = await at.ask('/health', { headers: { origin: 'https://ops.example.evil' } })
    expect(near.headers['access-control-allow-origin']).toBeUndefined()
    expect((await put(at, { origin })).status).toBe(200)
  })

  it('under * may read, and are exempt from nothing', async () => {
    const at = await start({ corsOrigins: ['*'] })
    expect((await at.ask('/health', { headers: { origin } })).headers['access-control-allow-origin']).toBe(
      '*',
    )
    expect((await put(at, { origin })).status).toBe(401)
  })
})

it('requests beyond the limit of one address are 429 with RateLimit and Retry-After; probes are spared', async () => {
  world = await startWorld({ requestsPerMinute: 3, config: { host: '0.0.0.0', trustedProxyHops: 1 } })
  const from = (ip: string, path = '/api/lattice/nodes') =>
    world?.ask(path, { headers: { 'x-forwarded-for': ip } })
  for (let count = 0; count < 3; count += 1) expect((await from('203.0.113.9'))?.status).toBe(200)
  const refused = await from('203.0.113.9')
  expect([refused?.status, refused?.json['code']]).toEqual([429, 'RATE_LIMITED'])
  expect(refused?.headers['retry-after']).toMatch(/^\d+$/)
  expect(refused?.headers['ratelimit-policy']).toContain('q=3')
  expect((await from('203.0.113.10'))?.status).toBe(200)
  for (const path of ['/health', '/livez', '/readyz'])
    expect((await from('203.0.113.9', path))?.status).toBe(200)
})

it('whom a proxy on this machine speaks for is limited, and whoever is on it himself is not', async () => {
  world = await startWorld({ requestsPerMinute: 2 })
  const statusFrom = async (headers: Record<string, string>): Promise<number[]> => {
    const statuses = []
    for (let count = 0; count < 3; count += 1)
      statuses.push((await world?.ask('/api/lattice/nodes', { headers }))?.status ?? 0)
    return statuses
  }
  expect(await statusFrom({ 'x-forwarded-for': '203.0.113.9' })).toEqual([200, 200, 429])
  expect(await statusFrom({ 'x-forwarded-for': '203.0.113.10' })).toEqual([200, 200, 429])
  expect(await statusFrom({})).toEqual([200, 200, 200])
})

it('every answer carries the security headers, with who may embed as configured', async () => {
  const at = await start({ frameAncestors: ["'self'", 'https://huggingface.co'] })
  for (const path of ['/', '/docs', '/nothing', '/api/lattice/state']) {
    const { headers } = await at.ask(path)
    expect(headers['content-security-policy']).toContain("default-src 'self'")
    expect(headers['content-security-policy']).toContain("frame-ancestors 'self' https://huggingface.co")
    expect(headers['content-security-policy']).not.toContain('upgrade-insecure-requests')
    expect(headers['content-security-policy']).not.toContain('unsafe')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['x-powered-by']).toBeUndefined()
    expect(headers['x-frame-options']).toBeUndefined()
  }
})

it('loopback is 127.0.0.0/8, ::1 and localhost, and nothing that looks like them', () => {
  for (const yes of ['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'LOCALHOST', '::ffff:127.0.0.1']) {
    expect([yes, isLoopbackHost(yes)]).toEqual([yes, true])
  }
  for (const no of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '127.evil.example',
    'localhost.evil.example',
    '',
    '1270.0.0.1',
  ]) {
    expect([no, isLoopbackHost(no)]).toEqual([no, false])
  }
})

describe('the address of a caller', () => {
  it.each([
    [0, '127.0.0.1', undefined, '127.0.0.1'],
    [0, '127.0.0.1', '192.0.2.1', '192.0.2.1'],
    [0, '::ffff:127.0.0.1', 'forged, 192.0.2.1', '192.0.2.1'],
    [0, '::1', '192.0.2.1, 127.0.0.1', '192.0.2.1'],
    [0, '127.0.0.1', '127.0.0.1', '127.0.0.1'],
    [0, '127.0.0.1', '192.0.2.1, nonsense', '127.0.0.1'],
    [0, '198.51.100.7', '192.0.2.1', '198.51.100.7'],
    [1, '198.51.100.7', undefined, '198.51.100.7'],
    [1, '198.51.100.7', '192.0.2.1', '192.0.2.1'],
    [1, '198.51.100.7', 'forged, 192.0.2.1', '192.0.2.1'],
    [1, '198.51.100.7', 'nonsense', '198.51.100.7'],
    [2, '198.51.100.7', '192.0.2.1', '192.0.2.1'],
    [2, '198.51.100.7', 'forged, 192.0.2.1, 192.0.2.2', '192.0.2.1'],
  ])('behind %d proxies, connected as %s with %s, is %s', (hops, remoteAddress, header, address) => {
    const request = { socket: { remoteAddress }, headers: { 'x-forwarded-for': header } }
    expect(callerAddress(request as unknown as IncomingMessage, hops)).toBe(address)
  })
})

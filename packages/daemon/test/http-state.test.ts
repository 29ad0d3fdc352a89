/** What is written over REST is read back, whole or not at all, whatever the key and the value are called. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { ApiError, createClient } from '@lattice/api'
import type { Client } from '@lattice/api'
import { LatticeError } from '@lattice/core'
import type { JsonValue } from '@lattice/core'
import fc from 'fast-check'
import { jsonBody, startWorld } from './http-world.ts'
import type { World } from './http-world.ts'

let world: World
let client: Client
beforeEach(async () => {
  world = await startWorld()
  client = createClient({ baseUrl: world.url })
})
afterEach(() => world.close())

const seed = process.env['FC_SEED'] === undefined ? {} : { seed: Number(process.env['FC_SEED']) }

const oddKeys = [
  'a/b',
  '.',
  '..',
  '😀',
  '__proto__',
  'constructor',
  ' ',
  '%2F',
  'a?b#c',
  '+',
  '%',
  'ä',
  '~',
  "'",
]
const key = fc.oneof(
  fc.constantFrom(...oddKeys),
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
    .filter(text => text.isWellFormed() && !/\p{Cc}/u.test(text)),
)
const member = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', ''),
  fc.string({ maxLength: 8 }),
)
const number = fc.oneof(
  fc.maxSafeInteger(),
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .filter(n => !Number.isInteger(n) || Number.isSafeInteger(n)),
)
const text = fc.string({ unit: 'binary', maxLength: 20 }).filter(one => one.isWellFormed())
// Objects are written as JSON text, as only JSON.parse makes an own member called __proto__.
const json: fc.Arbitrary<string> = fc.letrec<{ value: string }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(number, text, fc.boolean(), fc.constant(null)).map(leaf => JSON.stringify(leaf)),
    fc.array(tie('value'), { maxLength: 4 }).map(all => `[${all.join(',')}]`),
    fc
      .uniqueArray(fc.tuple(member, tie('value')), { maxLength: 4, selector: ([name]) => name })
      .map(all => `{${all.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`),
  ),
})).value

describe('round trip', () => {
  it('any JSON value under any key is read back equal, alone and in the listing', async () => {
    await fc.assert(
      fc.asyncProperty(key, json, async (name, source) => {
        const body = JSON.parse(source) as JsonValue
        const written = await client.putKey({ params: { key: name }, body })
        const read = await client.getKey({ params: { key: name } })
        expect(read.key).toBe(name)
        expect(JSON.stringify(read.value)).toBe(JSON.stringify(body))
        expect(read.version).toBe(written.version)
        const whole = await client.getState()
        if (!('state' in whole) || whole.state === undefined) throw new Error('no state')
        const listed = Object.getOwnPropertyDescriptor(whole.state, name)?.value as JsonValue
        expect(JSON.stringify(listed)).toBe(JSON.stringify(body))
        await client.deleteKey({ params: { key: name } })
        await expect(client.getKey({ params: { key: name } })).rejects.toMatchObject({
          code: 'KEY_NOT_FOUND',
        })
      }),
      { numRuns: 150, ...seed },
    )
  })

  it('a key in the path means the same as in the query', async () => {
    await world.ask('/api/lattice/state/a%2Fb', jsonBody(1))
    expect((await world.ask('/api/lattice/state?key=a%2Fb')).json).toMatchObject({ key: 'a/b', value: 1 })
    await world.ask('/api/lattice/state?key=..', jsonBody(2))
    expect(world.node.read('..')?.value).toBe(2)
    expect((await world.ask('/api/lattice/state?key=..', { method: 'DELETE' })).status).toBe(200)
    expect(world.node.read('..')).toBeUndefined()
  })
})

describe('transactions', () => {
  const transact = (operations: unknown, headers: Record<string, string> = {}) =>
    world.ask('/api/lattice/transactions', { ...jsonBody({ operations }, headers), method: 'POST' })

  it('apply all operations', async () => {
    const operations = [
      { op: 'put', key: 'a', value: { __proto__: null } },
      { op: 'increment', key: 'n', by: -3 },
      { op: 'add', key: 's', element: 'x' },
    ]
    const { status, json: answer } = await transact(operations)
    expect(status).toBe(200)
    expect(answer).toMatchObject({ success: true, merkle_root: world.node.root() })
    expect(answer['transaction_id']).toMatch(/^[0-9a-f]{16}$/)
    expect([world.node.read('n')?.value, world.node.read('s')?.value]).toEqual([-3, ['x']])
  })

  it('apply nothing when one operation fails', async () => {
    world.node.apply([{ op: 'put', key: 'r', value: 1 }])
    const { status, json: answer } = await transact([
      { op: 'put', key: 'fresh', value: 1 },
      { op: 'increment', key: 'r', by: 1 },
    ])
    expect([status, answer['code']]).toEqual([409, 'TYPE_CONFLICT'])
    expect(world.node.read('fresh')).toBeUndefined()
  })

  it('answer a retry with the same Idempotency-Key the same, once, and refuse another body', async () => {
    const retry = { 'idempotency-key': 'order-17' }
    const first = await transact([{ op: 'increment', key: 'n', by: 1 }], retry)
    const again = await transact([{ op: 'increment', key: 'n', by: 1 }], retry)
    expect(again.json).toEqual(first.json)
    expect(world.node.read('n')?.value).toBe(1)
    const other = await transact([{ op: 'increment', key: 'n', by: 2 }], retry)
    expect([other.status, other.json['code']]).toEqual([422, 'IDEMPOTENCY_CONFLICT'])
  })

  it('a sum beyond exact integers is 409', async () => {
    await transact([{ op: 'increment', key: 'n', by: Number.MAX_SAFE_INTEGER }])
    const { status, json: answer } = await transact([{ op: 'increment', key: 'n', by: 1 }])
    expect([status, answer['code']]).toEqual([409, 'COUNTER_OVERFLOW'])
  })

  it('take conditions for one operation only', async () => {
    const two = [
      { op: 'put', key: 'a', value: 1 },
      { op: 'put', key: 'b', value: 1 },
    ]
    expect((await transact(two, { 'if-none-match': '*' })).status).toBe(400)
    expect((await transact(two.slice(1), { 'if-none-match': '*' })).status).toBe(200)
    expect((await transact(two.slice(1), { 'if-none-match': '*' })).status).toBe(412)
  })
})

describe('conditions', () => {
  it('If-Match and If-None-Match decide over a write, by version or existence', async () => {
    const put = (headers: Record<string, string>) => world.ask('/api/lattice/state/k', jsonBody(1, headers))
    expect((await put({ 'if-match': '*' })).status).toBe(412)
    const first = await put({ 'if-none-match': '*' })
    expect(first.status).toBe(200)
    const tag = String(first.headers.etag)
    expect(tag).toBe(`"${String(first.json['version'])}"`)
    expect((await put({ 'if-none-match': '*' })).status).toBe(412)
    expect((await put({ 'if-none-match': tag })).status).toBe(412)
    expect((await put({ 'if-match': '"0000000000000001"' })).status).toBe(412)
    expect((await put({ 'if-match': `W/${tag}` })).status).toBe(412)
    expect((await put({ 'if-match': 'unquoted' })).status).toBe(400)
    const second = await put({ 'if-match': tag })
    expect(second.status).toBe(200)
    const stale = await put({ 'if-match': tag })
    expect([stale.status, stale.json['code'], stale.json['success']]).toEqual([
      412,
      'VERSION_MISMATCH',
      false,
    ])
    expect((await put({ 'if-match': `"0000000000000001", ${String(second.headers.etag)}` })).status).toBe(200)
    expect((await put({ 'if-none-match': tag })).status).toBe(200)
  })

  it('a retry of a write under a list of versions is answered as before', async () => {
    const tag = String((await world.ask('/api/lattice/state/k', jsonBody(1, {}))).headers.etag)
    for (const headers of [
      { 'if-match': `"0000000000000001", ${tag}` },
      { 'if-none-match': '"000000000000ffff"' },
    ]) {
      const once = jsonBody(2, { ...headers, 'idempotency-key': JSON.stringify(headers).length.toString() })
      const [first, again] = [
        await world.ask('/api/lattice/state/k', once),
        await world.ask('/api/lattice/state/k', once),
      ]
      expect([first.status, again.status]).toEqual([200, 200])
      expect(again.json['version']).toBe(first.json['version'])
    }
  })

  it('If-None-Match answers 304 for a key, a page and the whole state, until they change', async () => {
    world.node.apply([{ op: 'put', key: 'k', value: 1 }])
    for (const path of ['/api/lattice/state/k', '/api/lattice/state', '/api/lattice/state?limit=5']) {
      const headers = { 'if-none-match': String((await world.ask(path)).headers.etag) }
      const known = await world.ask(path, { headers })
      expect([known.status, known.text, known.headers.etag]).toEqual([304, '', headers['if-none-match']])
      world.node.apply([{ op: 'put', key: 'k', value: path }])
      expect((await world.ask(path, { headers })).status).toBe(200)
    }
  })
})

describe('listing', () => {
  const fill = (count: number): void => {
    const operations = Array.from({ length: count }, (_, index) => {
      return { op: 'put' as const, key: `k${String(index).padStart(6, '0')}`, value: index }
    })
    world.node.apply(operations)
  }

  it('pages visit every key once, in order, and end', async () => {
    fill(25)
    world.node.apply([{ op: 'put', key: 'other', value: 1 }])
    const seen: string[] = []
    let cursor = ''
    do {
      const path = `/api/lattice/state?prefix=k&limit=10${cursor === '' ? '' : `&cursor=${cursor}`}`
      const { json: page } = await world.ask(path)
      expect(page['entry_count']).toBe(26)
      expect(page['state_size']).toBe(Object.keys(page['state'] as object).length)
      seen.push(...Object.keys(page['state'] as object))
      cursor = (page['next_cursor'] as string | null) ?? ''
    } while (cursor !== '')
    expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => `k${String(index).padStart(6, '0')}`))
  })

  it('a page of large values is short, and the next one goes on there', async () => {
    const large = 'x'.repeat(60_000)
    const names = Array.from({ length: 50 }, (_, at) => `large${String(at).padStart(2, '0')}`)
    world.node.apply(names.map(name => ({ op: 'put' as const, key: name, value: large })))
    const sizes: number[] = []
    const seen: string[] = []
    // Each look passes over thousands of deleted keys if it has to: a page takes one.
    let looks = 0
    world.node.beforePage = () => void (looks += 1)
    for (let cursor = '', more = true; more;) {
      const { json: page } = await world.ask(`/api/lattice/state?limit=1000${cursor}`)
      const state = page['state'] as Record<string, string>
      expect(Object.values(state).every(value => value === large)).toBe(true)
      seen.push(...Object.keys(state))
      sizes.push(Object.keys(state).length)
      more = page['next_cursor'] !== null
      cursor = `&cursor=${String(page['next_cursor'])}`
    }
    expect(seen).toEqual(names)
    expect([sizes, looks]).toEqual([[18, 18, 14], 3])
  })

  it('a long value is answered as a short one is', async () => {
    const value = Array.from({ length: 20_000 }, (_, at) => `element ${at} ä`)
    world.node.apply([{ op: 'put', key: 'long', value }])
    const answer = await world.ask('/api/lattice/state/long')
    expect([answer.status, answer.json['value']]).toEqual([200, value])
    expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(answer.text)))
    expect(answer.headers['content-type']).toContain('application/json')
    const tag = String(answer.headers.etag)
    const again = await world.ask('/api/lattice/state/long', { headers: { 'if-none-match': tag } })
    expect(again.status).toBe(304)
    const head = await world.ask('/api/lattice/state/long', { method: 'HEAD' })
    expect([head.status, head.text, head.headers['content-length']]).toEqual([
      200,
      '',
      answer.headers['content-length'],
    ])
  })

  it('a summary leaves the state out and signs the root', async () => {
    fill(3)
    const { json: summary } = await world.ask('/api/lattice/state?summary=true')
    expect(summary).toMatchObject({ state_size: 0, entry_count: 3, merkle_root: world.node.root() })
    expect('state' in summary).toBe(false)
  })

  it.each(['limit=0', 'limit=1001', 'limit=x', 'cursor=%21%21', 'prefx=a', 'summary=yes', 'limit=1&limit=2'])(
    'refuses ?%s',
    async query => {
      const { status, json: problem } = await world.ask(`/api/lattice/state?${query}`)
      expect([status, problem['code']]).toEqual([400, 'REQUEST_INVALID'])
      expect(problem['errors']).toHaveLength(1)
    },
  )

  it('the whole state belongs to the root it names, also when keys come, change and go meanwhile', async () => {
    fill(2000)
    let pages = 0
    world.node.beforePage = () => {
      pages += 1
      world.node.apply([
        { op: 'put', key: 'k000000', value: `changed before page ${pages}` },
        { op: 'delete', key: `k${String(pages).padStart(6, '0')}` },
        { op: 'put', key: `a-new-first-key-${pages}`, value: pages },
        { op: 'put', key: `z-new-last-key-${pages}`, value: pages },
      ])
    }
    const { json: whole } = await world.ask('/api/lattice/state')
    expect(pages).toBeGreaterThan(5)
    expect(whole['merkle_root']).toBe(world.node.root())
    world.node.beforePage = () => undefined
    const now = world.node
      .list({ prefix: '', from: '', limit: 5000 })
      .items.map(({ key: k, value }) => [k, value])
    expect(new Map(Object.entries(whole['state'] as object))).toEqual(new Map(now as [string, unknown][]))
    expect(whole['state_size']).toBe(now.length)
    expect(world.node.listenerCount).toBe(2) // event stream and metrics; the copy has let go
  })

  it('callers that overlap share one copy', async () => {
    fill(3000)
    let pages = 0
    world.node.beforePage = () => {
      pages += 1
      // Longer than a slice may last, so that the others ask while the copy is being taken.
      for (const end = performance.now() + 10; performance.now() < end;);
    }
    const answers = await Promise.all([1, 2, 3, 4].map(() => world.ask('/api/lattice/state')))
    expect(new Set(answers.map(({ json: whole }) => whole['state_size']))).toEqual(new Set([3000]))
    expect(pages).toBeLessThanOrEqual(2 * Math.ceil(3000 / 256))
  })

  it('a reader that stops reading holds up nobody', async () => {
    fill(60_000)
    const socket = connect(world.port, '127.0.0.1')
    socket.write('GET /api/lattice/state HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(socket, 'readable')
    const connections = await new Promise<number>(resolve =>
      world.server.server.getConnections((_, n) => resolve(n)),
    )
    expect(connections).toBe(1)
    expect((await world.ask('/health')).status).toBe(200)
    socket.destroy()
    const { json: whole } = await world.ask('/api/lattice/state')
    expect(whole['state_size']).toBe(60_000)
  })
})

describe('errors of the node', () => {
  it.each([
    ['OVERLOADED', 503, '1'],
    ['STORE_UNAVAILABLE', 507, '30'],
  ] as const)('%s is %i with Retry-After', async (code, status, wait) => {
    world.node.refuseWrites = new LatticeError(code)
    const answer = await world.ask('/api/lattice/state/k', jsonBody(1))
    expect([answer.status, answer.headers['retry-after'], answer.json['code']]).toEqual([status, wait, code])
    await expect(client.putKey({ params: { key: 'k' }, body: 1 })).rejects.toMatchObject({
      code,
      status,
      retryAfter: Number(wait),
    })
    await expect(client.putKey({ params: { key: 'k' }, body: 1 })).rejects.toBeInstanceOf(ApiError)
  })

  it('a bug of ours tells nothing but where to look', async () => {
    world.node.read = () => {
      throw new Error('secret internals')
    }
    const { status, json: problem, text: body } = await world.ask('/api/lattice/state/k')
    expect([status, problem['code'], problem['success']]).toEqual([500, 'INTERNAL', false])
    expect(body).not.toContain('secret internals')
    const logged = JSON.stringify(world.log)
    expect(logged).toContain('secret internals')
    expect(logged).toContain(String(problem['instance']))
  })
})

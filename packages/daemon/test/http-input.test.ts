/** Bad input gets a 4xx that names the field, and nothing is stored. */
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { problemSchema } from '@lattice/api'
import { jsonBody, startWorld } from './http-world.ts'
import type { Answer, Ask, World } from './http-world.ts'

let world: World
let rootBefore: string
beforeEach(async () => {
  world = await startWorld()
  rootBefore = world.node.root()
})
afterEach(() => world.close())

function expectRefused(answer: Answer, status: number, code: string): Record<string, unknown> {
  expect([answer.status, answer.json['code']]).toEqual([status, code])
  expect(answer.headers['content-type']).toBe('application/problem+json')
  expect(problemSchema.strict().parse(answer.json)).toMatchObject({ status, success: false })
  expect(world.node.root()).toBe(rootBefore)
  return answer.json
}

const put = (body: string | Uint8Array, headers: Record<string, string> = {}): Ask => ({
  method: 'PUT',
  headers: { 'content-type': 'application/json', ...headers },
  body,
})
const key = '/api/lattice/state/k'
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

describe('bodies', () => {
  it.each([
    ['no media type', { method: 'PUT', body: '1' }],
    ['a form', put('1', { 'content-type': 'application/x-www-form-urlencoded' })],
    ['text', put('1', { 'content-type': 'text/plain' })],
    ['a look-alike', put('1', { 'content-type': 'application/jsonx' })],
    ['a suffix type', put('1', { 'content-type': 'application/problem+json' })],
    ['another charset', put('1', { 'content-type': 'application/json; charset=utf-16' })],
    ['a list of types', put('1', { 'content-type': 'application/json, text/plain' })],
    ['gzip', put(gzipSync('1'), { 'content-encoding': 'gzip' })],
    ['an unknown encoding', put('1', { 'content-encoding': 'zstd, br' })],
  ] as [string, Ask][])('%s is 415', async (_name, ask) => {
    expectRefused(await world.ask(key, ask), 415, 'MEDIA_TYPE_UNSUPPORTED')
  })

  it('charset=utf-8 is welcome', async () => {
    const answer = await world.ask(key, put('"ä"', { 'content-type': 'application/json; charset=UTF-8' }))
    expect(answer.status).toBe(200)
    expect(world.node.read('k')?.value).toBe('ä')
  })

  it('announced or sent, more than 1 MiB is 413', async () => {
    const big = `"${'x'.repeat(1024 * 1024)}"`
    expectRefused(await world.ask(key, put(big)), 413, 'BODY_TOO_LARGE')
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    const head = `PUT ${key} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
    const raw = await world.raw(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}`)
    expect(raw).toMatch(/^HTTP\/1\.1 413 /)
    expect(raw).toContain('"code":"BODY_TOO_LARGE"')
    expect(world.node.root()).toBe(rootBefore)
  })

  it.each([
    ['', 'REQUEST_INVALID'],
    ['{', 'REQUEST_INVALID'],
    ['{"a":1,}', 'REQUEST_INVALID'],
    ['NaN', 'REQUEST_INVALID'],
    ['9007199254740992', 'VALUE_INVALID'],
    ['-9007199254740993', 'VALUE_INVALID'],
    ['{"a":[1,{"b":9007199254740993}]}', 'VALUE_INVALID'],
    ['1e999', 'VALUE_INVALID'],
    ['"\\ud800"', 'VALUE_INVALID'],
    ['{"\\udfff":1}', 'VALUE_INVALID'],
    [nested(65), 'VALUE_TOO_DEEP'],
    [nested(500_000), 'VALUE_TOO_DEEP'],
  ])('%.40s is refused as %s', async (body, code) => {
    expectRefused(await world.ask(key, put(body)), 400, code)
  })

  it('the place of a bad number is named', async () => {
    const problem = expectRefused(
      await world.ask(key, put('{"a":[1,{"b":9007199254740993}]}')),
      400,
      'VALUE_INVALID',
    )
    expect(problem['errors']).toEqual([expect.objectContaining({ field: 'body.a[1].b' })])
  })

  it.each([
    ['{"a":1,"a":1}', 'a'],
    ['[{"b":{"a":1,"x":"\\":","\\u0061":2}}]', 'a'],
    ['{"":{"":1}, "" : 2}', ''],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
  ])('of %s the member that stands twice is named', async (body, field) => {
    const { errors } = expectRefused(await world.ask(key, put(body)), 400, 'VALUE_INVALID')
    expect(errors).toEqual([{ field, message: 'the name stands twice in one object' }])
  })

  it('what only looks like a second name is fine', async () => {
    const value = { a: ':"a":', '":': '":"a" :', b: [{ a: 1 }, { a: 2, __proto: { a: '\\":' } }] }
    expect((await world.ask(key, put(JSON.stringify(value, null, 1)))).status).toBe(200)
    expect(world.node.read('k')?.value).toEqual(value)
  })

  it('bytes that are not UTF-8 are refused', async () => {
    expectRefused(await world.ask(key, put(new Uint8Array([0x22, 0xff, 0x22]))), 400, 'REQUEST_INVALID')
  })

  it('the limits themselves are fine', async () => {
    for (const body of [
      nested(64),
      '9007199254740991',
      '-9007199254740991',
      '"\\ud83d\\ude00"',
      '0.1',
      'null',
    ]) {
      expect((await world.ask(key, put(body))).status).toBe(200)
      expect(JSON.stringify(world.node.read('k')?.value)).toBe(JSON.stringify(JSON.parse(body)))
    }
  })
})

describe('keys', () => {
  it.each([
    ['/api/lattice/state/a%00b', 'KEY_INVALID'],
    ['/api/lattice/state/a%7f', 'KEY_INVALID'],
    ['/api/lattice/state/a%C2%85', 'KEY_INVALID'],
    [`/api/lattice/state/${'x'.repeat(513)}`, 'KEY_INVALID'],
    [`/api/lattice/state/${encodeURIComponent('ä'.repeat(257))}`, 'KEY_INVALID'],
    ['/api/lattice/state?key=', 'KEY_INVALID'],
    ['/api/lattice/state/%ff', 'REQUEST_INVALID'],
    ['/api/lattice/state/%ed%a0%80', 'REQUEST_INVALID'],
    ['/api/lattice/state/%zz', 'REQUEST_INVALID'],
    ['/api/lattice/state', 'KEY_INVALID'],
  ])('PUT %.50s is refused as %s', async (path, code) => {
    expectRefused(await world.ask(path, jsonBody(1)), 400, code)
  })

  it('512 bytes are fine', async () => {
    expect(
      (await world.ask(`/api/lattice/state/${encodeURIComponent('ä'.repeat(256))}`, jsonBody(1))).status,
    ).toBe(200)
  })
})

describe('transactions', () => {
  const over = Array.from({ length: 1001 }, () => ({ op: 'delete', key: 'a' }))
  it.each([
    [{}, 'operations'],
    [{ operations: [] }, 'operations'],
    [{ operations: over }, 'operations'],
    [{ operations: [{ op: 'put', key: 'a' }] }, 'operations[0].value'],
    [{ operations: [{ op: 'steal', key: 'a' }] }, 'operations[0].op'],
    [{ operations: [{ op: 'delete', key: '' }] }, 'operations[0].key'],
    [{ operations: [{ op: 'increment', key: 'a', by: 0 }] }, 'operations[0].by'],
    [{ operations: [{ op: 'increment', key: 'a', by: 1.5 }] }, 'operations[0].by'],
    [{ operations: [{ op: 'increment', key: 'a', by: '1' }] }, 'operations[0].by'],
    [{ operations: [{ op: 'delete', key: 'a', force: true }] }, 'operations[0]'],
    [{ operations: [], admin: true }, 'operations'],
    [[], 'body'],
    [null, 'body'],
  ])('%.60j is refused and the field named', async (body, field) => {
    const answer = await world.ask('/api/lattice/transactions', { ...jsonBody(body), method: 'POST' })
    const problem = expectRefused(answer, 400, 'TRANSACTION_INVALID')
    expect((problem['errors'] as { field: string }[]).map(error => error.field)).toContain(field)
  })

  it('values may be as deep as in a PUT, and no deeper', async () => {
    const operations = (depth: number) => `{"operations":[{"op":"put","key":"a","value":${nested(depth)}}]}`
    const path = '/api/lattice/transactions'
    expectRefused(await world.ask(path, { ...put(operations(65)), method: 'POST' }), 400, 'VALUE_TOO_DEEP')
    expect((await world.ask(path, { ...put(operations(64)), method: 'POST' })).status).toBe(200)
  })
})

describe('addresses and methods', () => {
  it.each([
    ['GET', '/nothing', 404, 'NOT_FOUND'],
    ['GET', '/api/lattice/state/', 404, 'NOT_FOUND'],
    ['GET', '/API/lattice/state', 404, 'NOT_FOUND'],
    ['GET', '/api/lattice/state/none', 404, 'KEY_NOT_FOUND'],
    ['PATCH', '/api/lattice/state/k', 405, 'METHOD_NOT_ALLOWED'],
    ['GET', '/api/lattice/sync/switch', 405, 'METHOD_NOT_ALLOWED'],
    ['GET', '/sync/v1', 405, 'METHOD_NOT_ALLOWED'],
    ['POST', '/health', 405, 'METHOD_NOT_ALLOWED'],
    ['GET', '/api/lattice/state/k?prove=true', 400, 'REQUEST_INVALID'],
  ])('%s %s is %i %s', async (method, path, status, code) => {
    const answer = await world.ask(path, { method })
    expectRefused(answer, status, code)
    if (status === 405) expect(answer.headers.allow).toMatch(/^[A-Z, ]+$/)
  })

  it('OPTIONS names the methods', async () => {
    const answer = await world.ask('/api/lattice/state/k', { method: 'OPTIONS' })
    expect([answer.status, answer.headers.allow]).toEqual([204, 'GET, HEAD, PUT, DELETE, OPTIONS'])
  })

  it.each(['idempotency-key'])('a bad %s is refused', async name => {
    expectRefused(await world.ask(key, jsonBody(1, { [name]: 'x'.repeat(256) })), 400, 'REQUEST_INVALID')
  })
})

describe('queries', () => {
  it.each([
    ['PUT', '/api/lattice/state?key=a%ff', 'key'],
    ['DELETE', '/api/lattice/state?key=a%c3', 'key'],
    ['GET', '/api/lattice/state?key=%', 'key'],
    ['GET', '/api/lattice/state?prefix=a%fe&limit=5', 'prefix'],
  ])('%s %s: bytes that are no text name no key', async (method, path, field) => {
    const ask = method === 'PUT' ? put('1') : { method }
    const { errors } = expectRefused(await world.ask(path, ask), 400, 'REQUEST_INVALID')
    expect(errors).toEqual([{ field, message: 'bytes that are no percent-encoded UTF-8' }])
  })
})

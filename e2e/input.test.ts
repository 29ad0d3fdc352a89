/** Bad input to a running node: a clear refusal each, nothing stored, nobody falls over. */
import { randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { World } from './daemons.ts'
import type { Daemon } from './daemons.ts'
import { put, rootOf } from './federation.ts'
import { createSigner, sendFrame } from './signed-request.ts'
import type { FrameAnswer, FrameRequest } from './signed-request.ts'

const world = new World()
const member = createSigner()
const token = 'e2e-token-0123456789abcdefghijklmnop'
let node: Daemon
let root: string

beforeAll(async () => {
  // Beyond loopback, so that nothing is exempt from the token.
  const settings = { LATTICE_TRUSTED_KEYS: member.publicKey, LATTICE_ADMIN_TOKEN: token }
  ;[node] = (await world.federation(1, { settings: { ...settings, LATTICE_HTTP_HOST: '0.0.0.0' } })) as [
    Daemon,
  ]
  await put(node, 'kept', { as: 'it was' })
  root = await rootOf(node)
}, 60_000)

afterAll(() => world.close())

afterEach(async () => {
  expect(await rootOf(node)).toBe(root)
  expect(node.isRunning).toBe(true)
})

interface Refusal {
  readonly status: number
  readonly code: string
}

interface Sent {
  readonly method?: string
  /** '' leaves a header out. */
  readonly headers?: Record<string, string>
  readonly body?: string | Uint8Array
}

/** Sends exactly this; node:http neither mends nor refuses what `fetch` would. */
function send(path: string, sent: Sent): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(node.url)
    const wanted = { 'x-lattice-token': token, 'content-type': 'application/json', ...sent.headers }
    const headers = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== ''))
    const request = httpRequest({ hostname, port, path, method: sent.method ?? 'PUT', headers }, response => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    request.on('error', reject)
    request.end(sent.body)
  })
}

async function expectRefusal(path: string, sent: Sent, expected: Refusal): Promise<void> {
  const { status, body } = await send(path, sent)
  const problem = JSON.parse(body) as Record<string, unknown>
  expect({ status, code: problem['code'], success: problem['success'] }).toEqual({
    ...expected,
    success: false,
  })
  expect(problem['detail']).toEqual(expect.stringMatching(/.{10}/))
  expect(problem['hint']).toEqual(expect.stringMatching(/.{10}/))
}

const state = '/api/lattice/state'
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)

describe('keys', () => {
  it.each([
    ['longer than 512 bytes', `${state}/${'k'.repeat(513)}`],
    ['longer than 512 bytes in UTF-8', `${state}/${encodeURIComponent('ü'.repeat(257))}`],
    ['with a control character', `${state}/a%00b`],
    ['empty', `${state}?key=`],
  ])('%s', (_name, path) => expectRefusal(path, { body: '1' }, { status: 400, code: 'KEY_INVALID' }))

  it('that are no UTF-8', () =>
    expectRefusal(`${state}/%ff%fe`, { body: '1' }, { status: 400, code: 'REQUEST_INVALID' }))
})

describe('values', () => {
  it.each([
    [
      'larger than 128 KiB',
      JSON.stringify('x'.repeat(128 * 1024 + 1)),
      { status: 413, code: 'VALUE_TOO_LARGE' },
    ],
    ['deeper than 64 levels', nested(65), { status: 400, code: 'VALUE_TOO_DEEP' }],
    ['100,000 levels deep', nested(100_000), { status: 400, code: 'VALUE_TOO_DEEP' }],
    ['with an integer that would be rounded', '9007199254740993', { status: 400, code: 'VALUE_INVALID' }],
    ['beyond a double', '1e999', { status: 400, code: 'VALUE_INVALID' }],
    ['with a lone surrogate', '"\\ud800"', { status: 400, code: 'VALUE_INVALID' }],
    ['that are no JSON', '{"a":', { status: 400, code: 'REQUEST_INVALID' }],
    ['that are empty', '', { status: 400, code: 'REQUEST_INVALID' }],
    ['larger than the body limit', `"${'x'.repeat(1024 * 1024)}"`, { status: 413, code: 'BODY_TOO_LARGE' }],
  ])('%s', (_name, body, expected) => expectRefusal(`${state}/k`, { body }, expected))

  it('that are no UTF-8', () =>
    expectRefusal(
      `${state}/k`,
      { body: Buffer.from([0x22, 0xff, 0x22]) },
      { status: 400, code: 'REQUEST_INVALID' },
    ))

  it.each([
    ['another content type', { 'content-type': 'text/plain' }],
    ['an encoded body', { 'content-encoding': 'gzip' }],
  ])('%s', (_name, headers) =>
    expectRefusal(`${state}/k`, { headers, body: '1' }, { status: 415, code: 'MEDIA_TYPE_UNSUPPORTED' }),
  )
})

describe('transactions', () => {
  const op = { op: 'put', key: 'k', value: 1 }
  it.each([
    ['without operations', { operations: [] }],
    ['with more than 1000 operations', { operations: Array.from({ length: 1001 }, () => op) }],
    ['with an unknown operation', { operations: [{ op: 'burn', key: 'k' }] }],
    ['with an unknown member', { operations: [{ ...op, ttl: 5 }] }],
    ['with a step of 0', { operations: [{ op: 'increment', key: 'c', by: 0 }] }],
    ['with a fraction as step', { operations: [{ op: 'increment', key: 'c', by: 0.5 }] }],
    ['that are a list', [op]],
  ])('%s', async (_name, document) => {
    const { status, body } = await send('/api/lattice/transactions', {
      method: 'POST',
      body: JSON.stringify(document),
    })
    expect(status).toBe(400)
    expect(JSON.parse(body)).toMatchObject({ success: false, code: expect.stringMatching(/_INVALID$/) })
  })
})

describe('callers', () => {
  const expected = { status: 401, code: 'UNAUTHORIZED' }

  it('without a token: no write, no delete, no transaction, no switch, although the caller is on this machine', async () => {
    const headers = { 'x-lattice-token': '' }
    await expectRefusal(`${state}/k`, { headers, body: '1' }, expected)
    await expectRefusal(`${state}/kept`, { method: 'DELETE', headers }, expected)
    await expectRefusal(
      '/api/lattice/transactions',
      { method: 'POST', headers, body: '{"operations":[]}' },
      expected,
    )
    await expectRefusal('/api/lattice/sync/switch?mode=http', { method: 'POST', headers }, expected)
    expect((await send(`${state}/kept`, { method: 'GET', headers })).status).toBe(200)
  })

  it.each([
    ['a wrong token', { 'x-lattice-token': `${token}x` }],
    ['a wrong bearer', { 'x-lattice-token': '', authorization: 'Bearer wrong-wrong-wrong' }],
  ])('with %s', (_name, headers) => expectRefusal(`${state}/k`, { headers, body: '1' }, expected))

  it('routes and methods that do not exist', async () => {
    await expectRefusal('/api/lattice/none', { method: 'GET' }, { status: 404, code: 'NOT_FOUND' })
    await expectRefusal(
      '/api/lattice/nodes',
      { method: 'PUT', body: '1' },
      { status: 405, code: 'METHOD_NOT_ALLOWED' },
    )
  })
})

describe('frames', () => {
  let life = ''

  beforeAll(async () => {
    const challenge = await frame({ nonce: randomBytes(16).toString('base64url') })
    expect(challenge).toMatchObject({ status: 401, code: 'CLOCK_SKEWED' })
    life = challenge.life ?? ''
  })

  const frame = (over: Partial<FrameRequest> = {}): Promise<FrameAnswer> =>
    sendFrame(node.url, {
      signer: member,
      dest: node.plan.identity.publicKey,
      body: new Uint8Array([1, 2, 3]),
      nonce: `${life}:${randomBytes(16).toString('base64url')}`,
      ...over,
    })

  it('of an unknown signer', async () => {
    expect(await frame({ signer: createSigner() })).toMatchObject({ status: 401, code: 'NOT_TRUSTED' })
  })

  it('in the name of the node itself', async () => {
    const impostor = { ...createSigner(), publicKey: node.plan.identity.publicKey }
    expect(await frame({ signer: impostor })).toMatchObject({ status: 401, code: 'NOT_TRUSTED' })
  })

  it('in the name of a member, signed by somebody else', async () => {
    const forger = { ...createSigner(), publicKey: member.publicKey }
    expect(await frame({ signer: forger })).toMatchObject({ status: 401, code: 'SIGNATURE_INVALID' })
  })

  it('for another node', async () => {
    expect(await frame({ dest: createSigner().publicKey })).toMatchObject({
      status: 421,
      code: 'PEER_MISMATCH',
    })
  })

  it('changed on the way', async () => {
    const changed = await frame({
      tamper: request => {
        request.body = new Uint8Array([1, 2, 4])
      },
    })
    expect(changed).toMatchObject({ status: 401, code: 'SIGNATURE_INVALID' })
  })

  it('with a malformed signature, or none', async () => {
    const broken = await frame({ tamper: ({ headers }) => (headers['signature'] = 's=:AAAA:') })
    expect(broken).toMatchObject({ status: 401, code: 'SIGNATURE_INVALID' })
    const none = await frame({ tamper: ({ headers }) => delete headers['signature'] })
    expect(none).toMatchObject({ status: 401, code: 'SIGNATURE_INVALID' })
  })

  it('larger than 256 KiB', async () => {
    expect(await frame({ body: new Uint8Array(256 * 1024 + 1) })).toMatchObject({ status: 413 })
  })

  it('compressed', async () => {
    const answer = await frame({ tamper: ({ headers }) => (headers['content-encoding'] = 'br') })
    expect(answer).toMatchObject({ status: 415, code: 'MEDIA_TYPE_UNSUPPORTED' })
  })

  it('of a member whose content is no frame', async () => {
    const bodies = [[], [1], [1, 0xff, 0xff, 0xff, 0xff], Array.from({ length: 9000 }, (_, i) => i + 1)]
    for (const body of bodies) {
      const request = await frame({ body: Uint8Array.from(body) })
      expect({ body: body.length, ...request }).toMatchObject({ status: 400, code: 'PEER_MALFORMED' })
      const contentType = 'application/x-lattice-frame;announce=1'
      expect(await frame({ body: Uint8Array.from(body), contentType })).toMatchObject({ status: 204 })
    }
  })

  it('of a version nobody speaks get an answer that names the versions spoken', async () => {
    for (const version of [0, 255]) {
      const answer = await frame({ body: Uint8Array.from([version, 1, 2, 3]) })
      expect(answer).toMatchObject({ status: 200, code: undefined })
      expect(answer.bytes).toBeGreaterThan(0)
    }
  })

  it('signed an hour ago, or sent twice', async () => {
    const stale = await frame({ createdS: Math.floor(Date.now() / 1000) - 3600 })
    expect(stale).toMatchObject({ status: 401, code: 'CLOCK_SKEWED' })
    const nonce = `${life}:${randomBytes(16).toString('base64url')}`
    const body = Uint8Array.from([255])
    expect(await frame({ nonce, body })).toMatchObject({ status: 200 })
    expect(await frame({ nonce, body })).toMatchObject({ status: 401, code: 'REPLAYED' })
  })
})

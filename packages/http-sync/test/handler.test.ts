/** What the handler lets through and what it refuses, without a socket. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { LatticeError, frameBytesMax } from '@lattice/core'
import { contentTypes } from '../src/frames.ts'
import type { SyncRequest } from '../src/handler.ts'
import { ReplayCache } from '../src/replay-cache.ts'
import { contentDigest } from '../src/signatures.ts'
import { hash, newClock, newSigner } from './harness.ts'
import {
  type Whole,
  caller,
  frame,
  isSigned,
  nowS,
  open,
  outcome,
  problemOf,
  server,
  withHeader,
} from './handler-world.ts'

describe('an accepted request', () => {
  it('is served in the name of its signer, and the answer is signed for it', async () => {
    const { handler, calls, draft } = await open()
    const request = draft()
    const answer = await handler.handle(request)
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual(frame.toReversed())
    expect(calls).toEqual([{ kind: 'serve', from: caller.nodeId, frame }])
    expect(isSigned(request, answer)).toBe(true)
    expect(isSigned(draft(), answer)).toBe(false)
  })

  it('that announces is announced, a hello reaches nothing; both get an empty signed 204', async () => {
    const { handler, calls, draft } = await open()
    for (const purpose of ['announce', 'hello'] as const) {
      const request = draft({ purpose })
      const answer = await handler.handle(request)
      expect([answer.status, answer.body.length, isSigned(request, answer)]).toEqual([204, 0, true])
    }
    expect(calls).toEqual([{ kind: 'announced', from: caller.nodeId, frame }])
  })

  it('cannot be turned into an announce on the way', async () => {
    const { handler, calls, draft } = await open()
    const request = draft()
    const turned = { ...request, headers: { ...request.headers, 'content-type': contentTypes.announce } }
    expect(outcome(await handler.handle(turned))).toBe('401 SIGNATURE_INVALID')
    expect(calls).toEqual([])
  })

  it('survives what proxies do: other Host, added headers, other header case', async () => {
    const { handler, draft } = await open()
    const request = draft()
    const headers: Record<string, string> = {
      Host: 'proxy.example',
      Via: '1.1 x',
      'X-Forwarded-For': '10.0.0.1',
    }
    for (const [name, value] of Object.entries(request.headers)) headers[name.toUpperCase()] = String(value)
    expect((await handler.handle({ ...request, headers })).status).toBe(200)
  })
})

describe('a refused request', () => {
  const edits: ReadonlyArray<readonly [string, string, (request: Whole) => SyncRequest]> = [
    ['another path', '404 NOT_FOUND', r => ({ ...r, path: '/sync/v2' })],
    ['another method', '405 METHOD_NOT_ALLOWED', r => ({ ...r, method: 'PUT' })],
    ['an added query', '401 SIGNATURE_INVALID', r => ({ ...r, query: '?a=1' })],
    ['gzip', '415 MEDIA_TYPE_UNSUPPORTED', r => withHeader(r, 'content-encoding', 'gzip')],
    ['br', '415 MEDIA_TYPE_UNSUPPORTED', r => withHeader(r, 'Content-Encoding', 'br')],
    ['chained codings', '415 MEDIA_TYPE_UNSUPPORTED', r => withHeader(r, 'content-encoding', 'identity, br')],
    ['JSON', '415 MEDIA_TYPE_UNSUPPORTED', r => withHeader(r, 'content-type', 'application/json')],
    ['no content type', '415 MEDIA_TYPE_UNSUPPORTED', r => withHeader(r, 'content-type', undefined)],
    ['an edited body', '401 SIGNATURE_INVALID', r => ({ ...r, body: Uint8Array.of(1, 2, 3, 5) })],
    ['a truncated body', '401 SIGNATURE_INVALID', r => ({ ...r, body: r.body.subarray(1) })],
    [
      'body and digest edited together',
      '401 SIGNATURE_INVALID',
      r => ({
        ...withHeader(r, 'content-digest', contentDigest(hash, new Uint8Array())),
        body: new Uint8Array(),
      }),
    ],
    ['no signature', '401 SIGNATURE_INVALID', r => withHeader(r, 'signature', undefined)],
    [
      'two signatures',
      '401 SIGNATURE_INVALID',
      r => ({ ...r, headers: { ...r.headers, signature: ['a', 'b'] } }),
    ],
    ['another destination', '421 PEER_MISMATCH', r => withHeader(r, 'x-node-dest', caller.nodeId)],
    ['a frame too large', '413 BODY_TOO_LARGE', r => ({ ...r, body: new Uint8Array(frameBytesMax + 1) })],
  ]

  it.each(edits)('%s gives %s', async (_, expected, edit) => {
    const { handler, calls, draft } = await open()
    expect(outcome(await handler.handle(edit(draft())))).toBe(expected)
    expect(calls).toEqual([])
  })

  it('for another node is refused although its signature is good', async () => {
    const { handler, draft } = await open()
    const request = draft({ dest: newSigner().nodeId })
    const answer = await handler.handle(request)
    expect([outcome(answer), isSigned(request, answer)]).toEqual(['421 PEER_MISMATCH', true])
  })

  it('by an unknown key, or by the key of the server itself, is refused with a signed answer', async () => {
    const { handler, draft } = await open()
    for (const signer of [newSigner(), server]) {
      const request = draft({ signer })
      const answer = await handler.handle(request)
      expect([outcome(answer), isSigned(request, answer)]).toEqual(['401 NOT_TRUSTED', true])
    }
  })

  it('with an encoded body is refused before the body is looked at', async () => {
    const { handler, draft } = await open()
    const body = new Proxy(new Uint8Array(1), {
      get: () => {
        throw new Error('the body was touched')
      },
    })
    const answer = await handler.handle(withHeader({ ...draft(), body }, 'content-encoding', 'br'))
    expect(outcome(answer)).toBe('415 MEDIA_TYPE_UNSUPPORTED')
  })

  it('with any single byte changed in a covered part is refused', async () => {
    const { handler, calls, draft } = await open()
    const names = [
      'method',
      'path',
      'query',
      'body',
      'content-digest',
      'content-type',
      'x-node-dest',
    ] as const
    const signed = ['signature-input', 'signature'] as const
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names, ...signed),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (name, at, flip) => {
          const request = draft()
          const changed = changeByte(request, name, at, flip)
          const answer = await handler.handle(changed)
          expect(answer.status).toBeGreaterThanOrEqual(400)
        },
      ),
      { numRuns: 500 },
    )
    expect(calls).toEqual([])
    expect((await handler.handle(draft())).status).toBe(200)
  })
})

describe('replay', () => {
  it('the same request counts once', async () => {
    const { handler, calls, draft } = await open()
    const request = draft()
    expect(outcome(await handler.handle(request))).toBe('200')
    expect(outcome(await handler.handle(request))).toBe('401 REPLAYED')
    expect(calls.length).toBe(1)
  })

  it.each([0, 5000, -5000, -36_000_000])(
    'what was signed before a restart is not accepted after it, nothing kept and the clock moved by %i ms',
    async stepMs => {
      const before = await open()
      const requests = [-59, 0, 59].map(offS => before.draft({ createdS: nowS() + offS }))
      for (const request of requests) expect(outcome(await before.handler.handle(request))).toBe('200')
      const unseen = before.draft()
      const after = await open(stepMs)
      for (const request of [...requests, unseen])
        expect(outcome(await after.handler.handle(request))).toBe('401 CLOCK_SKEWED')
      expect(after.calls).toEqual([])
    },
  )

  it('a wall clock that steps back while running opens no window for old requests', async () => {
    const { handler, clock, calls, draft } = await open()
    const request = draft()
    expect(outcome(await handler.handle(request))).toBe('200')
    clock.monoOffsetMs += 600_000
    clock.wallOffsetMs -= 600_000
    expect(outcome(await handler.handle(draft({ createdS: nowS() + 600 })))).toBe('200')
    expect(outcome(await handler.handle(request))).toBe('401 CLOCK_SKEWED')
    expect(calls.length).toBe(2)
  })

  it('a nonce is remembered for as long as its request could pass', async () => {
    const { handler, clock, draft } = await open()
    const request = draft({ createdS: nowS() + 59 })
    expect(outcome(await handler.handle(request))).toBe('200')
    clock.monoOffsetMs += 117_000
    expect(outcome(await handler.handle(request))).toBe('401 REPLAYED')
    clock.monoOffsetMs += 5000
    expect(outcome(await handler.handle(request))).toBe('401 CLOCK_SKEWED')
  })

  it('memory per caller is bounded, and what is forgotten is refused, not accepted again', async () => {
    const { clock } = await open()
    const cache = new ReplayCache(clock, 'lifelife')
    const admit = (i: number, createdS: number): string =>
      cache.admit(caller.nodeId, `lifelife:${i}`, createdS, createdS + 60)
    const startS = nowS()
    for (let i = 0; i < 8192; i++) expect(admit(i, startS)).toBe('fresh')
    expect(admit(5, startS)).toBe('replayed')
    expect(admit(9000, startS + 1)).toBe('fresh')
    expect([admit(5, startS), admit(9001, startS), admit(9000, startS + 1)]).toEqual([
      'stale',
      'stale',
      'replayed',
    ])
    expect(cache.admit(server.nodeId, 'lifelife:5', startS, startS + 60)).toBe('fresh')
  })

  it.each([
    [-61, 'stale'],
    [-59, 'fresh'],
    [59, 'fresh'],
    [62, 'stale'],
  ])('a stamp %i s off is %s', async (offS, verdict) => {
    const cache = new ReplayCache(newClock(), 'lifelife')
    expect(cache.admit(caller.nodeId, 'lifelife:1', nowS() + offS, nowS() + offS + 60)).toBe(verdict)
    expect(cache.admit(caller.nodeId, 'lifelife:2', nowS(), nowS() + 61)).toBe('stale')
    expect(cache.admit(caller.nodeId, 'lifelife:3', nowS(), nowS())).toBe('stale')
  })
})

describe('the challenge', () => {
  it.each([-36_000, 0, 36_000])('admits a caller whose clock is off by %i s, once per nonce', async offS => {
    const { handler, calls, draft } = await open()
    const createdS = nowS() + offS
    const request = draft({ createdS, nonce: 'A'.repeat(22) })
    const refused = await handler.handle(request)
    expect([outcome(refused), isSigned(request, refused)]).toEqual(['401 CLOCK_SKEWED', true])
    const { nonce, time } = problemOf(refused)
    expect(Math.abs(time - Date.now() / 1000)).toBeLessThan(3)
    const again = draft({ createdS, nonce })
    expect(outcome(await handler.handle(again))).toBe('200')
    expect(outcome(await handler.handle(again))).toBe('401 CLOCK_SKEWED')
    expect(outcome(await handler.handle(draft({ createdS: time })))).toBe('200')
    expect(calls.length).toBe(2)
  })

  it('ends after a minute, and is good for nobody else', async () => {
    const { handler, clock, draft } = await open()
    const { nonce } = problemOf(await handler.handle(draft({ createdS: 1000 })))
    clock.monoOffsetMs += 61_000
    expect(outcome(await handler.handle(draft({ createdS: 1000, nonce })))).toBe('401 CLOCK_SKEWED')
  })

  it('is not open to invention: a nonce of its form that was never given out is refused', async () => {
    const { handler, draft } = await open()
    expect(outcome(await handler.handle(draft({ nonce: `c:${'A'.repeat(22)}` })))).toBe('401 CLOCK_SKEWED')
  })

  it('is given only to callers whose signature holds', async () => {
    const { handler, draft } = await open()
    const refused = await handler.handle({ ...draft({ createdS: 1000 }), query: '?x' })
    expect(problemOf(refused)).not.toHaveProperty('nonce')
  })
})

describe('the inbox behind it', () => {
  it('that refuses makes a signed refusal with its code', async () => {
    const { handler, inbox, draft } = await open()
    inbox.serve = async () => Promise.reject(new LatticeError('STORE_UNAVAILABLE'))
    const request = draft()
    const answer = await handler.handle(request)
    expect([outcome(answer), isSigned(request, answer)]).toEqual(['503 STORE_UNAVAILABLE', true])
  })

  it('that fails otherwise is our bug and is not hidden', async () => {
    const { handler, inbox, draft } = await open()
    inbox.serve = async () => Promise.reject(new TypeError('broken'))
    await expect(handler.handle(draft())).rejects.toThrow('broken')
  })

  it('hears when the client has gone, and when the handler stops', async () => {
    const { handler, inbox, draft } = await open()
    const seen: AbortSignal[] = []
    inbox.serve = (_from, _frame, signal) => {
      seen.push(signal)
      return new Promise(() => {})
    }
    const client = new AbortController()
    const left = handler.handle({ ...draft(), signal: client.signal })
    const stays = handler.handle(draft())
    client.abort()
    expect(outcome(await left)).toBe('503 NOT_READY')
    expect(seen.map(signal => signal.aborted)).toEqual([true, false])
    handler.stop()
    expect(outcome(await stays)).toBe('503 NOT_READY')
    expect(seen.map(signal => signal.aborted)).toEqual([true, true])
    expect(outcome(await handler.handle(draft()))).toBe('503 NOT_READY')
  })
})

function changeByte(request: Whole, name: string, at: number, flip: number): SyncRequest {
  if (name === 'body') {
    const body = request.body.slice()
    const place = at % body.length
    body[place] = (body[place] ?? 0) ^ flip
    return { ...request, body }
  }
  const fields: Record<string, unknown> = { ...request, ...request.headers }
  const text = String(fields[name])
  const place = text.length === 0 ? 0 : at % text.length
  const code = text.length === 0 ? 33 + (flip % 94) : (text.charCodeAt(place) ^ flip) & 0xff
  const changed = text.slice(0, place) + String.fromCharCode(code) + text.slice(place + 1)
  if (name in request.headers) return withHeader(request, name, changed)
  return { ...request, [name]: changed === '?' ? '??' : changed }
}

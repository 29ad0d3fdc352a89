/** What the client makes of answers that are not what they should be. */
import { afterEach, describe, expect, it } from '@jest/globals'
import type { Signer } from '@lattice/core'
import { retryAfterMs } from '../src/index.ts'
import { contentDigest } from '../src/signatures.ts'
import { closeServer, hash, listen, newSigner } from './harness.ts'
import {
  answer,
  cleanups,
  closeAll,
  failureOf,
  frame,
  impostor,
  openAgainst,
  openClient,
  openPair,
  patience,
  type Reply,
} from './nodes.ts'

afterEach(closeAll)

describe('an answer is refused', () => {
  const body = frame
  const cases: ReadonlyArray<
    readonly [string, string, RegExp, (res: Reply, peer: Signer, signature: string) => void]
  > = [
    [
      'an HTML page with 200',
      'PEER_MALFORMED',
      /text\/html/,
      res => res.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Sign in</h1>'),
    ],
    [
      'a signed answer of another type',
      'PEER_MALFORMED',
      /content type/,
      (res, peer, s) => answer(res, peer, s, 200, body, { 'content-type': 'text/html' }),
    ],
    [
      'an encoded answer',
      'PEER_MALFORMED',
      /compresses/,
      (res, peer, s) => answer(res, peer, s, 200, body, { 'content-encoding': 'br' }),
    ],
    [
      'an answer to another request',
      'PEER_MALFORMED',
      /signature/,
      (res, peer) => answer(res, peer, `s=:${'A'.repeat(86)}==:`, 200, body),
    ],
    [
      'another digest',
      'PEER_MALFORMED',
      /signature/,
      (res, peer, s) =>
        answer(res, peer, s, 200, body, { 'content-digest': contentDigest(hash, frame.slice(1)) }),
    ],
    [
      'an edited body',
      'PEER_MALFORMED',
      /changed or cut/,
      (res, peer, s) => {
        const write = res.end.bind(res)
        res.end = () => write(frame.toReversed())
        answer(res, peer, s, 200, body)
      },
    ],
    [
      'a truncated body',
      'PEER_UNREACHABLE',
      /cut/,
      (res, peer, s) => {
        res.end = () => {
          res.write(body.slice(0, 50), () => res.socket?.end())
          return res
        }
        answer(res, peer, s, 200, body, { 'content-length': '100' })
      },
    ],
    [
      'a body without end',
      'PEER_MALFORMED',
      /larger than/,
      res => {
        res.writeHead(200)
        const more = (): void => void (res.destroyed || res.write(new Uint8Array(65_536), more))
        more()
      },
    ],
    [
      'a redirect',
      'PEER_REFUSED',
      /redirects/,
      res => res.writeHead(302, { location: 'http://169.254.169.254/latest' }).end(),
    ],
    ['what is not HTTP', 'PEER_MALFORMED', /does not speak HTTP/, res => res.socket?.end('SSH-2.0-x\r\n')],
    ['a bad gateway', 'PEER_UNREACHABLE', /502/, res => res.writeHead(502).end()],
    ['a login demand', 'PEER_REFUSED', /401/, res => res.writeHead(401).end()],
    ['a missing route', 'PEER_MALFORMED', /404/, res => res.writeHead(404).end()],
    [
      'an answer that is announced without end',
      'PEER_MALFORMED',
      /again and again/,
      (res, peer, s) => {
        for (let times = 0; times < 17; times++) res.writeProcessing()
        answer(res, peer, s, 200, body)
      },
    ],
  ]

  it.each(cases)('%s is %s', async (_, code, sentence, misbehave) => {
    const peer = newSigner()
    const { transport, heard } = await openAgainst(
      impostor(peer, (res, signature) => misbehave(res, peer, signature)),
      peer,
    )
    await transport.connect(peer.nodeId, patience())
    const failure = await failureOf(transport.request(peer.nodeId, frame, patience()))
    expect([failure.code, failure.message]).toEqual([code, expect.stringMatching(sentence)])
    expect(heard.down).toEqual([])
  })

  it('but not one that a proxy announces a few times', async () => {
    const peer = newSigner()
    const { transport } = await openAgainst(
      impostor(peer, (res, signature) => {
        for (let times = 0; times < 16; times++) res.writeProcessing()
        answer(res, peer, signature, 200, body)
      }),
      peer,
    )
    await transport.connect(peer.nodeId, patience())
    expect(await transport.request(peer.nodeId, frame, patience())).toEqual(body)
  })

  it('a redirect is not followed, not even to the peer itself', async () => {
    const { b } = await openPair()
    let hits = 0
    const target = await listen((_req, res) => void (hits++, res.end()))
    cleanups.push(() => closeServer(target.server))
    const { transport } = await openAgainst(
      (_req, res) => res.writeHead(307, { location: target.url }).end(),
      b.signer,
    )
    const failure = await failureOf(transport.connect(b.nodeId, patience()))
    expect([failure.code, hits]).toEqual(['PEER_REFUSED', 0])
  })

  it('and a signed refusal gives the code and the next step of the peer', async () => {
    const { a, b } = await openPair()
    await a.transport.connect(b.nodeId, patience())
    const outsider = await openClient([b.url], b.nodeId)
    const failure = await failureOf(outsider.transport.connect(b.nodeId, patience()))
    expect(failure.code).toBe('PEER_REFUSED')
    expect(failure.message).toMatch(/NOT_TRUSTED.*LATTICE_TRUSTED_KEYS/)
  })
})

describe('Retry-After', () => {
  it.each([
    [503, '7', 7000],
    [429, '120', 120_000],
    [503, 'Wed, 21 Oct 2026 07:28:30 GMT', 30_000],
    [503, '99999999', 86_400_000],
    [503, 'soon', undefined],
  ])('%i with %s is %p ms', async (status, value, expected) => {
    const peer = newSigner()
    const date = 'Wed, 21 Oct 2026 07:28:00 GMT'
    const { transport } = await openAgainst(
      impostor(peer, res => res.writeHead(status, { 'retry-after': value, date }).end()),
      peer,
    )
    await transport.connect(peer.nodeId, patience())
    const { error } = await failureOf(transport.request(peer.nodeId, frame, patience()))
    expect(retryAfterMs(error)).toBe(expected)
  })

  it.each([
    ['"default";r=0;t=9', 9000],
    ['"burst";r=3;t=2, "daily";r=0;t=70', 70_000],
    ['"default";r=5;t=9', undefined],
    ['nonsense;r=0', undefined],
  ])('and RateLimit %s is %p ms', async (ratelimit, expected) => {
    const peer = newSigner()
    const { transport } = await openAgainst(
      impostor(peer, res => res.writeHead(429, { ratelimit }).end()),
      peer,
    )
    await transport.connect(peer.nodeId, patience())
    const { error } = await failureOf(transport.request(peer.nodeId, frame, patience()))
    expect(retryAfterMs(error)).toBe(expected)
  })

  it.each([
    ['29', 'PEER_UNREACHABLE'],
    ['30', 'PEER_ASLEEP'],
  ])('a 503 that asks for %s s means %s', async (value, code) => {
    const peer = newSigner()
    const { transport } = await openAgainst(
      impostor(peer, res => res.writeHead(503, { 'retry-after': value }).end()),
      peer,
    )
    await transport.connect(peer.nodeId, patience())
    expect((await failureOf(transport.request(peer.nodeId, frame, patience()))).code).toBe(code)
  })

  it('reaches whoever connects, too', async () => {
    const peer = newSigner()
    const { transport } = await openAgainst(
      (_req, res) => res.writeHead(503, { 'retry-after': '30' }).end(),
      peer,
    )
    const { code, error } = await failureOf(transport.connect(peer.nodeId, patience()))
    expect([code, retryAfterMs(error)]).toEqual(['PEER_ASLEEP', 30_000])
  })
})

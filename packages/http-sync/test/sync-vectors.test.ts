/**
 * The signed messages of vectors/, which were made without any code of this package: what it signs is the
 * same to the byte, and what it lets in is what it must.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { isLatticeError, type Clock, type NodeId, type Random } from '@lattice/core'
import { SyncClient } from '../src/client.ts'
import { SyncHandler, type SyncResponse } from '../src/handler.ts'
import type { HttpAnswer, HttpRequest } from '../src/http.ts'
import { contentDigest, readResponseClaim, signRequest, signResponse } from '../src/signatures.ts'
import { hash, signerOfSeed, verifySignature } from './harness.ts'

interface Told {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Request {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Case {
  readonly name?: string
  readonly reason?: string
  readonly after: readonly string[]
  readonly time: number
  readonly request: Request
  readonly text: string
  readonly status: number
  readonly code?: string
}

const file = join(import.meta.dirname, '../../../vectors/sync.json')
const { server, accepted, refused, answers } = JSON.parse(readFileSync(file, 'utf8')) as {
  server: { node: NodeId; trusted: NodeId[]; life: string; challenge: string; start: number }
  accepted: Case[]
  refused: Case[]
  answers: {
    good: Told & { text: string }
    challenge: Told & { text: string }
    again: { request: Request; answer: Told }
    refused: (Told & { reason: string })[]
  }
}

const cases = [...accepted, ...refused]
const titleOf = ({ name, reason }: Case): string => name ?? reason ?? ''
const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const never = new AbortController().signal
const bob = signerOfSeed(2)
const alice = signerOfSeed(1)

/** Bytes that count up: so the vectors name the life of the server and its challenges. */
const random: Random = { unit: () => 0, bytes: length => Uint8Array.from({ length }, (_, at) => at) }

const clockAt = (now: () => number): Clock => ({
  now: () => ({ mono: now() * 1000, wall: now() * 1000 }),
  alarm: () => () => undefined,
})

/** What a server that has answered all of `after` makes of a request. */
async function answerTo({ after, time, request }: Case): Promise<SyncResponse> {
  let now = server.start
  const handler = new SyncHandler({
    signer: bob,
    verify: verifySignature,
    hash,
    trusted: new Set(server.trusted),
    clock: clockAt(() => now),
    random,
  })
  const inbox = { peerUp: () => undefined, peerDown: () => undefined, announced: () => undefined }
  handler.start({ ...inbox, serve: async () => bytesOf('01a0') })
  const ask = async (each: Request): Promise<SyncResponse> =>
    handler.handle({ ...each, body: bytesOf(each.body), signal: never })
  for (const name of after) await ask((cases.find(each => titleOf(each) === name) as Case).request)
  now = time
  return ask(request)
}

const codeOf = ({ status, body }: SyncResponse): string | undefined =>
  status < 300 ? undefined : (JSON.parse(new TextDecoder().decode(body)) as { code: string }).code

describe('requests of the vectors', () => {
  it.each(accepted)('are let in: $name', async each => {
    const { status } = await answerTo(each)
    expect(status).toBe(each.status)
  })

  it.each(refused)('are not: $reason', async each => {
    const answer = await answerTo(each)
    expect([answer.status, codeOf(answer)]).toEqual([each.status, each.code])
  })

  it('are what this package signs, where they are let in', () => {
    for (const { name, request, text } of accepted) {
      const { method, path, query, headers } = request
      const signer = [alice, signerOfSeed(3)].find(({ nodeId }) =>
        headers['signature-input']?.includes(nodeId),
      )
      const [, created, nonce] = /created=(\d+);.*nonce="([^"]+)"/.exec(text) as unknown as [
        string,
        string,
        string,
      ]
      if (signer === undefined || name === 'shorter than 60 s') continue
      const head = {
        method,
        path,
        query,
        contentDigest: contentDigest(hash, bytesOf(request.body)),
        contentType: headers['content-type'] ?? '',
        dest: headers['x-node-dest'] ?? '',
      }
      const proof = signRequest(signer, head, { createdS: Number(created), nonce })
      expect([name, headers]).toMatchObject([name, proof])
      expect([name, headers['content-digest']]).toEqual([name, head.contentDigest])
    }
  })

  it('are answered under the signature of the server, wherever their own has its form', async () => {
    for (const each of cases) {
      const { headers, status, body } = await answerTo(each)
      const requestSignature = each.request.headers['signature'] ?? ''
      if (!/^s=:[A-Za-z0-9+/]{86}==:$/.test(requestSignature)) continue
      const head = { status, contentDigest: headers['content-digest'] ?? '', requestSignature }
      const claim = readResponseClaim(head, headers)
      const isGood = claim !== undefined && verifySignature(bob.nodeId, claim.message, claim.signature)
      expect([titleOf(each), isGood, head.contentDigest]).toEqual([
        titleOf(each),
        true,
        contentDigest(hash, body),
      ])
    }
  })
})

describe('answers of the vectors', () => {
  /** Asks as the request of first contact does; one after the other these come back. */
  async function ask(...told: Told[]): Promise<{ frame: Uint8Array; sent: HttpRequest[] }> {
    const sent: HttpRequest[] = []
    const client = new SyncClient({
      signer: alice,
      verify: verifySignature,
      hash,
      random,
      clock: clockAt(() => server.start),
      connections: {
        send: async (request): Promise<HttpAnswer> => {
          sent.push(request)
          const { status, headers, body } = told[sent.length - 1] as Told
          return { status, headers, body: bytesOf(body) }
        },
        certificateEnds: () => undefined,
        dropIdle: () => undefined,
        close: () => undefined,
      },
    })
    const question = {
      url: 'http://bob',
      peer: bob.nodeId,
      purpose: 'request',
      frame: bytesOf('01a0'),
    } as const
    return { frame: await client.ask({ ...question, signal: never }), sent }
  }

  it('are believed where the node asked has signed them for this request', async () => {
    const { frame } = await ask(answers.good)
    expect(frame).toEqual(bytesOf(answers.good.body))
  })

  it('are what this package signs', () => {
    const first = cases.find(each => each.code === 'CLOCK_SKEWED') as Case
    const requestSignature = first.request.headers['signature'] ?? ''
    for (const { status, body, headers } of [answers.good, answers.challenge]) {
      const digest = contentDigest(hash, bytesOf(body))
      expect(headers).toMatchObject(signResponse(bob, { status, contentDigest: digest, requestSignature }))
    }
  })

  it('lead to a second request where they are a challenge', async () => {
    const { frame, sent } = await ask(answers.challenge, answers.again.answer)
    expect(frame).toEqual(bytesOf(answers.again.answer.body))
    expect(sent.map(({ headers }) => headers)).toEqual([
      expect.objectContaining({ 'x-node-dest': server.node }),
      answers.again.request.headers,
    ])
  })

  it.each(answers.refused)('are not believed: $reason', async answer => {
    const code = await ask(answer).then(
      () => 'believed',
      (error: unknown) => (isLatticeError(error) ? error.code : error),
    )
    expect(code).toMatch(/^PEER_/)
  })
})

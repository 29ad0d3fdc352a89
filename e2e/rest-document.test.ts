/**
 * Whatever is asked, a running node answers as its own OpenAPI document says: a status that is listed, its
 * media type, its schema. What it refuses names what is wrong with it, and changes nothing.
 */
import { Agent } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createOpenapiDocument } from '@lattice/api'
import fc from 'fast-check'
import { z } from 'zod'
import { World } from './daemons.ts'
import type { Daemon } from './daemons.ts'
import { rootOf } from './federation.ts'
import { requestsFor, send } from './rest-requests.ts'
import type { Answer, Operation, Request } from './rest-requests.ts'

/** Each test is the same every time; another seed finds what this one does not. */
const seed = Number(process.env['FC_SEED'] ?? 7)
const runs = Number(process.env['FC_RUNS'] ?? 14)

const world = new World()
const agent = new Agent({ keepAlive: true })
let node: Daemon

beforeAll(async () => {
  const settings = { LATTICE_P2P_ENABLED: 'false', LATTICE_STATUS_PAGE: 'true' }
  ;[node] = (await world.federation(1, { settings })) as [Daemon]
}, 60_000)

afterAll(async () => {
  agent.destroy()
  await world.close()
})

const document = createOpenapiDocument({ version: 'test' }) as {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: { Problem: Record<string, unknown> } }
}
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => [method.toUpperCase(), path, operation] as const),
)
const problemSchema = z.fromJSONSchema(document.components.schemas.Problem)

function expectProblem(answer: Answer, codes: string): void {
  const problem = JSON.parse(answer.text) as Record<string, unknown>
  expect(problemSchema.safeParse(problem).error?.issues ?? []).toEqual([])
  expect(problem['status']).toBe(answer.status)
  expect(codes.split(', ')).toContain(problem['code'])
  if (answer.status === 400 && problem['code'] !== 'PEER_MALFORMED')
    expect(problem['errors']).toEqual(
      expect.arrayContaining([expect.objectContaining({ field: expect.anything() })]),
    )
}

function expectListed({ responses }: Operation, answer: Answer): void {
  expect(Object.keys(responses)).toContain(String(answer.status))
  const listed = responses[answer.status]
  const [type = ''] = String(answer.headers['content-type'] ?? '').split(';')
  if (listed?.content === undefined) return expect(answer.text).toBe('')
  expect(Object.keys(listed.content)).toContain(type)
  if (type === 'application/problem+json') return expectProblem(answer, listed.description)
  const schema = listed.content[type]?.schema ?? {}
  if (type === 'application/json')
    expect(z.fromJSONSchema(schema).safeParse(JSON.parse(answer.text)).error?.issues ?? []).toEqual([])
}

async function expectSameHead(request: Request, answer: Answer): Promise<void> {
  const head = await send(node.url, { ...request, method: 'HEAD' }, agent)
  expect(head.text).toBe('')
  const told = ({ status, headers }: Answer) => [
    status,
    headers['content-type'],
    headers['etag'],
    headers['allow'],
  ]
  expect(told(head)).toEqual(told(answer))
}

describe('every answer is one that the OpenAPI document lists', () => {
  it('and the document is the one that the node serves', async () => {
    expect((await node.client.getOpenapi())['paths']).toEqual(document.paths)
  })

  it.each(operations)(
    '%s %s',
    async (method, path, operation) => {
      const property = fc.asyncProperty(requestsFor(method, path, operation), async request => {
        const before = await rootOf(node)
        const answer = await send(node.url, request, agent)
        expectListed(operation, answer)
        if (answer.status >= 400) expect(await rootOf(node)).toBe(before)
        if (method === 'GET') await expectSameHead(request, answer)
      })
      await fc.assert(property, { seed, numRuns: runs })
    },
    60_000,
  )
})

it('and nothing of it was an error in the log', () => {
  expect(node.log).not.toContain('"level":"error"')
})

/** What the node says of its REST interface is what it does. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { problemSchema, routes } from '@lattice/api'
import type { Route } from '@lattice/api'
import { startWorld } from './http-world.ts'
import type { World } from './http-world.ts'

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world.close())

describe('OpenAPI', () => {
  it('lists every row with its answers, and nothing that is not a row', async () => {
    const document = (await world.ask('/openapi.json')).json
    expect(document['openapi']).toBe('3.1.0')
    const paths = document['paths'] as Record<
      string,
      Record<string, { responses: object; operationId: string }>
    >
    const listed = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`),
    )
    expect(listed.sort()).toEqual(
      (Object.values(routes) as Route[]).map(({ method, path }) => `${method} ${path}`).sort(),
    )
    expect(Object.keys(paths['/api/lattice/state/{key}']?.['put']?.responses ?? {})).toEqual(
      expect.arrayContaining(['200', '400', '401', '409', '412', '413', '415', '422', '429', '503', '507']),
    )
  })

  it('says of frames, reads and writes what these really answer', async () => {
    const { paths } = (await world.ask('/openapi.json')).json as {
      paths: Record<
        string,
        Record<
          string,
          {
            requestBody?: { content: object }
            responses: Record<string, { description: string; content?: object }>
          }
        >
      >
    }
    expect(Object.keys(paths['/sync/v1']?.['post']?.requestBody?.content ?? {})).toEqual(
      ['', ';announce=1', ';hello=1'].map(suffix => `application/x-lattice-frame${suffix}`),
    )
    const answersOf = (method: string, path: string) => paths[path]?.[method]?.responses ?? {}
    const frames = answersOf('post', '/sync/v1')
    expect(Object.keys(frames)).toEqual(['200', '204', '400', '401', '413', '415', '421', '503'])
    expect(Object.keys(frames['200']?.content ?? {})).toEqual(['application/x-lattice-frame'])
    expect(frames['204']).not.toHaveProperty('content')
    expect(frames['401']?.description).toContain('NOT_TRUSTED')
    expect(frames['421']?.description).toBe('PEER_MISMATCH')
    const key = '/api/lattice/state/{key}'
    const codesOf = (method: string) => answersOf(method, key)['503']?.description.split(', ').sort()
    expect(codesOf('get')).toEqual([
      'ENTRY_DAMAGED',
      'NOT_READY',
      'OVERLOADED',
      'STORE_CORRUPT',
      'STORE_SUSPECT',
    ])
    const closed = ['NODE_CLONED', 'NOT_READY', 'OVERLOADED', 'STORE_SUSPECT']
    expect(codesOf('delete')).toEqual(closed)
    expect(codesOf('put')).toEqual(['ENTRY_DAMAGED', ...closed])
    // A delete is a tombstone, whether there was something or not.
    expect(answersOf('delete', key)).not.toHaveProperty('404')
    expect(answersOf('put', key)['507']?.description).toBe('STORE_UNAVAILABLE, STORE_FULL')
  })

  it('leaves room for more members in answers, and none in what is signed or asked for', async () => {
    const { paths } = (await world.ask('/openapi.json')).json as { paths: Record<string, object> }
    const closed = { additionalProperties: false }
    const listed = (operation: unknown, ...path: string[]): unknown =>
      path.reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], operation)
    const content = ['content', 'application/json', 'schema']
    const reading = listed(paths['/api/lattice/state/{key}'], 'get', 'responses', '200', ...content)
    expect(reading).not.toMatchObject(closed)
    expect(listed(reading, 'properties', 'proof')).toMatchObject(closed)
    expect(listed(paths['/api/lattice/transactions'], 'post', 'requestBody', ...content)).toMatchObject(
      closed,
    )
  })

  it('/docs explains every error code at the link that errors give', async () => {
    const problem = problemSchema.parse((await world.ask('/api/lattice/state/none')).json)
    const docs = await world.ask('/docs')
    expect(problem.docs).toBe('/docs#KEY_NOT_FOUND')
    expect(docs.text).toContain('id="KEY_NOT_FOUND"')
    expect(docs.text).not.toContain('<script')
  })
})

/** Proofs of single keys: kept from a real daemon, checked offline, and refused once anything is changed. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { keyProofSchema, problemSchema } from '@lattice/api'
import { documentOf, lattice } from './command.ts'
import type { Outcome } from './command.ts'
import { World } from './daemons.ts'
import type { Daemon } from './daemons.ts'
import { put } from './federation.ts'

const world = new World()
let node: Daemon
let authors: string

beforeAll(async () => {
  ;[node] = (await world.federation(1)) as [Daemon]
  authors = node.plan.identity.publicKey
  for (let index = 0; index < 60; index++) await put(node, `account:${index}`, { balance: index })
  const operations = [1, 2, 3].map(by => ({ op: 'increment' as const, key: 'visits', by }))
  await node.client.transact({ body: { operations } })
  await put(node, 'closed', 1)
  await node.client.deleteKey({ params: { key: 'closed' } })
}, 60_000)

afterAll(() => world.close())

const kept = async (key: string): Promise<Outcome> => lattice(['get', key, '--proof', '--url', node.url])
const checked = (text: string, ...more: string[]): Promise<Outcome> =>
  lattice(['verify-proof', '-', '--json', ...more], { stdin: text })

describe('a proof taken from a daemon', () => {
  it.each([
    ['account:7', true, { balance: 7 }],
    ['visits', true, 6],
    ['closed', false, null],
  ])('of %s is checked offline by the key of the node', async (key, exists, value) => {
    const { stdout, code } = await kept(key)
    expect(code).toBe(exists ? 0 : 1)
    const outcome = await checked(stdout, '--trusted-keys', authors)
    expect(documentOf(outcome)).toMatchObject({
      schema: 'lattice.verify-proof/v1',
      ok: true,
      key,
      exists,
      value,
      signed_by: authors,
      trusted: true,
      problems: [],
    })
    expect(outcome.code).toBe(0)
  })

  it('comes with the key, and with the refusal of a key that is not there', async () => {
    const held = await node.client.getKey({ params: { key: 'account:7' }, query: { proof: 'true' } })
    expect(held.value).toEqual({ balance: 7 })
    expect(keyProofSchema.parse(held.proof).entries).toHaveLength(1)
    const answer = await fetch(`${node.url}/api/lattice/state?key=..&proof=true`)
    expect(answer.status).toBe(404)
    expect(problemSchema.parse(await answer.json())).toMatchObject({ proof: { key: '..', entries: [] } })
  })

  it('is not given of a set with more elements than a proof may hold, with a way out', async () => {
    for (let from = 0; from < 4097; from += 1000) {
      const elements = Array.from({ length: Math.min(1000, 4097 - from) }, (_, at) => from + at)
      const operations = elements.map(element => ({ op: 'add' as const, key: 'large', element }))
      await node.client.transact({ body: { operations } })
    }
    const { code, stderr } = await kept('large')
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/"large" has more elements .*\n.*without its proof/),
    ])
  })

  it('is refused once it is told of another key', async () => {
    const { proof } = documentOf(await kept('account:7')) as { proof: object }
    const outcome = await checked(JSON.stringify({ ...proof, key: 'account:8' }))
    expect([outcome.code, documentOf(outcome)['ok']]).toEqual([1, false])
  })
})

/** One state on three nodes: counters, transactions, retries, restarts, a node that starts alone. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { changeEventSchema } from '@lattice/api'
import { World } from './daemons.ts'
import type { Daemon } from './daemons.ts'
import { arrives, codeOf, equalRoots, inPhase, metOverP2p, put, statusOf, valueOf } from './federation.ts'
import { eventually } from './eventually.ts'

const world = new World()
const hex64 = /^[0-9a-f]{64}$/
let nodes: Daemon[]
let one: Daemon
let two: Daemon
let three: Daemon

beforeAll(async () => {
  nodes = await world.federation(3, { start: 1 })
  ;[one, two, three] = nodes as [Daemon, Daemon, Daemon]
}, 60_000)

afterAll(() => world.close())

describe('a node started without any reachable peer', () => {
  it('works alone, says so, and joins when the others come', async () => {
    await put(one, 'alone', 'written before anybody else was there')
    expect(await valueOf(one, 'alone')).toBe('written before anybody else was there')
    expect(await statusOf(one)).toMatchObject({ sync_mode: 'NONE', phase: 'NONE', peer_count: 0 })
    await Promise.all([two.start(), three.start()])
    await metOverP2p(nodes)
    await arrives([two, three], 'alone', 'written before anybody else was there')
    expect(await equalRoots(nodes)).toMatch(hex64)
  }, 60_000)
})

describe('one state on three nodes', () => {
  it('counters add up over concurrent writers on all nodes', async () => {
    const perNode = 30
    const bump = (node: Daemon, by: number) =>
      node.client.transact({ body: { operations: [{ op: 'increment', key: 'visits', by }] } })
    const jobs = nodes.flatMap((node, index) => Array.from({ length: perNode }, () => bump(node, index + 1)))
    await Promise.all(jobs)
    await arrives(nodes, 'visits', perNode * (1 + 2 + 3))
    expect(await equalRoots(nodes)).toMatch(hex64)
  })

  it('sets keep every element added on any node, and a later removal', async () => {
    const change = (node: Daemon, op: 'add' | 'remove', element: string) =>
      node.client.transact({ body: { operations: [{ op, key: 'members', element }] } })
    await Promise.all(nodes.map(node => change(node, 'add', node.name)))
    expect(await equalRoots(nodes)).toMatch(hex64)
    await change(two, 'remove', one.name)
    expect(await equalRoots(nodes)).toMatch(hex64)
    for (const node of nodes) {
      const elements = (await valueOf(node, 'members')) as string[]
      expect([...elements].sort()).toEqual([two.name, three.name])
    }
  })

  it('a transaction is seen whole on every node it reaches', async () => {
    const rounds = 40
    const transfer = (round: number) =>
      one.client.transact({
        body: {
          operations: [
            { op: 'put', key: 'tx/a', value: round },
            { op: 'put', key: 'tx/b', value: round },
          ],
        },
      })
    await transfer(0)
    await arrives([two, three], 'tx/b', 0)
    let done = false
    const torn: string[] = []
    let looks = 0
    const watch = async (node: Daemon): Promise<void> => {
      while (!done) {
        const page = await node.client.getState({ query: { prefix: 'tx/' } })
        const state = ('state' in page ? page.state : undefined) ?? {}
        looks++
        if (state['tx/a'] !== state['tx/b']) torn.push(`${node.name}: ${JSON.stringify(state)}`)
      }
    }
    const watching = Promise.all([watch(two), watch(three)])
    let round = 0
    while (round < rounds || looks <= rounds) await transfer(++round)
    await arrives([two, three], 'tx/b', round)
    done = true
    await watching
    expect(torn).toEqual([])
  })

  it('an Idempotency-Key makes a retry answer the same and apply once; another request under it is refused', async () => {
    const body = { operations: [{ op: 'increment' as const, key: 'paid', by: 5 }] }
    const first = await one.client.transact({ body, idempotencyKey: 'payment-1' })
    const again = await one.client.transact({ body, idempotencyKey: 'payment-1' })
    expect(again).toMatchObject({ transaction_id: first.transaction_id, version: first.version })
    const other = { operations: [{ op: 'increment' as const, key: 'paid', by: 6 }] }
    const refused = one.client.transact({ body: other, idempotencyKey: 'payment-1' })
    await expect(refused).rejects.toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', status: 422 })
    await arrives(nodes, 'paid', 5)
  })

  it('a refused operation leaves nothing of its transaction', async () => {
    const root = await equalRoots(nodes)
    const operations = [
      { op: 'put' as const, key: 'half', value: 1 },
      { op: 'increment' as const, key: 'alone', by: 1 },
    ]
    await expect(one.client.transact({ body: { operations } })).rejects.toMatchObject({
      code: 'TYPE_CONFLICT',
    })
    expect(await valueOf(one, 'half')).toBeUndefined()
    expect(await equalRoots(nodes)).toBe(root)
  })

  it('a delete reaches all nodes, and changes are told as events with their path', async () => {
    await put(one, 'doomed', true)
    await arrives(nodes, 'doomed', true)
    const stop = new AbortController()
    let isOpen = false
    const follow = async () => {
      for await (const event of two.client.events({ signal: stop.signal })) {
        isOpen = true
        if (event.event !== 'change') continue
        const change = changeEventSchema.parse(JSON.parse(event.data))
        if (change.key === 'doomed' && change.deleted) return change
      }
      return undefined
    }
    const gone = follow()
    await eventually('the stream tells of changes', async () => {
      await put(one, 'tick', performance.now())
      return isOpen
    })
    await one.client.deleteKey({ params: { key: 'doomed' } })
    expect(await gone).toMatchObject({ deleted: true, via: 'p2p', author: one.plan.identity.publicKey })
    stop.abort()
    await eventually('no node has the key', async () => {
      const values = await Promise.all(nodes.map(node => valueOf(node, 'doomed')))
      return values.every(value => value === undefined)
    })
  })
})

describe('a restart', () => {
  it('keeps state, identity and the forced mode', async () => {
    const before = { root: await equalRoots(nodes), identity: await three.client.getIdentity() }
    await three.client.switchMode({ query: { mode: 'http', reason: 'rehearsal' } })
    expect(await three.stop()).toBe(0)
    await three.start()
    const status = await statusOf(three)
    expect(status).toMatchObject({ mode: 'http', phase: 'FORCED', sync_mode: 'HTTP', reason: 'rehearsal' })
    expect(status.merkle_root).toBe(before.root)
    expect(await three.client.getIdentity()).toEqual(before.identity)
    const { transitions } = await three.client.getTransitions()
    expect(transitions[0]).toMatchObject({ to: 'FORCED', trigger: 'startup' })
    await three.client.switchMode({ query: { mode: 'auto' } })
    await inPhase(three, 'P2P')
    await metOverP2p(nodes)
  }, 60_000)

  it('a condition that no longer holds is refused', async () => {
    const version = await put(one, 'guarded', 1)
    await put(one, 'guarded', 2)
    const late = one.client.putKey({ params: { key: 'guarded' }, body: 3, ifMatch: version })
    expect(await late.catch(codeOf)).toBe('VERSION_MISMATCH')
    expect(await valueOf(one, 'guarded')).toBe(2)
  })
})

/** A member that is removed, and added again later (reliability O7). */
import { afterAll, expect, it } from '@jest/globals'
import { settingsOf, World, type Daemon } from '../daemons.ts'
import { arrives, equalRoots, put, valueOf } from '../federation.ts'

const limitMs = 240_000

const world = new World()

afterAll(() => world.close())

/** Starts these anew, each with `members` as the ones it knows and trusts. */
async function restart(nodes: readonly Daemon[], members: readonly Daemon[]): Promise<void> {
  await Promise.all(nodes.map(node => node.stop()))
  const plans = members.map(({ plan }) => plan)
  await Promise.all(nodes.map(node => node.start(settingsOf(node.plan, plans))))
}

const count = (node: Daemon, by: number): Promise<unknown> =>
  node.client.transact({ body: { operations: [{ op: 'increment', key: 'count', by }] } })

it(
  'is neither heard nor told while it is out, what it wrote before stays, and nothing is lost when it is back',
  async () => {
    const nodes = (await world.federation(3)) as [Daemon, Daemon, Daemon]
    const [first, second, third] = nodes
    const left = [first, second] as const
    await put(third, 'before', 'of the third')
    await put(first, 'old', 1)
    for (const node of nodes) await count(node, 1)
    await arrives(nodes, 'count', 3)
    await equalRoots(nodes)

    await restart(left, left)
    await put(third, 'out', 'of the third')
    await count(third, 10)
    await first.client.deleteKey({ params: { key: 'old' } })
    await count(first, 100)
    await arrives(left, 'count', 103)
    await equalRoots(left)
    for (const node of left) {
      expect([await valueOf(node, 'before'), await valueOf(node, 'out')]).toEqual(['of the third', undefined])
      const { peers } = await node.client.getPeers()
      expect(peers).toHaveLength(1)
    }
    expect([await valueOf(third, 'old'), await valueOf(third, 'count')]).toEqual([1, 13])

    await restart(left, nodes)
    await arrives(nodes, 'count', 113, 60_000)
    await arrives(nodes, 'out', 'of the third', 60_000)
    await equalRoots(nodes)
    for (const node of nodes) expect(await valueOf(node, 'old')).toBeUndefined()
  },
  limitMs,
)

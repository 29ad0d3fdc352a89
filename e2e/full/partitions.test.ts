/** Real partitions, and the operator's hand amid them: rows N1, N3, N6, O2, O3 of the fault matrix. */
import { setTimeout as delay } from 'node:timers/promises'
import { beforeEach, expect, it } from '@jest/globals'
import { lattice, type Outcome } from '../command.ts'
import type { Daemon } from '../daemons.ts'
import { arrives, equalRoots, inPhase, metOverP2p, put, statusOf, valueOf } from '../federation.ts'
import { eventually } from '../eventually.ts'
import { hostsForRows } from '../hosts.ts'
import { between } from '../namespaces.ts'

const hex64 = /^[0-9a-f]{64}$/
// Each row cuts anew; the latch against flapping is row N9's.
const hosts = hostsForRows(3, { LATTICE_FLAP_LIMIT: '1000/10m' })
let one: Daemon
let two: Daemon
let three: Daemon

/** The path by which `from` sees `to`. */
async function pathTo(from: Daemon, to: Daemon): Promise<string | undefined> {
  const { peers } = await from.client.getPeers()
  return peers.find(peer => peer.node_id === to.plan.identity.publicKey)?.path
}

hosts.rows('partitions, and the operator', () => {
  beforeEach(async () => {
    ;[one, two, three] = hosts.nodes as [Daemon, Daemon, Daemon]
    hosts.network.cut()
    for (const node of hosts.nodes) {
      if (!node.isRunning) await node.start()
      await node.client.switchMode({ query: { mode: 'auto' } })
    }
    await metOverP2p(hosts.nodes)
  }, 90_000)

  it('N1: one node is cut off: it writes alone and says so, the others go on, all meet after the heal', async () => {
    hosts.network.cut(...between(0, 1), ...between(0, 2))
    await put(one, 'n1/alone', 1)
    await put(two, 'n1/others', 2)
    await arrives([three], 'n1/others', 2)
    await eventually(
      'both sides see the cut',
      async () => {
        const paths = await Promise.all([
          pathTo(one, two),
          pathTo(one, three),
          pathTo(two, one),
          pathTo(three, one),
        ])
        return paths.every(path => path === 'none')
      },
      60_000,
    )
    await eventually('the lonely node says so', async () =>
      (await statusOf(one)).warnings.some(({ code }) => code === 'isolated'),
    )
    expect(await statusOf(two)).toMatchObject({ phase: 'P2P', peer_count: 1 })
    hosts.network.cut()
    await arrives([two, three], 'n1/alone', 1)
    await arrives([one], 'n1/others', 2)
    expect(await equalRoots(hosts.nodes)).toMatch(hex64)
  }, 120_000)

  it('N3: HTTP is cut, P2P is open: the mode does not change and nobody is alarmed', async () => {
    const before = await Promise.all(
      hosts.nodes.map(async node => (await node.client.getTransitions()).count),
    )
    hosts.network.cut(
      ...[between(0, 1), between(0, 2), between(1, 2)].flat().map(cut => ({ ...cut, port: 'http' as const })),
    )
    await delay(8000)
    await put(one, 'n3', true)
    await arrives(hosts.nodes, 'n3', true)
    for (const [index, node] of hosts.nodes.entries()) {
      expect((await node.client.getTransitions()).count).toBe(before[index])
      expect((await node.client.getHealth()).status).toBe('healthy')
    }
  }, 60_000)

  it('N6: A and C do not see each other and meet through B', async () => {
    hosts.network.cut(...between(0, 2))
    await put(one, 'n6/a', 'a')
    await put(three, 'n6/c', 'c')
    expect(await arrives([three], 'n6/a', 'a')).toBeLessThan(10_000)
    expect(await arrives([one], 'n6/c', 'c')).toBeLessThan(10_000)
    expect(await equalRoots(hosts.nodes)).toMatch(hex64)
  }, 60_000)

  it('O2: forced P2P while P2P is dead obeys, alarms, and ends with its time limit', async () => {
    const all = [between(0, 1), between(0, 2)].flat().map(cut => ({ ...cut, port: 'p2p' as const }))
    hosts.network.cut(...all)
    await one.client.switchMode({ query: { mode: 'p2p', for: '12s' } })
    expect(await statusOf(one)).toMatchObject({ phase: 'FORCED', sync_mode: 'P2P' })
    await eventually('the alarm is up', async () => {
      const { warnings, peer_count: peers } = await statusOf(one)
      return peers === 0 && warnings.some(({ code }) => code === 'mode-forced')
    })
    await inPhase(one, 'HTTP', 30_000)
    await put(one, 'o2', 2)
    await arrives(hosts.nodes, 'o2', 2)
  }, 90_000)

  it('L4: ping tells the path of each probe while P2P is cut, ends with 1, and with 0 once P2P is back', async () => {
    const ping = (timeout: string): Promise<Outcome> => {
      const args = ['ping', two.name, '--until-p2p', '--timeout', timeout, '--url', one.url]
      return lattice(args, { within: one.plan.within ?? [] })
    }
    const all = [between(0, 1), between(0, 2)].flat()
    hosts.network.cut(...all.map(cut => ({ ...cut, port: 'p2p' as const })))
    await inPhase(one, 'HTTP', 30_000)
    const blocked = await ping('3s')
    expect([blocked.code, blocked.stdout]).toEqual([1, expect.stringMatching(/^\S+ +http +via .* ms /)])
    hosts.network.cut()
    const healed = await ping('50s')
    expect([healed.code, healed.stdout]).toEqual([
      0,
      expect.stringMatching(/p2p reached after \d+ probes?\./),
    ])
  }, 120_000)

  it('O3: three hosts.nodes forced to different modes converge', async () => {
    await one.client.switchMode({ query: { mode: 'http' } })
    await two.client.switchMode({ query: { mode: 'p2p' } })
    for (const [index, node] of hosts.nodes.entries()) await put(node, `o3/${index}`, index)
    for (const index of hosts.nodes.keys()) await arrives(hosts.nodes, `o3/${index}`, index)
    expect(await equalRoots(hosts.nodes)).toMatch(hex64)
    expect(await valueOf(three, 'o3/0')).toBe(0)
  }, 60_000)
})

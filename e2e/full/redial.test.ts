/** Peers that cannot be connected, for long: rows N10, N12, N22 of the fault matrix. */
import { setTimeout as delay } from 'node:timers/promises'
import { beforeEach, expect, it } from '@jest/globals'
import type { Daemon } from '../daemons.ts'
import { arrives, equalRoots, inPhase, metOverP2p, put, statusOf } from '../federation.ts'
import { eventually } from '../eventually.ts'
import { hostsForRows } from '../hosts.ts'
import { between } from '../namespaces.ts'

const hex64 = /^[0-9a-f]{64}$/
const everywhere = [between(0, 1), between(0, 2), between(1, 2)].flat()
// Dialled as often as without any settings; each row cuts anew, and the latch against flapping is row N9's.
const hosts = hostsForRows(3, { LATTICE_REDIAL_MAX: '10s', LATTICE_FLAP_LIMIT: '1000/10m' })

/** Waits until all hosts.nodes are on P2P with all others; how long it took, in milliseconds. */
async function backOnP2p(limitMs: number): Promise<number> {
  const startedAt = performance.now()
  await eventually(
    'P2P carries again',
    async () => {
      const statuses = await Promise.all(hosts.nodes.map(statusOf))
      return statuses.every(({ phase, peer_count: peers }) => phase === 'P2P' && peers === 2)
    },
    limitMs,
  )
  return performance.now() - startedAt
}

hosts.rows('peers that cannot be connected', () => {
  beforeEach(async () => {
    hosts.network.cut()
    await metOverP2p(hosts.nodes)
  }, 90_000)

  it('N10: the connections to a peer that vanished without a farewell are gone within 20 s', async () => {
    const [one, two, three] = hosts.nodes as [Daemon, Daemon, Daemon]
    expect(hosts.network.connections(0, 1, 'p2p')).toBeGreaterThan(0)
    hosts.network.cut(...between(0, 1), ...between(1, 2))
    await two.kill()
    const vanishedAt = performance.now()
    for (const host of [0, 2])
      await eventually(
        `host ${host} has closed its connections`,
        () => hosts.network.connections(host, 1, 'p2p') === 0,
        60_000,
      )
    expect(performance.now() - vanishedAt).toBeLessThan(20_000)
    expect(await statusOf(one)).toMatchObject({ phase: 'P2P', peer_count: 1 })
    await put(one, 'n10', true)
    await arrives([three], 'n10', true)
    await two.start()
    hosts.network.cut()
    await backOnP2p(30_000)
    expect(await equalRoots(hosts.nodes)).toMatch(hex64)
  }, 150_000)

  it('N12: a reset for every connection: no peer is dialled more than once in 5 s, and P2P comes back', async () => {
    hosts.network.cut(...everywhere.map(cut => ({ ...cut, port: 'p2p' as const, how: 'reject' as const })))
    await Promise.all(hosts.nodes.map(node => inPhase(node, 'HTTP', 30_000)))
    await put(hosts.nodes[0] as Daemon, 'n12', 12)
    await arrives(hosts.nodes, 'n12', 12)
    const growing = 20_000
    await delay(growing)
    const counted = everywhere.map(({ from, to }) => hosts.network.dials(from, to))
    const seconds = 40
    await delay(seconds * 1000)
    const dials = everywhere.map(
      ({ from, to }, index) => hosts.network.dials(from, to) - (counted[index] ?? 0),
    )
    expect(Math.max(...dials)).toBeLessThanOrEqual(seconds / 5)
    // For ever, and by everybody.
    expect(Math.min(...dials)).toBeGreaterThanOrEqual(seconds / 10 - 1)
    hosts.network.cut()
    await backOnP2p(45_000)
    expect(await equalRoots(hosts.nodes)).toMatch(hex64)
  }, 180_000)

  it('N22: a long partition (compressed: forty timeouts): P2P is back within 15 s of the heal', async () => {
    hosts.network.cut(...everywhere)
    for (const [index, node] of hosts.nodes.entries()) await put(node, `n22/${index}`, index)
    await delay(120_000)
    for (const node of hosts.nodes)
      expect(await statusOf(node)).toMatchObject({ phase: 'NONE', peer_count: 0 })
    hosts.network.cut()
    expect(await backOnP2p(30_000)).toBeLessThan(15_000)
    for (const index of hosts.nodes.keys()) await arrives(hosts.nodes, `n22/${index}`, index)
    expect(await equalRoots(hosts.nodes)).toMatch(hex64)
  }, 240_000)
})

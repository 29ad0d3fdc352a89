/** Links that fail in part or in turns: rows N5, N7, N14 of the fault matrix. */
import { setTimeout as delay } from 'node:timers/promises'
import { beforeEach, expect, it } from '@jest/globals'
import type { Daemon } from '../daemons.ts'
import { arrives, equalRoots, inPhase, metOverP2p, put, statusOf } from '../federation.ts'
import { hostsForRows } from '../hosts.ts'
import { between } from '../namespaces.ts'
import type { Cut } from '../namespaces.ts'

const hex64 = /^[0-9a-f]{64}$/
const pairs = [
  [0, 1],
  [1, 2],
  [0, 2],
] as const
/** Patient enough for what the kernel sends again (from 200 ms on), and compressed five times and more. */
const hosts = hostsForRows(3, { LATTICE_HEARTBEAT_INTERVAL: '1s', LATTICE_PEERLESS_TIMEOUT: '6s' })

/** One cut between each two hosts, in both directions. */
function everywhere(cut: Omit<Cut, 'from' | 'to'>): readonly Cut[] {
  return pairs.flatMap(([a, b]) => between(a, b, cut))
}

/** How often each node has changed between P2P and HTTP since the given epochs. */
function changesSince(epochs: readonly number[]): Promise<number[]> {
  return Promise.all(
    hosts.nodes.map(async (node, index) => {
      const { transitions } = await node.client.getTransitions()
      const later = transitions.filter(({ epoch }) => epoch > (epochs[index] ?? 0))
      const steps = later.map(({ from, to }) => `${from}>${to}`)
      return steps.filter(step => step === 'GRACE>HTTP' || step === 'TRIAL>P2P').length
    }),
  )
}

async function lastEpoch(node: Daemon): Promise<number> {
  return (await node.client.getTransitions()).transitions.at(-1)?.epoch ?? 0
}

hosts.rows('links that fail in part', () => {
  beforeEach(async () => {
    hosts.network.cut()
    // A row must not inherit the hold-down and the latch of the one before.
    await Promise.all(hosts.nodes.map(node => node.stop()))
    await Promise.all(hosts.nodes.map(node => node.start()))
    await metOverP2p(hosts.nodes)
  }, 120_000)

  it('N14: with 1, 5 and 10 % of all packets lost P2P carries on and no mode changes; 30 % loses no write', async () => {
    const before = await Promise.all(hosts.nodes.map(lastEpoch))
    for (const percent of [1, 5, 10, 30]) {
      hosts.network.cut(...everywhere({ percent }))
      const seconds = percent === 30 ? 5 : 15
      for (let second = 0; second < seconds; second++) {
        for (const [index, node] of hosts.nodes.entries()) await put(node, `n14/${percent}/${index}`, second)
        await delay(1000)
        if (percent > 10) continue
        for (const node of hosts.nodes) expect(await statusOf(node)).toMatchObject({ sync_mode: 'P2P' })
      }
      for (const index of hosts.nodes.keys())
        await arrives(hosts.nodes, `n14/${percent}/${index}`, seconds - 1, percent > 10 ? 30_000 : 10_000)
      // Far fewer would mean that the link was whole.
      for (const host of hosts.nodes.keys())
        expect(hosts.network.lost(host)).toBeGreaterThanOrEqual(2 * percent)
      if (percent <= 10) expect(await changesSince(before)).toEqual([0, 0, 0])
    }
    hosts.network.cut()
    expect(await equalRoots(hosts.nodes)).toMatch(hex64)
  }, 180_000)

  it('N5: only replies vanish: every node finds out, HTTP carries all writes, P2P comes back', async () => {
    hosts.network.cut(...everywhere({ port: 'p2p', only: 'replies' }))
    for (const [index, node] of hosts.nodes.entries()) await put(node, `n5/${index}`, index)
    for (const index of hosts.nodes.keys()) await arrives(hosts.nodes, `n5/${index}`, index, 5000)
    await Promise.all(hosts.nodes.map(node => inPhase(node, 'HTTP', 15_000)))
    await put(hosts.nodes[0] as Daemon, 'n5/on-http', true)
    await arrives(hosts.nodes, 'n5/on-http', true, 5000)
    // Each pair has one connection, so at least two of three hosts serve one.
    const lost = [...hosts.nodes.keys()].map(host => hosts.network.lost(host))
    expect(lost.filter(count => count > 0).length).toBeGreaterThanOrEqual(2)
    hosts.network.cut()
    await metOverP2p(hosts.nodes)
    expect(await equalRoots(hosts.nodes)).toMatch(hex64)
  }, 90_000)

  it('N7: cuts that rotate every 10 s cause no storm: at most 6 changes of the mode each, and all agree after the heal', async () => {
    const before = await Promise.all(hosts.nodes.map(lastEpoch))
    const others = (host: number): readonly Cut[] =>
      pairs
        .filter(pair => pair.some(each => each === host))
        .flatMap(([a, b]) => between(a, b, { port: 'p2p' }))
    // A ring of majorities first; then each node in turn sees nobody over P2P, for longer than its patience.
    const rounds = [...pairs.map(([a, b]) => between(a, b)), ...[0, 1, 2, 0, 1, 2, 0].map(others)]
    for (const [round, cuts] of rounds.entries()) {
      hosts.network.cut(...cuts)
      await put(hosts.nodes[0] as Daemon, `n7/${round}`, round)
      await delay(10_000)
      const cutOff = [...new Set(cuts.map(({ from }) => from))]
      for (const host of cutOff) expect(hosts.network.lost(host)).toBeGreaterThan(0)
      // The ring leaves everybody a peer over P2P, and the mode alone.
      if (round < pairs.length) expect(await changesSince(before)).toEqual([0, 0, 0])
    }
    hosts.network.cut()
    for (const round of rounds.keys()) await arrives(hosts.nodes, `n7/${round}`, round)
    for (const changes of await changesSince(before)) {
      expect(changes).toBeGreaterThan(0)
      expect(changes).toBeLessThanOrEqual(6)
    }
    expect(await equalRoots(hosts.nodes)).toMatch(hex64)
  }, 240_000)
})

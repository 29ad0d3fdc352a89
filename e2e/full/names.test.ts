/** Names that change what they stand for: DNS looked up anew, and never believed (reliability N24). */
import { afterEach, expect, it } from '@jest/globals'
import type { Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { arrives, equalRoots, metOverP2p, put } from '../federation.ts'
import { rowOf, told } from '../http-world.ts'
import { hostsForRows } from '../hosts.ts'
import { between } from '../namespaces.ts'

const hosts = hostsForRows(3, { LATTICE_FLAP_LIMIT: '1000/10m' }, { named: true })

hosts.rows('a name', () => {
  afterEach(() => {
    hosts.network.rename(1, 1)
    hosts.network.cut()
  })

  it('that leads to another member: it is told from the peer on both lungs, and is no second way to it', async () => {
    const [one, two, three] = hosts.nodes as [Daemon, Daemon, Daemon]
    await metOverP2p(hosts.nodes)
    hosts.network.cut(...between(0, 1))
    hosts.network.rename(1, 2)
    await told(one, two, /another node answers at this address/, 60_000)
    expect(await rowOf(one, two)).toMatchObject({ path: 'none' })
    await eventually("its URL is nobody else's, and P2P names the wrong node", async () => {
      const { addresses, links } = await rowOf(one, two)
      const dialled = addresses.filter(({ last_error: error }) => /another node/.test(error ?? ''))
      if (addresses.length === 1 && dialled.length === 1 && links.http.state === 'down') return true
      throw new Error(JSON.stringify({ addresses, links }))
    })
    await put(one, 'n24', 1)
    await arrives([three], 'n24', 1)
    hosts.network.rename(1, 1)
    hosts.network.cut()
    await metOverP2p(hosts.nodes)
    await equalRoots(hosts.nodes)
  }, 180_000)

  it('that moves to another address is looked up again: both lungs come back there', async () => {
    const [one, two, three] = hosts.nodes as [Daemon, Daemon, Daemon]
    await metOverP2p(hosts.nodes)
    // The old address is dead for all who call it, and for what the host itself opens from there.
    hosts.network.cut({ from: 0, to: 1 }, { from: 2, to: 1 })
    const address = hosts.network.move(1)
    await put(two, 'moved', true)
    await arrives([one, three], 'moved', true, 30_000)
    await metOverP2p(hosts.nodes)
    // Whichever lung is first carries the write; the other one comes with its next probe.
    for (const host of [0, 2]) {
      for (const lung of ['p2p', 'http'] as const) {
        const speaks = (): boolean => hosts.network.connections(host, 1, lung, address) > 0
        expect(await eventually(`host${host} speaks to the new address over ${lung}`, speaks, 120_000)).toBe(
          true,
        )
      }
    }
    await equalRoots(hosts.nodes)
  }, 400_000)
})

/** Names that change what they stand for: DNS looked up anew, and never believed (reliability N24). */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { arrives, equalRoots, metOverP2p, put } from '../federation.ts'
import { reaches, rowOf, told } from '../http-world.ts'
import { HostNetwork, between, namespacesMissing } from '../namespaces.ts'

const missing = namespacesMissing()
if (missing !== undefined) process.stderr.write(`names are not tested: ${missing}\n`)
const world = new World()
let network: HostNetwork
let nodes: readonly Daemon[]

beforeAll(async () => {
  if (missing !== undefined) return
  network = await HostNetwork.open(world, 3, { LATTICE_FLAP_LIMIT: '1000/10m' }, { named: true })
  nodes = network.nodes
}, 60_000)

afterEach(() => {
  if (missing !== undefined) return
  network.rename(1, 1)
  network.cut()
})

afterAll(async () => {
  await (network as HostNetwork | undefined)?.close()
  await world.close()
})

const rows = missing === undefined ? describe : describe.skip

rows('a name', () => {
  it('that leads to another member: it is told from the peer on both lungs, and is no second way to it', async () => {
    const [one, two, three] = nodes as [Daemon, Daemon, Daemon]
    await metOverP2p(nodes)
    network.cut(...between(0, 1))
    network.rename(1, 2)
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
    network.rename(1, 1)
    network.cut()
    await metOverP2p(nodes)
    await equalRoots(nodes)
  }, 180_000)

  it('that moves to another address is looked up again: both lungs come back there', async () => {
    const [one, two, three] = nodes as [Daemon, Daemon, Daemon]
    await metOverP2p(nodes)
    // The old address is dead for all who call it, and for what the host itself opens from there.
    network.cut({ from: 0, to: 1 }, { from: 2, to: 1 })
    const address = network.move(1)
    await put(two, 'moved', true)
    await reaches(one, two, 30_000)
    await arrives([one, three], 'moved', true)
    await metOverP2p(nodes)
    for (const host of [0, 2]) expect(network.connections(host, 1, 'p2p', address)).toBeGreaterThan(0)
    await equalRoots(nodes)
  }, 180_000)
})

/** P2P goes and comes back: HTTP carries meanwhile, nothing is lost, and nobody has to do anything. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { arrives, equalRoots, inPhase, metOverP2p, put, statusOf } from '../federation.ts'
import { eventually } from '../eventually.ts'

const world = new World()
/** The pause of an open circuit (30 s), after which a peer that came back is tried again, and a margin. */
const httpAgainMs = 40_000
/** A peer whose URL has not been tried yet may be one that only dials out: believed for 35 s. */
const dialledOutMs = 40_000
let nodes: Daemon[]
let one: Daemon
let two: Daemon
let three: Daemon

beforeAll(async () => {
  nodes = await world.federation(3)
  ;[one, two, three] = nodes as [Daemon, Daemon, Daemon]
  await metOverP2p(nodes)
}, 60_000)

afterAll(() => world.close())

describe('P2P is switched off by the operator', () => {
  it('HTTP carries at once, writes on all sides meet, and auto finds its way back', async () => {
    for (const node of nodes) await node.client.switchMode({ query: { mode: 'http', reason: 'rehearsal' } })
    for (const node of nodes) {
      expect(await statusOf(node)).toMatchObject({ sync_mode: 'HTTP', phase: 'FORCED', mode: 'http' })
    }
    await Promise.all(nodes.map(node => put(node, `forced/${node.name}`, node.name)))
    for (const node of nodes) await arrives(nodes, `forced/${node.name}`, node.name)
    await equalRoots(nodes)
    const { peers } = await one.client.getPeers()
    expect(peers.map(({ path }) => path)).toEqual(['http', 'http'])
    for (const node of nodes) await node.client.switchMode({ query: { mode: 'auto' } })
    await metOverP2p(nodes)
  }, 60_000)
})

describe('a peer process is killed', () => {
  it('the others go on over P2P, and it catches up with all of it as soon as it is back', async () => {
    await three.kill()
    const isToldLost = async (): Promise<boolean> => {
      const { peers } = await one.client.getPeers()
      return peers.some(peer => peer.path === 'none' && peer.node_id === three.plan.identity.publicKey)
    }
    await eventually('the loss is told', isToldLost, dialledOutMs)
    await put(one, 'while-gone/one', 1)
    await put(two, 'while-gone/two', 2)
    await arrives([one, two], 'while-gone/two', 2)
    expect(await statusOf(one)).toMatchObject({ phase: 'P2P', peer_count: 1 })
    await three.start()
    await arrives([three], 'while-gone/two', 2)
    await metOverP2p(nodes)
    await equalRoots(nodes)
  }, 90_000)
})

describe('every peer loses P2P', () => {
  it('HTTP is declared and carries writes of all sides; P2P is taken again by itself once it is there', async () => {
    await Promise.all([two.kill(), three.kill()])
    await put(one, 'outage/one', 'written while nobody answers')
    await Promise.all([two, three].map(node => node.start({ LATTICE_P2P_ENABLED: 'false' })))
    const status = await inPhase(one, 'HTTP')
    expect(status).toMatchObject({ sync_mode: 'HTTP', mode: 'auto', peer_count: 0 })
    expect(status.reason).toContain('no P2P peer')
    await put(two, 'outage/two', 2)
    await put(three, 'outage/three', 3)
    await arrives(nodes, 'outage/one', 'written while nobody answers')
    await arrives(nodes, 'outage/two', 2)
    await arrives(nodes, 'outage/three', 3)
    await equalRoots(nodes)
    expect(await statusOf(two)).toMatchObject({ enabled: false, started: false, sync_mode: 'HTTP' })
    await expect(two.client.switchMode({ query: { mode: 'p2p' } })).rejects.toMatchObject({
      code: 'MODE_IMPOSSIBLE',
      status: 409,
    })

    await eventually(
      'node 1 reaches both over HTTP',
      async () => {
        const { peers } = await one.client.getPeers()
        const down = peers.filter(({ links }) => links.http.state !== 'up')
        if (down.length === 0) return true
        throw new Error(JSON.stringify(down))
      },
      httpAgainMs,
    )
    // Node 3 stays, so that HTTP never fails and P2P has to prove itself beside it.
    const returnToP2p = async (node: Daemon): Promise<void> => {
      expect(await node.stop()).toBe(0)
      await node.start({ LATTICE_P2P_ENABLED: 'true' })
    }
    await returnToP2p(two)
    await inPhase(one, 'TRIAL')
    await put(one, 'outage/trial', true)
    await arrives([two, three], 'outage/trial', true)
    await inPhase(one, 'P2P', 30_000)
    const { transitions } = await one.client.getTransitions()
    const steps = transitions.slice(-2).map(({ from, to }) => `${from}>${to}`)
    expect(steps).toEqual(['HTTP>TRIAL', 'TRIAL>P2P'])
    await returnToP2p(three)
    await metOverP2p(nodes)
    await put(one, 'outage/over', true)
    await arrives([two, three], 'outage/over', true)
    await equalRoots(nodes)
  }, 120_000)
})

/** Real partitions, the short ones: rows N2, N4, N9, T7 of the fault matrix (docs/reliability.md). */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { setTimeout as delay } from 'node:timers/promises'
import { World } from './daemons.ts'
import type { Daemon } from './daemons.ts'
import { arrives, equalRoots, inPhase, metOverP2p, put, statusOf } from './federation.ts'
import { HostNetwork, between, namespacesMissing } from './namespaces.ts'

const missing = namespacesMissing()
// The gate never skips these rows: a machine that cannot test them has not passed.
if (missing !== undefined && process.env['CI'] === 'true')
  throw new Error(`partitions cannot be tested: ${missing}`)
if (missing !== undefined) process.stderr.write(`partitions are not tested: ${missing}\n`)
const world = new World()
const hex64 = /^[0-9a-f]{64}$/
let network: HostNetwork
let one: Daemon
let two: Daemon

beforeAll(async () => {
  if (missing !== undefined) return
  network = await HostNetwork.open(world, 2, { LATTICE_FLAP_LIMIT: '100/10m' })
  ;[one, two] = network.nodes as [Daemon, Daemon]
  await metOverP2p(network.nodes)
}, 60_000)

afterAll(async () => {
  await (network as HostNetwork | undefined)?.close()
  await world.close()
})

const rows = missing === undefined ? describe : describe.skip

rows('partitions', () => {
  it('N2: the P2P port is cut in silence: no write waits for a verdict, HTTP is declared, P2P comes back', async () => {
    network.cut(...between(0, 1, { port: 'p2p' }))
    await put(one, 'n2/first', 1)
    expect(await arrives([two], 'n2/first', 1)).toBeLessThan(5000)
    await inPhase(one, 'HTTP', 15_000)
    await inPhase(two, 'HTTP', 15_000)
    await put(two, 'n2/second', 2)
    expect(await arrives([one], 'n2/second', 2)).toBeLessThan(2000)
    network.cut()
    await Promise.all([one, two].map(node => inPhase(node, 'P2P', 40_000)))
    expect(await equalRoots([one, two])).toMatch(hex64)
  }, 90_000)

  it('T7: a stopped and continued process accuses nobody and is back within 15 s', async () => {
    await metOverP2p([one, two])
    const before = (await one.client.getTransitions()).count
    one.signal('SIGSTOP')
    const paused = 4000
    await put(two, 't7', 'while it slept')
    await delay(paused)
    one.signal('SIGCONT')
    expect(await arrives([one], 't7', 'while it slept')).toBeLessThan(15_000)
    await metOverP2p([one, two])
    const { transitions } = await one.client.getTransitions()
    expect(transitions.slice(before).filter(({ to }) => to === 'HTTP' || to === 'NONE')).toEqual([])
  }, 60_000)

  it('N4: packets of one direction vanish: both sides find out and nothing is lost', async () => {
    await metOverP2p([one, two])
    network.cut({ from: 0, to: 1, port: 'p2p' })
    await put(one, 'n4/one', 1)
    await put(two, 'n4/two', 2)
    await Promise.all([arrives([two], 'n4/one', 1), arrives([one], 'n4/two', 2)])
    await Promise.all([one, two].map(node => inPhase(node, 'HTTP', 15_000)))
    expect(await equalRoots([one, two])).toMatch(hex64)
    network.cut()
    await Promise.all([one, two].map(node => inPhase(node, 'P2P', 40_000)))
  }, 90_000)

  it('N9: a flapping link changes the mode a few times, then HTTP is kept, and every write arrives', async () => {
    const changesMax = 4
    const flapping = {
      LATTICE_HEARTBEAT_INTERVAL: '200ms',
      LATTICE_PEERLESS_TIMEOUT: '1s',
      LATTICE_P2P_STABLE_AFTER: '200ms',
      LATTICE_HOLD_DOWN: '200ms',
      LATTICE_HOLD_DOWN_MAX: '1s',
      LATTICE_FLAP_LIMIT: `${changesMax}/10m`,
    }
    await Promise.all([one, two].map(node => node.stop()))
    await Promise.all([one, two].map(node => node.start(flapping)))
    await metOverP2p([one, two])
    for (let round = 0; round < 4; round++) {
      network.cut(...between(0, 1, { port: 'p2p' }))
      await put(one, `n9/${round}`, round)
      expect(await arrives([two], `n9/${round}`, round)).toBeLessThan(10_000)
      await inPhase(one, 'HTTP')
      network.cut()
      if (round === 0) await inPhase(one, 'P2P')
      else await delay(2000)
    }
    for (const node of [one, two]) {
      const { transitions } = await node.client.getTransitions()
      const changes = transitions.filter(
        ({ from, to }) => `${from}>${to}` === 'GRACE>HTTP' || `${from}>${to}` === 'TRIAL>P2P',
      )
      expect(changes.length).toBeLessThanOrEqual(changesMax)
    }
    expect(await statusOf(one)).toMatchObject({ phase: 'HTTP', sync_mode: 'HTTP' })
    expect(await equalRoots([one, two])).toMatch(hex64)
  }, 90_000)
})

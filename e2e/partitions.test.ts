/** Real partitions, the short ones: rows N2, N4, N9, T7 of the fault matrix (docs/reliability.md). */
import { beforeAll, expect, it } from '@jest/globals'
import { setTimeout as delay } from 'node:timers/promises'
import type { Daemon } from './daemons.ts'
import { arrives, equalRoots, inPhase, metOverP2p, put, statusOf } from './federation.ts'
import { hostsForRows } from './hosts.ts'
import { between } from './namespaces.ts'

const hex64 = /^[0-9a-f]{64}$/
const hosts = hostsForRows(2, { LATTICE_FLAP_LIMIT: '100/10m' })
let one: Daemon
let two: Daemon

hosts.rows('partitions', () => {
  beforeAll(async () => {
    ;[one, two] = hosts.nodes as [Daemon, Daemon]
    await metOverP2p(hosts.nodes)
  }, 60_000)

  it('N2: the P2P port is cut in silence: no write waits for a verdict, HTTP is declared, P2P comes back', async () => {
    hosts.network.cut(...between(0, 1, { port: 'p2p' }))
    await put(one, 'n2/first', 1)
    expect(await arrives([two], 'n2/first', 1)).toBeLessThan(5000)
    await inPhase(one, 'HTTP', 15_000)
    await inPhase(two, 'HTTP', 15_000)
    await put(two, 'n2/second', 2)
    expect(await arrives([one], 'n2/second', 2)).toBeLessThan(2000)
    hosts.network.cut()
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
    hosts.network.cut({ from: 0, to: 1, port: 'p2p' })
    await put(one, 'n4/one', 1)
    await put(two, 'n4/two', 2)
    await Promise.all([arrives([two], 'n4/one', 1), arrives([one], 'n4/two', 2)])
    await Promise.all([one, two].map(node => inPhase(node, 'HTTP', 15_000)))
    expect(await equalRoots([one, two])).toMatch(hex64)
    hosts.network.cut()
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
      hosts.network.cut(...between(0, 1, { port: 'p2p' }))
      await put(one, `n9/${round}`, round)
      expect(await arrives([two], `n9/${round}`, round)).toBeLessThan(10_000)
      await inPhase(one, 'HTTP')
      hosts.network.cut()
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

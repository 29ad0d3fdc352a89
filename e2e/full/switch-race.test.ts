/** The operator switches while the machine switches by itself (reliability O1). */
import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, expect, it } from '@jest/globals'
import type { Daemon } from '../daemons.ts'
import { metOverP2p, statusOf } from '../federation.ts'
import { hostsForRows } from '../hosts.ts'
import { between } from '../namespaces.ts'

/** Every few rounds the machine moves by itself. */
const restless = {
  LATTICE_HEARTBEAT_INTERVAL: '100ms',
  LATTICE_PEERLESS_TIMEOUT: '300ms',
  LATTICE_P2P_STABLE_AFTER: '100ms',
  LATTICE_HOLD_DOWN: '100ms',
  LATTICE_HOLD_DOWN_MAX: '100ms',
  LATTICE_FLAP_LIMIT: '1000/10m',
}
const hosts = hostsForRows(2, restless)
const rounds = 10_000
/** The history keeps a thousand steps; it is read well before it forgets. */
const roundsPerLook = 100
const modes = ['http', 'p2p', 'auto'] as const

/** What may follow what (docs/modes.md). */
const lawful: Readonly<Record<string, readonly string[]>> = {
  NONE: ['P2P', 'HTTP', 'FORCED'],
  P2P: ['GRACE', 'HTTP', 'NONE', 'FORCED'],
  GRACE: ['P2P', 'HTTP', 'NONE', 'FORCED'],
  HTTP: ['P2P', 'NONE', 'TRIAL', 'FORCED'],
  TRIAL: ['P2P', 'HTTP', 'FORCED'],
  FORCED: ['P2P', 'HTTP', 'NONE', 'FORCED'],
}

type Step = Awaited<ReturnType<Daemon['client']['getTransitions']>>['transitions'][number]

hosts.rows('the operator', () => {
  beforeAll(() => metOverP2p(hosts.nodes), 60_000)

  it('O1: 10,000 switches amid automatic changes: every step is lawful, none is lost, the last one accepted holds', async () => {
    const [one] = hosts.network.nodes as [Daemon, Daemon]
    const steps = new Map<number, Step>()
    const look = async (): Promise<void> => {
      for (const step of (await one.client.getTransitions()).transitions) steps.set(step.epoch, step)
    }
    let racing = true
    const weather = (async () => {
      for (let turn = 0; racing; turn++) {
        hosts.network.cut(...(turn % 2 === 0 ? between(0, 1, { port: 'p2p' }) : []))
        await delay(700)
      }
    })()
    try {
      for (let round = 0; round < rounds; round += 2) {
        const both = [round, round + 1].map(each => modes[each % 3] ?? 'auto')
        await Promise.all(both.map(mode => one.client.switchMode({ query: { mode } })))
        if (round % roundsPerLook !== 0) continue
        // Left alone for a moment in auto, the machine moves by itself.
        await one.client.switchMode({ query: { mode: 'auto' } })
        await delay(400)
        await look()
      }
    } finally {
      racing = false
      await weather
    }
    await one.client.switchMode({ query: { mode: 'http', reason: 'the last word' } })
    await look()
    expect(await statusOf(one)).toMatchObject({ mode: 'http', phase: 'FORCED', reason: 'the last word' })
    const all = [...steps.values()].sort((a, b) => a.epoch - b.epoch)
    const own = all.filter(({ trigger }) => trigger === 'watchdog')
    expect(own.length).toBeGreaterThan(30)
    expect(all.length).toBeGreaterThan(rounds / 3)
    all.forEach(({ epoch, from, to }, index) => {
      expect(epoch).toBe(index + 1)
      if (index > 0) expect(from).toBe(all[index - 1]?.to)
      expect(lawful[from]).toContain(to)
    })
  }, 300_000)
})

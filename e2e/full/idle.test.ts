/** What two nodes in sync cost each other over HTTP when nothing changes. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, describe, expect, it } from '@jest/globals'
import { startChaosWire } from '../chaos-wire.ts'
import { World } from '../daemons.ts'
import { arrives, inPhase, put } from '../federation.ts'

const world = new World()

afterAll(() => world.close())

/** One poll with headers and signatures, both ways, and how long it holds. */
const poll = { bytesMax: 1400, heldS: 25 }

describe('a poll when nothing has changed', () => {
  it('costs at most 1400 bytes, comes once in 25 s, and needs no new connection', async () => {
    const httpOnly = { LATTICE_P2P_ENABLED: 'false', LATTICE_NODES: '' }
    const [caller, server] = await world.federation(2, { start: 0, settings: httpOnly })
    if (caller === undefined || server === undefined) throw new Error('two nodes')
    const wire = await startChaosWire(Number(new URL(server.url).port))
    try {
      await server.start()
      await caller.start({ LATTICE_NODES: `http://127.0.0.1:${wire.port}` })
      await inPhase(caller, 'HTTP')
      await put(server, 'last', 1)
      await arrives([caller], 'last', 1)
      // The acknowledgement, and the poll that follows it.
      await delay(3_000)
      const before = { bytes: wire.passedBytes, connections: wire.connections }
      await delay(2.5 * poll.heldS * 1000)
      const bytes = wire.passedBytes - before.bytes
      expect(wire.connections).toBe(before.connections)
      // Two polls end in this time and one more begins.
      expect(bytes).toBeLessThanOrEqual(3 * poll.bytesMax)
      expect(bytes).toBeGreaterThan(poll.bytesMax)
    } finally {
      await wire.close()
    }
  }, 180_000)
})

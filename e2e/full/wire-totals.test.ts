/** What it costs on the wire, headers and signatures included, to fill a node and to catch up over HTTP. */
import { afterAll, describe, expect, it } from '@jest/globals'
import { startChaosWire } from '../chaos-wire.ts'
import { World } from '../daemons.ts'
import { arrives, equalRoots, inPhase } from '../federation.ts'

const world = new World()

afterAll(() => world.close())

const filled = { count: 3000, perTransaction: 1000 }
const later = 100
/** Characters of a key and of a value. */
const [keyLength, valueLength] = [12, 300]
/** Key, value as CBOR, signature: what an entry cannot do without. */
const payloadBytes = keyLength + 3 + valueLength + 64
/** An exchange with headers and signatures, both ways. */
const exchangeBytes = 1400

function keyOf(number: number): string {
  return String(number).padStart(keyLength, 'k')
}

function valueAt(number: number): string {
  return String(number).padStart(valueLength, '.')
}

function puts(first: number, count: number): { op: 'put'; key: string; value: string }[] {
  return Array.from({ length: count }, (_, at) => ({
    op: 'put',
    key: keyOf(first + at),
    value: valueAt(first + at),
  }))
}

describe('over HTTP, through a proxy that counts every byte', () => {
  it('a node is filled for at most 1.15 times the payload, and 100 entries come for theirs and two exchanges', async () => {
    const httpOnly = { LATTICE_P2P_ENABLED: 'false', LATTICE_NODES: '' }
    const [taker, giver] = await world.federation(2, { start: 0, settings: httpOnly })
    if (taker === undefined || giver === undefined) throw new Error('two nodes')
    const wire = await startChaosWire(Number(new URL(giver.url).port))
    try {
      await giver.start()
      for (let first = 0; first < filled.count; first += filled.perTransaction)
        await giver.client.transact({ body: { operations: puts(first, filled.perTransaction) } })
      await taker.start({ LATTICE_NODES: `http://127.0.0.1:${wire.port}` })
      await inPhase(taker, 'HTTP')
      await arrives([taker], keyOf(filled.count - 1), valueAt(filled.count - 1))
      await equalRoots([taker, giver])
      const fill = wire.passedBytes
      console.info('filled:', { bytes: fill, payload: filled.count * payloadBytes })
      expect(fill).toBeGreaterThan(filled.count * (payloadBytes - 64))
      expect(fill).toBeLessThanOrEqual(1.15 * filled.count * payloadBytes)
      await giver.client.transact({ body: { operations: puts(filled.count, later) } })
      await arrives([taker], keyOf(filled.count + later - 1), valueAt(filled.count + later - 1))
      await equalRoots([taker, giver])
      const more = wire.passedBytes - fill
      console.info('caught up:', { bytes: more, payload: later * payloadBytes })
      expect(more).toBeLessThanOrEqual(1.15 * later * payloadBytes + 3 * exchangeBytes)
    } finally {
      await wire.close()
    }
  }, 120_000)
})

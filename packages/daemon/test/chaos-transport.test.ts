/** The scissors of `lattice up --chaos`: invisible while open, silent when they cut. */
import { describe, expect, it } from '@jest/globals'
import type { Inbox, NodeId } from '@lattice/core'
import { createMemoryNetwork, transportSuite } from '@lattice/core/testing'

import { isChaosOrder, withChaos } from '../src/chaos-transport.ts'

const idOf = (digit: number): NodeId => digit.toString(16).padStart(64, '0') as NodeId

transportSuite('scissors that have not cut', async count => {
  const network = createMemoryNetwork()
  const unreachable = idOf(200)
  const ids = Array.from({ length: count }, (_, index) => idOf(index + 1))
  const trusted = new Set([...ids, unreachable])
  network.join(unreachable)
  const members = ids.map(nodeId => ({
    nodeId,
    transport: withChaos(network.join(nodeId, trusted)).transport,
  }))
  const outsider = { nodeId: idOf(201), transport: network.join(idOf(201)) }
  const close = async (): Promise<void> => {
    for (const { transport } of [...members, outsider]) await transport.stop()
  }
  return { members, unreachable, outsider, close }
})

describe('a cut', () => {
  it('swallows what is sent and received, what is under way too, and tells nobody', async () => {
    const network = createMemoryNetwork()
    const [mine, theirs] = [idOf(1), idOf(2)]
    const scissors = withChaos(network.join(mine))
    const other = network.join(theirs)
    const told: string[] = []
    let release = (): void => undefined
    const inboxOf = (name: string): Inbox => ({
      peerUp: () => undefined,
      peerDown: () => void told.push(`${name}: down`),
      announced: (_from, frame) => void told.push(`${name}: ${frame[0]}`),
      serve: async (_from, frame) => {
        if (frame[0] === 0) await new Promise<void>(resolve => (release = resolve))
        return frame
      },
    })
    await scissors.transport.start(inboxOf('mine'))
    await other.start(inboxOf('theirs'))
    await scissors.transport.connect(theirs, soon())
    const underWay = scissors.transport.request(theirs, Uint8Array.of(0), briefly())
    await Promise.resolve()
    scissors.cut()
    release()
    const lost = { code: 'PEER_TIMEOUT' }
    await expect(underWay).rejects.toMatchObject(lost)
    await expect(scissors.transport.request(theirs, Uint8Array.of(1), briefly())).rejects.toMatchObject(lost)
    await expect(other.request(mine, Uint8Array.of(1), briefly())).rejects.toMatchObject(lost)
    await expect(scissors.transport.connect(theirs, briefly())).rejects.toMatchObject(lost)
    await scissors.transport.announce(Uint8Array.of(2))
    await other.announce(Uint8Array.of(3))
    scissors.heal()
    await scissors.transport.announce(Uint8Array.of(4))
    await other.announce(Uint8Array.of(5))
    expect([...(await scissors.transport.request(theirs, Uint8Array.of(6), soon()))]).toEqual([6])
    expect(told).toEqual(['theirs: 4', 'mine: 5'])
    scissors.cut()
    const hanging = scissors.transport.request(theirs, Uint8Array.of(7), soon())
    const refused = expect(hanging).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    await scissors.transport.stop()
    await refused
    await other.stop()
  })

  it('is ordered by nothing but an order', () => {
    expect([{ chaos: 'cut' }, { chaos: 'heal' }].every(isChaosOrder)).toBe(true)
    expect([undefined, null, 'cut', {}, { chaos: 'stop' }, ['cut']].some(isChaosOrder)).toBe(false)
  })
})

function briefly(): AbortSignal {
  return AbortSignal.timeout(20)
}

function soon(): AbortSignal {
  return AbortSignal.timeout(5000)
}

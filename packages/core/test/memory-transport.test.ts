import { describe, expect, it } from '@jest/globals'
import type { Inbox, NodeId } from '@lattice/core'
import { createMemoryNetwork, transportSuite } from '@lattice/core/testing'

const idOf = (digit: number) => digit.toString(16).padStart(64, '0') as NodeId

transportSuite('memory', async count => {
  const network = createMemoryNetwork()
  const unreachable = idOf(200)
  const ids = Array.from({ length: count }, (_, i) => idOf(i + 1))
  const trusted = new Set([...ids, unreachable])
  network.join(unreachable)
  const members = ids.map(nodeId => ({ nodeId, transport: network.join(nodeId, trusted) }))
  const outsider = { nodeId: idOf(201), transport: network.join(idOf(201)) }
  return {
    members,
    unreachable,
    outsider,
    close: async () => {
      for (const { transport } of [...members, outsider]) await transport.stop()
    },
  }
})

describe('memory network', () => {
  const downs: NodeId[] = []
  const heard: number[] = []
  const inbox: Inbox = {
    peerUp: () => {},
    peerDown: peer => void downs.push(peer),
    announced: (_, frame) => void heard.push(frame[0] ?? -1),
    serve: async (_, frame) => frame,
  }

  it('a cut link loses everything one way until it is healed', async () => {
    const network = createMemoryNetwork()
    const a = network.join(idOf(1))
    const b = network.join(idOf(2))
    await a.start(inbox)
    await b.start(inbox)
    await a.connect(idOf(2), new AbortController().signal)
    network.cut(idOf(1), idOf(2))
    await a.announce(Uint8Array.of(1))
    const lost = a.request(idOf(2), Uint8Array.of(1), AbortSignal.timeout(20))
    await expect(lost).rejects.toMatchObject({ code: 'PEER_TIMEOUT' })
    const answerLost = b.request(idOf(1), Uint8Array.of(1), AbortSignal.timeout(20))
    await expect(answerLost).rejects.toMatchObject({ code: 'PEER_TIMEOUT' })
    await expect(a.connect(idOf(2), AbortSignal.timeout(20))).rejects.toMatchObject({ code: 'PEER_TIMEOUT' })
    expect(downs).toEqual([])
    network.heal(idOf(1), idOf(2))
    await a.announce(Uint8Array.of(2))
    expect([...(await a.request(idOf(2), Uint8Array.of(7), AbortSignal.timeout(20)))]).toEqual([7])
    expect(heard).toEqual([2])
    await b.stop()
    expect(downs).toEqual([idOf(2)])
    await a.stop()
  })
})

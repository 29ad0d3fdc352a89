/** What the operator is told about each address of a peer: why it does not work, and nothing once it does. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import type { Inbox, NodeId } from '@lattice/core'
import { createP2pTransport, nodeIdFromPeerId, type P2pTransport } from '@lattice/p2p'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const inbox: Inbox = {
  peerUp: () => undefined,
  peerDown: () => undefined,
  announced: () => undefined,
  serve: async (_from, frame) => frame,
}

interface Made {
  readonly transport: P2pTransport
  readonly nodeId: NodeId
}

function make(seedByte: number, trusted: readonly NodeId[], bootstrap: readonly string[]): Made {
  const privateKeySeed = new Uint8Array(32).fill(seedByte)
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const shared = { privateKeySeed, listen, announce: [], topic: 'test/lattice/v1' }
  const transport = createP2pTransport({ ...shared, trusted: new Set(trusted), bootstrap })
  cleanups.push(() => transport.stop())
  return { transport, nodeId: nodeIdFromPeerId(transport.peerId) }
}

const soon = (): AbortSignal => AbortSignal.timeout(8000)

/** An HTTP server that answers every WebSocket with `status`. */
async function refusing(status: number): Promise<number> {
  const server = createServer((_request, response) => response.writeHead(status).end())
  server.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  cleanups.push(() => new Promise(resolve => server.close(resolve)))
  return (server.address() as AddressInfo).port
}

describe('a WebSocket that does not open', () => {
  it.each([
    [403, 'PEER_REFUSED', 'a proxy before the peer refuses the WebSocket'],
    [404, 'PEER_UNREACHABLE', 'no WebSocket at this address'],
    [302, 'PEER_REFUSED', 'redirects'],
    [503, 'PEER_ASLEEP', 'asleep'],
    [502, 'PEER_UNREACHABLE', 'not the peer'],
  ])('says what the host answered: %i', async (status, code, sentence) => {
    const peer = make(1, [], [])
    const address = `/ip4/127.0.0.1/tcp/${await refusing(status)}/ws/p2p/${peer.transport.peerId}`
    const asker = make(2, [peer.nodeId], [address])
    await asker.transport.start(inbox)
    const message: unknown = expect.stringContaining(sentence)
    await expect(asker.transport.connect(peer.nodeId, soon())).rejects.toMatchObject({ code, message })
    expect(asker.transport.addresses(peer.nodeId)).toEqual([{ address, lastError: message }])
  })

  it('says that nothing listens', async () => {
    const port = await refusing(200)
    await cleanups.pop()?.()
    const peer = make(1, [], [])
    const asker = make(2, [peer.nodeId], [`/ip4/127.0.0.1/tcp/${port}/ws/p2p/${peer.transport.peerId}`])
    await asker.transport.start(inbox)
    const message: unknown = expect.stringContaining('nothing listens')
    await expect(asker.transport.connect(peer.nodeId, soon())).rejects.toMatchObject({ message })
  })
})

describe('the last error of an address', () => {
  it('is gone once the peer is connected, also where the peer dialled', async () => {
    const port = await refusing(404)
    const early = make(1, [], [])
    const late = make(2, [early.nodeId], [])
    const stale = `/ip4/127.0.0.1/tcp/${port}/ws/p2p/${late.transport.peerId}`
    await early.transport.stop()
    const { transport } = make(1, [late.nodeId], [stale])
    await transport.start(inbox)
    await expect(transport.connect(late.nodeId, soon())).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    expect(transport.addresses(late.nodeId)[0]?.lastError).toContain('no WebSocket')

    const [address = ''] = transport.listenAddrs()
    const caller = make(2, [early.nodeId], [address])
    await caller.transport.start(inbox)
    await caller.transport.connect(early.nodeId, soon())
    expect([...(await caller.transport.request(early.nodeId, Uint8Array.of(1), soon()))]).toEqual([1])
    // The address by which it was dialled has answered; of its own it has proven none.
    expect(caller.transport.addresses(early.nodeId)).toContainEqual({
      address: expect.stringContaining(address),
      answered: true,
    })
    for (const each of transport.addresses(late.nodeId)) expect(Object.keys(each)).toEqual(['address'])
  })
})

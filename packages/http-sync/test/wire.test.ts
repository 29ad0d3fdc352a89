/** What travels: bytes counted, connections reused and cut, announces. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { frameBytesMax } from '@lattice/core'
import { closeServer, listen, newClock, newSigner } from './harness.ts'
import { cleanups, closeAll, failureOf, frame, impostor, openClient, openPair, patience } from './nodes.ts'
import { openProxy } from './tcp-proxy.ts'

afterEach(closeAll)

/** The request of a poll with a 100-byte frame to 127.0.0.1, without the digits of the port. */
const REQUEST_BYTES = 767
/** Its answer by a bare Node server: with Date, Connection and Keep-Alive. */
const RESPONSE_BYTES = 598

describe('on the wire', () => {
  it('a signed poll of 100 bytes each way costs at most 1400 bytes, on one kept connection', async () => {
    const { a, b, heardByB } = await openPair()
    const proxy = await openProxy(b.url)
    const { transport } = await openClient([proxy.url], b.nodeId, { signer: a.signer })
    await transport.connect(b.nodeId, patience())
    proxy.up = proxy.down = 0
    await transport.request(b.nodeId, frame, patience())
    const once = [proxy.up, proxy.down]
    for (let i = 0; i < 4; i++) await transport.request(b.nodeId, frame, patience())
    expect([proxy.up, proxy.down]).toEqual(once.map(bytes => bytes * 5))
    expect(once).toEqual([REQUEST_BYTES + String(proxy.port).length, RESPONSE_BYTES])
    expect(proxy.up / 5 + proxy.down / 5).toBeLessThanOrEqual(1400)
    expect([proxy.connections, heardByB.served.length]).toEqual([1, 5])
  })

  it('a kept connection that the other end closes as it is used again costs no error', async () => {
    const { a, b, heardByB } = await openPair()
    const proxy = await openProxy(b.url)
    const { transport } = await openClient([proxy.url], b.nodeId, { signer: a.signer })
    await transport.connect(b.nodeId, patience())
    proxy.cutNextRequest = true
    expect(await transport.request(b.nodeId, frame, patience())).toEqual(frame.toReversed())
    expect([proxy.cuts, heardByB.served.length]).toEqual([1, 1])
  })

  it('a new connection that is closed is an error at once: there is no second try', async () => {
    const { a, b } = await openPair()
    const proxy = await openProxy(b.url)
    const { transport } = await openClient([proxy.url], b.nodeId, { signer: a.signer })
    await transport.connect(b.nodeId, patience())
    proxy.dropIdle()
    proxy.cutEvery = true
    const failure = await failureOf(transport.request(b.nodeId, frame, patience()))
    expect([failure.code, proxy.cuts <= 2]).toEqual(['PEER_UNREACHABLE', true])
  })

  it('a kept connection that is cut while a held request waits is an error, and tells how long it held', async () => {
    const [peer, clock] = [newSigner(), newClock()]
    let asked = 0
    const patienceOfProxyMs = 20_000
    const cut = impostor(peer, res => {
      asked++
      clock.monoOffsetMs += patienceOfProxyMs
      res.socket?.destroy()
    })
    const { server, url } = await listen(cut)
    cleanups.push(() => closeServer(server))
    const { transport } = await openClient([url], peer.nodeId, { clock })
    await transport.connect(peer.nodeId, patience())
    const failure = await failureOf(transport.request(peer.nodeId, frame, patience()))
    expect([failure.code, asked]).toEqual(['PEER_UNREACHABLE', 1])
  })

  it('an announce reaches the peer signed, and its loss concerns nobody', async () => {
    const { a, b, heardByA, heardByB } = await openPair()
    await a.transport.connect(b.nodeId, patience())
    await a.transport.announce(frame)
    while (heardByB.announced.length === 0) await new Promise(resolve => setImmediate(resolve))
    expect([heardByB.announced, heardByB.served, heardByA.announced]).toEqual([[frame], [], []])
    await closeServer(b.server)
    await a.transport.announce(frame)
    await a.transport.stop()
    expect(heardByA.down).toEqual([])
  })

  it('a frame beyond the limit leaves this node not at all', async () => {
    const { a, b } = await openPair()
    await a.transport.connect(b.nodeId, patience())
    const work = a.transport.request(b.nodeId, new Uint8Array(frameBytesMax + 1), patience())
    expect((await failureOf(work)).message).toContain(String(frameBytesMax))
  })
})

/** Who is a peer, and where: the HTTP lung on real sockets, with clocks that differ and nodes that lie. */
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { createHttpSyncTransport, identityPath } from '../src/index.ts'
import {
  closeServer,
  deadUrl,
  hash,
  listen,
  newClock,
  newSigner,
  openNode,
  random,
  readBody,
  serveWith,
  verifySignature,
  type TestNode,
} from './harness.ts'
import {
  answer,
  cleanups,
  closeAll,
  failureOf,
  frame,
  impostor,
  newInbox,
  openAgainst,
  openClient,
  openPair,
  patience,
} from './nodes.ts'
import { closeTcp, openProxy } from './tcp-proxy.ts'

afterEach(closeAll)

describe('clocks', () => {
  it.each([-36_000_000, 36_000_000])('nodes whose clocks differ by %i ms sync, both ways', async offsetMs => {
    const { a, b, heardByA, heardByB } = await openPair(offsetMs)
    for (const [from, to] of [[a, b] as const, [b, a] as const]) {
      await from.transport.connect(to.nodeId, patience())
      for (let i = 0; i < 3; i++)
        expect(await from.transport.request(to.nodeId, frame, patience())).toEqual(frame.toReversed())
    }
    expect([heardByA.served.length, heardByB.served.length]).toEqual([3, 3])
  })

  it('a clock that jumps between two requests is no error', async () => {
    const { a, b } = await openPair()
    await a.transport.connect(b.nodeId, patience())
    a.clock.wallOffsetMs -= 7_200_000
    expect(await a.transport.request(b.nodeId, frame, patience())).toEqual(frame.toReversed())
  })

  it('a server that restarts on the same URL is asked again without an error', async () => {
    const peer = newSigner()
    const client = newSigner()
    const build = () =>
      createHttpSyncTransport({
        signer: peer,
        verify: verifySignature,
        hash,
        random,
        clock: newClock(),
        trusted: new Set([client.nodeId]),
        urls: [],
      })
    let server = build()
    await server.start(newInbox())
    const { server: socket, url } = await listen(serveWith(peer.nodeId, () => server))
    cleanups.push(() => closeServer(socket))
    const { transport } = await openClient([url], peer.nodeId, { signer: client })
    await transport.connect(peer.nodeId, patience())
    await server.stop()
    server = build()
    await server.start(newInbox())
    expect(await transport.request(peer.nodeId, frame, patience())).toEqual(frame.toReversed())
    await server.stop()
  })
})

describe('a node below a path', () => {
  it('is asked through a proxy that takes the path off', async () => {
    const { a, b } = await openPair()
    const inner = serveWith(b.nodeId, () => b.transport)
    const { server, url } = await listen((request, response) => {
      request.url = request.url?.replace('/below', '')
      inner(request, response)
    })
    cleanups.push(() => closeServer(server))
    const { transport } = await openClient([`${url}/below/`], b.nodeId, { signer: a.signer })
    await transport.connect(b.nodeId, patience())
    expect(await transport.request(b.nodeId, frame, patience())).toEqual(frame.toReversed())
  })
})

describe('who answers', () => {
  it('its own URL is recognised and no peer; a URL of nobody trusted is PEER_MISMATCH', async () => {
    const { a, heardByA } = await openPair()
    await failureOf(a.transport.connect(newSigner().nodeId, patience()))
    expect(heardByA.up).not.toContain(a.nodeId)
    const stranger = newSigner()
    const { transport } = await openAgainst(impostor(stranger, res => res.end()))
    const expected = newSigner().nodeId
    expect((await failureOf(transport.connect(expected, patience()))).code).toBe('PEER_UNKNOWN')
    const { url } = await openAgainst(impostor(stranger, res => res.end()))
    const other = await openClient([url], expected)
    expect((await failureOf(other.transport.connect(expected, patience()))).code).toBe('PEER_MISMATCH')
    expect(other.transport.addresses(expected)[0]?.lastError).toContain('LATTICE_TRUSTED_KEYS')
    expect(other.transport.urlOf(expected)).toBeUndefined()
  })

  it('who only claims to be the peer gets no frame', async () => {
    const peer = newSigner()
    const liar = newSigner()
    let frames = 0
    const { transport, heard } = await openAgainst((req, res) => {
      if (req.url === identityPath)
        return void res
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ public_key: peer.nodeId }))
      void readBody(req).then(body => {
        frames += body.length
        answer(res, liar, String(req.headers['signature']), 204, new Uint8Array())
      })
      return undefined
    }, peer)
    expect((await failureOf(transport.connect(peer.nodeId, patience()))).code).toBe('PEER_MISMATCH')
    expect((await failureOf(transport.request(peer.nodeId, frame, patience()))).code).toBe('PEER_UNREACHABLE')
    expect([frames, heard.up]).toEqual([0, []])
  })

  it('when another node takes the place of the peer, the URL is forgotten and the peer is down', async () => {
    const peer = newSigner()
    const other = newSigner()
    const { transport, heard, url } = await openAgainst(
      impostor(peer, (res, signature) => answer(res, other, signature, 200, frame)),
      peer,
    )
    await transport.connect(peer.nodeId, patience())
    expect([heard.up, transport.urlOf(peer.nodeId)]).toEqual([[peer.nodeId], url])
    const failure = await failureOf(transport.request(peer.nodeId, frame, patience()))
    expect(failure.code).toBe('PEER_MISMATCH')
    expect(heard.down).toEqual([failure.message])
    expect(transport.urlOf(peer.nodeId)).toBeUndefined()
    expect((await failureOf(transport.request(peer.nodeId, frame, patience()))).code).toBe('PEER_UNREACHABLE')
  })

  it('a name that led to another peer for a while is found again, although that one still answers there', async () => {
    const [signer, ...others] = [newSigner(), newSigner(), newSigner()]
    const trusted = new Set([signer, ...others].map(({ nodeId }) => nodeId))
    const opened = others.map(other => openNode({ signer: other, trusted, urls: () => [] }))
    const [b, c] = (await Promise.all(opened)).map(each => each.build()) as [TestNode, TestNode]
    cleanups.push(...[b, c].map(node => () => node.close()))
    await Promise.all([b, c].map(node => node.transport.start(newInbox())))
    const name = await openProxy(c.url)
    const { transport } = await openClient([name.url, c.url], c.nodeId, { signer, trusted })
    await transport.connect(c.nodeId, patience())
    expect((await failureOf(transport.connect(b.nodeId, patience()))).code).toBe('PEER_UNKNOWN')
    name.target = Number(new URL(b.url).port)
    // The connection of before still leads to the other one.
    expect(await transport.request(c.nodeId, frame, patience())).toEqual(frame.toReversed())
    await transport.connect(b.nodeId, patience())
    expect([transport.urlOf(b.nodeId), transport.urlOf(c.nodeId)]).toEqual([name.url, c.url])
    expect(await transport.request(b.nodeId, frame, patience())).toEqual(frame.toReversed())
  })

  it('a failed request alone takes no peer down', async () => {
    const { a, b, heardByA } = await openPair()
    expect(a.transport.addresses(b.nodeId)).toContainEqual({ address: b.url })
    await a.transport.connect(b.nodeId, patience())
    expect(a.transport.addresses(b.nodeId)).toEqual([{ address: b.url, answered: true }])
    await closeServer(b.server)
    const failure = await failureOf(a.transport.request(b.nodeId, frame, patience()))
    expect([failure.code, heardByA.down]).toEqual(['PEER_UNREACHABLE', []])
    expect(a.transport.addresses(b.nodeId)).toEqual([{ address: b.url, lastError: failure.message }])
    expect(a.transport.urlOf(b.nodeId)).toBe(b.url)
  })

  it('a peer at a dead URL does not delay one at a living URL', async () => {
    const { a, b } = await openPair()
    const silent = createTcpServer(socket => void socket.resume())
    await new Promise<void>(resolve => void silent.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => closeTcp(silent))
    const urls = [`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, await deadUrl(), b.url]
    const { transport } = await openClient(urls, b.nodeId, { signer: a.signer })
    await transport.connect(b.nodeId, patience())
    expect(transport.urlOf(b.nodeId)).toBe(b.url)
  })

  it.each([
    ['has answered at', false],
    ['was not to be reached at before', true],
  ])('a peer whose URL fails is asked at another one that it %s', async (_, isNew) => {
    const { a, b } = await openPair()
    const [first, second] = [await openProxy(b.url), await openProxy(b.url)]
    second.cutEvery = isNew
    const { transport } = await openClient([first.url, second.url], b.nodeId, { signer: a.signer })
    await transport.connect(b.nodeId, patience())
    await until(() => transport.urlOf(b.nodeId) === first.url)
    if (isNew) await until(() => transport.addresses(b.nodeId)[1]?.lastError !== undefined)
    first.cutEvery = true
    second.cutEvery = false
    const failure = await failureOf(transport.request(b.nodeId, frame, patience()))
    expect(failure.code).toBe('PEER_UNREACHABLE')
    await until(() => transport.urlOf(b.nodeId) === second.url)
    expect(await transport.request(b.nodeId, frame, patience())).toEqual(frame.toReversed())
  })

  it.each(['ftp://host', 'not a url', 'https://user:secret@host', 'https://host?x=1'])(
    'the URL %s is CONFIG_INVALID, and no password is repeated',
    async url => {
      const failure = await failureOf(openClient([url], newSigner().nodeId))
      expect([failure.code, failure.message.includes('secret')]).toEqual(['CONFIG_INVALID', false])
    },
  )
})

/** Waits for it, a second at most. */
async function until(isSo: () => boolean): Promise<void> {
  for (let waits = 0; waits < 200 && !isSo(); waits++)
    await new Promise(resolve => void setTimeout(resolve, 5))
}

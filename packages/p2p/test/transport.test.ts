import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { frameBytesMax, type NodeId } from '@lattice/core'
import { transportSuite } from '@lattice/core/testing'
import { createP2pTransport, nodeIdFromPeerId, peerIdFromNodeId } from '@lattice/p2p'
import {
  addressOf,
  bareOptions,
  freePorts,
  identity,
  listen,
  makeNode,
  soon,
  startNode,
  topic,
  trustedPair,
  unheard,
  until,
  type Identity,
} from './p2p-world.ts'

transportSuite('libp2p on loopback', async count => {
  const ports = await freePorts(count + 1)
  const members = ports.slice(0, count).map((port, i) => identity(i, port))
  const dead = identity(100, ports[count] ?? 0)
  const outside = identity(101, 0)
  const everybody = [...members, dead]
  const trusted = new Set(everybody.map(({ nodeId }) => nodeId))
  const make = (own: Identity) =>
    createP2pTransport({
      privateKeySeed: own.seed,
      trusted: own === outside ? new Set([...trusted, own.nodeId]) : trusted,
      listen: [`/ip4/127.0.0.1/tcp/${own.port}`],
      announce: [],
      bootstrap: everybody.filter(other => other !== own).map(addressOf),
      topic,
    })
  const asMember = (own: Identity) => ({ nodeId: own.nodeId, transport: make(own) })
  const made = members.map(asMember)
  const outsider = asMember(outside)
  return {
    members: made,
    unreachable: dead.nodeId,
    outsider,
    close: async () => {
      await Promise.all([...made, outsider].map(({ transport }) => transport.stop()))
    },
  }
})

describe('P2P transport', () => {
  it('tells a peer down when its connection closes, and up when it is back', async () => {
    const [a, b] = await trustedPair()
    await a.transport.connect(b.nodeId, soon())
    await b.transport.stop()
    await a.seen(`down ${b.nodeId}`)
    await b.transport.start(b.inbox)
    await a.transport.connect(b.nodeId, soon())
    await a.seen(`up ${b.nodeId}`)
    expect(a.events.filter(event => event.startsWith('down'))).toHaveLength(1)
  })

  it('comes back from restart with the same inbox', async () => {
    const [a, b] = await trustedPair()
    await a.transport.connect(b.nodeId, soon())
    await a.transport.restart()
    await a.seen(`down ${b.nodeId}`)
    await a.transport.connect(b.nodeId, soon())
    await a.seen(`up ${b.nodeId}`)
    expect([...(await a.transport.request(b.nodeId, Uint8Array.of(5), soon()))]).toEqual([5])
    expect([...(await b.transport.request(a.nodeId, Uint8Array.of(6), soon()))]).toEqual([6])
  })

  it('tells a wrong node at an address from a dead one', async () => {
    const [port = 0] = await freePorts(1)
    const real = await startNode(identity(1, port), [identity(2, 0), identity(3, 0)])
    const expected = identity(3, port)
    const asker = await startNode(identity(2, 0), [identity(1, port), expected], [addressOf(expected)])
    const idOf = ({ nodeId }: { nodeId: NodeId }): string => peerIdFromNodeId(nodeId)
    await expect(asker.transport.connect(expected.nodeId, soon())).rejects.toMatchObject({
      code: 'PEER_MISMATCH',
      message: expect.stringContaining('another node'),
    })
    expect(asker.transport.addresses(expected.nodeId)).toEqual([
      {
        address: addressOf(expected),
        lastError: expect.stringContaining(
          `${idOf(identity(1, port))}, not ${idOf(expected)}; write the peer id`,
        ),
      },
    ])
    expect(real.events).toEqual([])
  })

  it('tells the operator that a peer hung up because it does not trust this node', async () => {
    const [port = 0] = await freePorts(1)
    const host = identity(1, port)
    await startNode(host, [])
    const asker = await startNode(identity(2, 0), [host], [addressOf(host)])
    await asker.transport.connect(host.nodeId, soon()).catch(() => {})
    const lastError = () => asker.transport.addresses(host.nodeId)[0]?.lastError
    await until(() => lastError() !== undefined)
    expect(lastError()).toContain('trusts the public key')
  })

  it('carries WebSockets over a shared HTTP port', async () => {
    const [port = 0] = await freePorts(1)
    const inner = identity(1, port)
    const asker = identity(2, 0)
    const host = await startNode(inner, [asker])
    const http = await listen(createServer((_, response) => response.end('plain HTTP')))
    http.on('upgrade', (request, socket, head) => host.transport.upgrade(request, socket, head))
    const httpPort = (http.address() as AddressInfo).port
    const address = `/ip4/127.0.0.1/tcp/${httpPort}/ws/p2p/${peerIdFromNodeId(inner.nodeId)}`
    const other = await startNode(asker, [inner], [address])
    await other.transport.connect(inner.nodeId, soon())
    const frame = new Uint8Array(frameBytesMax).fill(7)
    expect(Buffer.compare(await other.transport.request(inner.nodeId, frame, soon()), frame)).toBe(0)
    expect(await (await fetch(`http://127.0.0.1:${httpPort}/`)).text()).toBe('plain HTTP')
    expect(host.transport.listenAddrs()).toEqual([addressOf(inner)])
    await host.transport.stop()
    await other.seen(`down ${inner.nodeId}`)
    // A host that answers 503 in the name of the node says that it is asleep or starting.
    await expect(other.transport.connect(inner.nodeId, soon())).rejects.toMatchObject({ code: 'PEER_ASLEEP' })
  })

  it('learns the addresses of trusted peers from a common neighbour', async () => {
    const [port = 0] = await freePorts(1)
    const [hub, left, right] = [identity(1, port), identity(2, 0), identity(3, 0)]
    await startNode(hub, [left, right])
    const leftNode = await startNode(left, [hub, right], [addressOf(hub)])
    const rightNode = await startNode(right, [hub, left], [addressOf(hub)])
    await expect(leftNode.transport.connect(right.nodeId, soon())).rejects.toMatchObject({
      code: 'PEER_UNKNOWN',
    })
    await rightNode.transport.connect(hub.nodeId, soon())
    await leftNode.transport.connect(hub.nodeId, soon())
    await leftNode.transport.connect(right.nodeId, soon())
    expect([...(await leftNode.transport.request(right.nodeId, Uint8Array.of(9), soon()))]).toEqual([9])
  })

  it('passes announces on where two nodes have no link, in the name of their author', async () => {
    const [port = 0] = await freePorts(1)
    const [hub, left, right] = [identity(1, port), identity(2, unheard), identity(3, unheard)]
    await startNode(hub, [left, right])
    const leftNode = await startNode(left, [hub, right], [addressOf(hub)])
    const rightNode = await startNode(right, [hub, left], [addressOf(hub)])
    await leftNode.transport.connect(hub.nodeId, soon())
    await rightNode.transport.connect(hub.nodeId, soon())
    let nonce = 0
    await until(async () => {
      await leftNode.transport.announce(Uint8Array.of(nonce++))
      return rightNode.heard.length > 0
    })
    expect(new Set(rightNode.heard)).toEqual(new Set([left.nodeId]))
    expect(rightNode.events).not.toContain(`up ${left.nodeId}`)
    await expect(leftNode.transport.announce(new Uint8Array(60_000))).rejects.toMatchObject({
      code: 'PEER_REFUSED',
    })
  })

  it('names a port in use', async () => {
    const taken = await listen(createServer())
    const { port } = taken.address() as AddressInfo
    const { transport, inbox } = makeNode(identity(1, port), [], [])
    await expect(transport.start(inbox)).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(`/tcp/${port}`),
    })
  })

  it('starts by a restart once the port is free, and not after it was stopped', async () => {
    const taken = await listen(createServer())
    const { port } = taken.address() as AddressInfo
    const { transport, inbox } = makeNode(identity(1, port), [], [])
    await expect(transport.start(inbox)).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    await expect(transport.restart()).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    await new Promise(resolve => taken.close(resolve))
    await transport.restart()
    expect(transport.listenAddrs()).toEqual([expect.stringContaining(`/tcp/${port}/`)])
    await transport.stop()
    await transport.restart()
    expect(transport.listenAddrs()).toEqual([])
  })
})

describe('P2P configuration', () => {
  it('spells node ids as peer ids and back', () => {
    const { nodeId } = identity(4, 0)
    expect(peerIdFromNodeId(nodeId)).toMatch(/^12D3Koo/)
    expect(nodeIdFromPeerId(peerIdFromNodeId(nodeId))).toBe(nodeId)
    for (const bad of ['', 'nonsense', 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N']) {
      expect(() => nodeIdFromPeerId(bad)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    }
  })

  it('refuses bad settings by name', () => {
    const { seed } = identity(1, 0)
    const good = bareOptions(seed)
    const bad = [
      [{ ...good, privateKeySeed: seed.subarray(1) }, /seed has 31 bytes/],
      [{ ...good, listen: ['9000'] }, /listen: "9000"/],
      [{ ...good, announce: ['/ip4/1.2.3/tcp/1'] }, /announce:/],
      [{ ...good, bootstrap: ['/ip4/127.0.0.1/tcp/9000'] }, /must end in \/p2p/],
      [{ ...good, bootstrap: ['/ip4/127.0.0.1/tcp/9000/p2p/PEER_ID_1'] }, /bootstrap: /],
    ] as const
    for (const [options, message] of bad) {
      expect(() => createP2pTransport(options)).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
      )
    }
  })
})

/** What strangers without any key cannot keep from members: reliability X12. */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { createP2pTransport, type P2pLog, type P2pOptions } from '@lattice/p2p'
import { networkOf, Places } from '../src/places.ts'
import { Sparing } from '../src/sparing.ts'
import {
  addressOf,
  bareOptions,
  cleanups,
  freePorts,
  identity,
  listen,
  soon,
  startNode,
  until,
} from './p2p-world.ts'
import type { TestNode } from './p2p-world.ts'

/** More than one address is given places for; fewer than libp2p allows to it within a second. */
const crowd = 40

describe('strangers', () => {
  it('who connect and say nothing are few for each address, and do not keep members out', async () => {
    const { node, member, port } = await hostAndMember()
    const silent = Array.from({ length: crowd }, () => stranger(port, '127.0.0.2'))
    const open = (): number => silent.filter(each => !each.destroyed).length
    await until(() => open() <= 16)
    expect(open()).toBe(16)
    await member.transport.connect(node.nodeId, soon())
  })

  it('are hung up on before a dialler would give up, and leave their places to others', async () => {
    const { port } = await hostAndMember()
    const silent = Array.from({ length: 16 }, () => stranger(port, '127.0.0.1'))
    await until(() => silent.every(each => each.destroyed))
    const next = stranger(port, '127.0.0.1')
    next.write('\x13/multistream/1.0.0\n')
    await new Promise(resolve => next.once('data', resolve))
  })

  it('who open WebSockets on the HTTP port are few for each client behind a proxy, and shut neither port', async () => {
    const { node, member } = await hostAndMember({ callerOf: behindProxy })
    const httpPort = await sharedHttpPort(node)
    const asked = await Promise.all(Array.from({ length: crowd }, () => upgrade(httpPort, '192.0.2.1')))
    const statuses = asked.map(({ status }) => status)
    expect(statuses.filter(status => status === 101)).toHaveLength(16)
    expect(statuses.filter(status => status === 429)).toHaveLength(crowd - 16)
    expect((await upgrade(httpPort, '192.0.2.2')).status).toBe(101)
    await member.transport.connect(node.nodeId, soon())
  })

  it('who change their address still leave the P2P port open', async () => {
    const { node, member } = await hostAndMember({ callerOf: behindProxy })
    const httpPort = await sharedHttpPort(node)
    const from = (i: number): string => `198.51.100.${i}`
    const asked = await Promise.all(Array.from({ length: 100 }, (_, i) => upgrade(httpPort, from(i))))
    expect(asked.filter(({ status }) => status === 101)).toHaveLength(48)
    await member.transport.connect(node.nodeId, soon())
  })
})

describe('refusals of strangers', () => {
  it('are told to the operator once for each stranger and minute, however often they come', async () => {
    const [port = 0] = await freePorts(1)
    const host = identity(1, port)
    const levels: string[] = []
    const log: P2pLog = (level, message) => {
      if (message.includes('untrusted')) levels.push(level)
    }
    await startNode(host, [], [], { log })
    const { transport } = await startNode(identity(2, 0), [host], [addressOf(host)])
    // On a busy machine a dial may end before it has reached the host.
    await until(async () => {
      await transport.connect(host.nodeId, soon()).catch(() => {})
      return levels.length >= 3
    })
    expect(levels.slice(0, 3)).toEqual(['info', 'debug', 'debug'])
  })

  it('are news again after a minute, and never more than 16 in one', () => {
    const sparing = new Sparing()
    const told = (nowMs: number): number =>
      Array.from({ length: 100 }, (_, i) => sparing.isNews(`in ${i}`, nowMs)).filter(Boolean).length
    expect([0, 59_999, 60_000, 60_001].map(told)).toEqual([16, 0, 16, 0])
  })
})

describe('places', () => {
  it('are bounded for each network and in all, and come back once', () => {
    const places = new Places({ perNetwork: 2, inAll: 3 })
    const leave = places.take('192.0.2.1')
    expect(leave).toBeDefined()
    expect(places.take('192.0.2.1')).toBeDefined()
    expect(places.take('192.0.2.1')).toBeUndefined()
    expect(places.take('192.0.2.2')).toBeDefined()
    expect(places.take('192.0.2.3')).toBeUndefined()
    leave?.()
    leave?.()
    expect(places.take('192.0.2.3')).toBeDefined()
    expect(places.take('192.0.2.4')).toBeUndefined()
  })

  it('go to the 64 bits that a customer is given, and to single IPv4 addresses', () => {
    expect(networkOf('::ffff:192.0.2.1')).toBe('192.0.2.1')
    expect(networkOf('2001:db8:0:7:1:2:3:4')).toBe('2001:db8:0:7')
    expect(networkOf('2001:DB8:0:7::4')).toBe('2001:db8:0:7')
    expect(networkOf('2001:db8::7:1:2:3:4')).toBe('2001:db8:0:7')
    expect(networkOf('::1')).toBe('0:0:0:0')
  })
})

async function hostAndMember(
  extra: Partial<P2pOptions> = {},
): Promise<{ node: TestNode; member: TestNode; port: number }> {
  const [port = 0] = await freePorts(1)
  const [host, other] = [identity(1, port), identity(2, 0)]
  const node = await startNode(host, [other], [], extra)
  const member = await startNode(other, [host], [addressOf(host)])
  return { node, member, port }
}

function behindProxy(request: IncomingMessage): string {
  return String(request.headers['x-forwarded-for'])
}

async function sharedHttpPort({ transport }: TestNode): Promise<number> {
  const http = await listen(createServer())
  http.on('upgrade', (request, socket, head) => transport.upgrade(request, socket, head))
  return (http.address() as AddressInfo).port
}

function stranger(port: number, localAddress: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  socket.on('error', () => {}).resume()
  cleanups.push(async () => void socket.destroy())
  return socket
}

it('who is refused and never closes his end is cut off', async () => {
  const transport = createP2pTransport(bareOptions(identity(5, 0).seed))
  const http = await listen(createServer())
  http.on('upgrade', (request, socket, head) => transport.upgrade(request, socket, head))
  const accepted = once(http, 'connection')
  const { port } = http.address() as AddressInfo
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
  const [served] = (await accepted) as [Socket]
  await once(served, 'close')
  expect(socket.writable).toBe(true)
  socket.destroy()
})

/** Asks for a WebSocket as a proxy would for `client`, and never speaks on it. */
async function upgrade(port: number, client: string): Promise<{ status: number }> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  cleanups.push(async () => void socket.destroy())
  const lines = [
    'GET / HTTP/1.1',
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    `X-Forwarded-For: ${client}`,
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  const answer = await new Promise<Buffer>(resolve => socket.once('data', resolve))
  return { status: Number(answer.toString('latin1').split(' ')[1]) }
}

/** One stranger cannot have all connections of a node; a proxy, and whoever is alone, can. */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { createHttpServer, type HttpServer } from '../src/http/server.ts'

const limits = { inAll: 12, crowded: 6, perNetwork: 3 }
/** Addresses of this machine that stand for those of a proxy and of two strangers. */
const [proxy, stranger, member] = ['127.0.0.1', '127.0.0.2', '127.0.0.3'] as const

let server: HttpServer
let port: number
let sockets: Socket[]
/** The ends of all connections so far, as the server sees them. */
let ends: Promise<unknown>[]

/** Whether a connection from `localAddress` is served; it stays open then. */
async function isServed(localAddress: string): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  sockets.push(socket)
  socket.on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  return Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)])
}

async function served(localAddress: string, tries: number): Promise<number> {
  let count = 0
  for (let number = 0; number < tries; number += 1) if (await isServed(localAddress)) count += 1
  return count
}

describe('connections at once', () => {
  const closeAll = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    await Promise.all(ends)
  }

  beforeEach(async () => {
    ;[sockets, ends] = [[], []]
    const app = Object.assign((_: unknown, response: ServerResponse) => response.end('here'), {
      emit: () => true,
    })
    server = createHttpServer(app, { limits, isProxy: address => address === proxy })
    server.server.on('connection', socket => ends.push(once(socket, 'close')))
    ;({ port } = await server.listen(0, '127.0.0.1'))
  })
  afterEach(async () => {
    await closeAll()
    await server.close()
  })

  it('of one stranger leave room for others', async () => {
    expect(await served(stranger, 12)).toBe(limits.crowded)
    expect(await served(member, 3)).toBe(3)
    expect(await served(member, 3)).toBe(0)
  })

  it('come back to who has closed his', async () => {
    expect(await served(stranger, 12)).toBe(limits.crowded)
    await closeAll()
    expect(await served(stranger, 3)).toBe(3)
  })

  it('of a proxy are all there are', async () => {
    expect(await served(proxy, 12)).toBe(limits.inAll)
  })
})

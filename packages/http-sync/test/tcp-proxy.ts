/** A TCP proxy that counts bytes and cuts connections on demand. */
import { connect as connectTcp, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { cleanups } from './nodes.ts'

export interface Proxy {
  readonly url: string
  readonly port: number
  /** Where new connections lead. */
  target: number
  up: number
  down: number
  connections: number
  cuts: number
  /** Closes the connection on which the next bytes arrive, before any answer. */
  cutNextRequest: boolean
  cutEvery: boolean
  dropIdle(): void
}

/** Opens one before `targetUrl`; closed with everything else. */
export async function openProxy(targetUrl: string): Promise<Proxy> {
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const upstream = connectTcp(proxy.target, '127.0.0.1')
    proxy.connections++
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket
        .on('error', () => {})
        .on('close', () => void (sockets.delete(socket), client.destroy(), upstream.destroy()))
    }
    client.on('data', bytes => {
      if (proxy.cutNextRequest || proxy.cutEvery) {
        proxy.cutNextRequest = false
        proxy.cuts++
        client.resetAndDestroy()
        return
      }
      proxy.up += bytes.length
      upstream.write(bytes)
    })
    upstream.on('data', bytes => {
      proxy.down += bytes.length
      client.write(bytes)
    })
  })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const dropIdle = (): void => sockets.forEach(socket => socket.destroy())
  const proxy: Proxy = {
    url: `http://127.0.0.1:${port}`,
    port,
    target: Number(new URL(targetUrl).port),
    up: 0,
    down: 0,
    connections: 0,
    cuts: 0,
    cutNextRequest: false,
    cutEvery: false,
    dropIdle,
  }
  cleanups.push(async () => {
    dropIdle()
    await closeTcp(server)
  })
  return proxy
}

export async function closeTcp(server: Server): Promise<void> {
  await new Promise<void>(resolve => void server.close(() => resolve()))
}

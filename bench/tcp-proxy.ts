/**
 * A TCP proxy on loopback that counts every byte, and can fall silent as a dropped route does: connections
 * stay, new ones are accepted, nothing gets through, nobody is told.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A proxy in front of one port. */
export interface TcpProxy {
  readonly port: number
  /** Bytes carried so far, both ways. */
  bytes(): number
  /** From now on nothing gets through. */
  silence(): void
  /**
   * What comes from now on gets through. Connections that lived through the silence are reset, as a router
   * would.
   */
  restore(): void
  close(): Promise<void>
}

/** Opens a proxy to `target()` on loopback, asked for at each connection. */
export async function openTcpProxy(target: () => number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let carried = 0
  let silent = false
  const keep = (socket: Socket, other: Socket): void => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('data', bytes => {
      if (silent) return
      carried += bytes.length
      other.write(bytes)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      // In silence even the end of a connection is not heard on the other side.
      if (!silent) other.destroy()
    })
  }
  const server = createServer(client => {
    const upstream = connect({ port: target(), host: '127.0.0.1' })
    keep(client, upstream)
    keep(upstream, client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    bytes: () => carried,
    silence: () => void (silent = true),
    restore: () => {
      silent = false
      for (const socket of sockets) socket.destroy()
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

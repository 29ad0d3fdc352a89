/**
 * Connections at once, and whose they are. A stranger needs no more than one address to open as many as there
 * are, and to leave none for others: so while it is crowded, one network has its share and no more. While it
 * is not, nobody is counted out: a proxy on another host looks like one caller, too.
 */
import type { Server } from 'node:http'
import { ipKeyGenerator } from 'express-rate-limit'

/** How many connections there may be. */
export interface CrowdLimits {
  readonly inAll: number
  /** From this many in all a network gets no more than its share. */
  readonly crowded: number
  readonly perNetwork: number
}

/** Each connection costs some tens of kilobytes. */
export const crowdLimits: CrowdLimits = { inAll: 2000, crowded: 1000, perNetwork: 500 }

/** Bounds the connections of `server`. Addresses that may be those of proxies have no share. */
export function boundConnections(
  server: Server,
  limits: CrowdLimits,
  isProxy: (address: string) => boolean,
): void {
  const held = new Map<string, number>()
  let inAll = 0
  server.maxConnections = limits.inAll
  server.on('connection', socket => {
    const { remoteAddress } = socket
    // Gone before anybody looked.
    if (remoteAddress === undefined) return
    const network = isProxy(remoteAddress) ? undefined : ipKeyGenerator(remoteAddress)
    const count = (by: 1 | -1): void => {
      inAll += by
      if (network === undefined) return
      const left = (held.get(network) ?? 0) + by
      if (left === 0) held.delete(network)
      else held.set(network, left)
    }
    const hasShare = network !== undefined && (held.get(network) ?? 0) >= limits.perNetwork
    if (hasShare && inAll >= limits.crowded) return void socket.destroy()
    count(1)
    socket.once('close', () => count(-1))
  })
}

/** Whose a request is, where proxies may speak for others. */
import type { IncomingMessage } from 'node:http'
import { isIP, isIPv4 } from 'node:net'

/** The IP address that sent a request. */
export type CallerOf = (request: IncomingMessage) => string

/** Whether a host name or address is this machine's loopback. Brackets of IPv6 are allowed. */
export function isLoopbackHost(host: string): boolean {
  if (host === '127.0.0.1') return true
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  if (name === 'localhost' || name === '::1') return true
  const v4 = name.startsWith('::ffff:') ? name.slice(7) : name
  return isIPv4(v4) && v4.startsWith('127.')
}

/**
 * The IP address that sent a request: what `hops` proxies in front say of it is believed, and what proxies on
 * this machine say. What is no address is nobody's.
 */
export function callerAddress(request: IncomingMessage, hops: number): string {
  const connected = request.socket.remoteAddress ?? ''
  const header = request.headers['x-forwarded-for']
  if (header === undefined || (hops === 0 && !isLoopbackHost(connected))) return connected
  const named = [header].flat().join(',').split(',')
  const path = [...named.map(each => each.trim()).filter(each => each !== ''), connected]
  const caller = hops > 0 ? path.at(-1 - hops) : path.findLast(each => !isLoopbackHost(each))
  const address = caller ?? path[0] ?? connected
  return isIP(address) === 0 ? connected : address
}

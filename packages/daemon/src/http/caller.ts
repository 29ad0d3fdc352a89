/** Whose a request is, where proxies may speak for others. */
import type { IncomingMessage } from 'node:http'

/**
 * The IP address that sent a request, as Express reads it: what `hops` proxies in front say is believed, no
 * more.
 */
export function callerAddress(request: IncomingMessage, hops: number): string {
  const connected = request.socket.remoteAddress ?? ''
  if (hops === 0) return connected
  const header = request.headers['x-forwarded-for']
  const named = [header ?? []].flat().join(',').split(',')
  const path = [...named.map(each => each.trim()).filter(each => each !== ''), connected]
  return path.at(-1 - hops) ?? path[0] ?? connected
}

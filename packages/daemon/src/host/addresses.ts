/** What addresses this machine has beyond itself. */
import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/** Loopback, private, shared (RFC 6598) and link-local networks (RFC 1918, 4193, 4291): not the open net. */
const privateNets = [
  ['0.0.0.0', 8, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['::', 127, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
] as const

/** Whether a host is an address of a private network, or a name of this machine. */
export function isPrivate(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return host === 'localhost' || host.endsWith('.localhost')
  const list = new BlockList()
  for (const [net, bits, kind] of privateNets) list.addSubnet(net, bits, kind)
  return list.check(host, family === 6 ? 'ipv6' : 'ipv4')
}

/** Addresses of this machine; link-local ones lead nowhere and do not count. */
function outerAddresses() {
  return Object.values(networkInterfaces())
    .flatMap(each => each ?? [])
    .filter(each => !each.internal && !each.address.startsWith('fe80:'))
}

/** `IPv4`, `IPv6`, both or none. */
export function outerFamilies(): ReadonlyArray<'IPv4' | 'IPv6'> {
  const outer = outerAddresses()
  return (['IPv4', 'IPv6'] as const).filter(family => outer.some(each => each.family === family))
}

/**
 * What can be known of NAT without asking anybody outside: a public IPv4 address of its own needs none; with
 * private ones alone there is one before this machine, of whatever kind.
 */
export function natGuess(): 'none' | 'likely' | 'not tested' {
  const own = outerAddresses().filter(each => each.family === 'IPv4')
  if (own.length === 0) return 'not tested'
  return own.some(({ address }) => !isPrivate(address)) ? 'none' : 'likely'
}

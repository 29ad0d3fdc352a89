/** What addresses this machine has beyond itself. */
import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/** Loopback, private, shared (RFC 6598) and link-local networks (RFC 1918, 4193, 4291): not the open net. */
const privateNets = new BlockList()
for (const [net, bits] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
  ['0.0.0.0', 8],
] as const)
  privateNets.addSubnet(net, bits, 'ipv4')
privateNets.addAddress('::1', 'ipv6')
privateNets.addSubnet('fc00::', 7, 'ipv6')
privateNets.addSubnet('fe80::', 10, 'ipv6')

/** Whether a host is an address of a private network, or a name of this machine. */
export function isPrivate(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return host === 'localhost' || host.endsWith('.localhost')
  return privateNets.check(host, family === 6 ? 'ipv6' : 'ipv4')
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

/** What families of addresses this machine has beyond itself. */
import { networkInterfaces } from 'node:os'

/** `IPv4`, `IPv6`, both or none; link-local ones lead nowhere and do not count. */
export function outerFamilies(): ReadonlyArray<'IPv4' | 'IPv6'> {
  const outer = Object.values(networkInterfaces())
    .flatMap(each => each ?? [])
    .filter(each => !each.internal && !each.address.startsWith('fe80:'))
  return (['IPv4', 'IPv6'] as const).filter(family => outer.some(each => each.family === family))
}

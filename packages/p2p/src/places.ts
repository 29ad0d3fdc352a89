/**
 * Places for connections that have proved nothing yet: so many for each network, so many for all together.
 *
 * Whoever holds no key of ours can open connections and say nothing. Without a share per network, one such
 * stranger takes every place, and no member finds one (reliability X12).
 */

/** How many places there are. */
export interface PlaceLimits {
  readonly perNetwork: number
  readonly inAll: number
}

/** Counts places that are taken; forgets a network with its last place. */
export class Places {
  readonly #limits: PlaceLimits
  readonly #taken = new Map<string, number>()
  #inAll = 0

  constructor(limits: PlaceLimits) {
    this.#limits = limits
  }

  /**
   * Takes a place for an IP address, or for a name without colons; answers how to give it back, or nothing
   * when all are taken.
   */
  take(address: string): (() => void) | undefined {
    const network = networkOf(address)
    const taken = this.#taken.get(network) ?? 0
    if (taken >= this.#limits.perNetwork || this.#inAll >= this.#limits.inAll) return undefined
    this.#count(network, 1)
    let held = true
    return () => {
      if (held) this.#count(network, -1)
      held = false
    }
  }

  #count(network: string, by: 1 | -1): void {
    const taken = (this.#taken.get(network) ?? 0) + by
    this.#inAll += by
    if (taken === 0) this.#taken.delete(network)
    else this.#taken.set(network, taken)
  }
}

/** What one customer of a provider is given: an IPv4 address, or the 64 bits before his IPv6 addresses. */
export function networkOf(address: string): string {
  const v4 = address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
  if (!v4.includes(':')) return v4
  const [head = [], tail = []] = v4.split('::').map(part => part.split(':').filter(group => group !== ''))
  const gap = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0')
  return [...head, ...gap, ...tail].slice(0, 4).join(':')
}

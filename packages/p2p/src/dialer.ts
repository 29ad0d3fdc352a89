/**
 * One try to connect: every known address of a peer, one after the other.
 *
 * Known are the configured bootstrap addresses, and what trusted peers told through identify and the private
 * DHT. The address that failed or came longest ago goes first, so that a try cut short by its signal still
 * gives every address its turn. When and how often to try is the engine's business, for ever (reliability
 * §1.1).
 */
import { LatticeError, type AddressStatus, type NodeId } from '@lattice/core'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { isDialableClaim } from './addresses.ts'
import { ownAddressesMax } from './discovery.ts'
import type { P2pNode } from './node.ts'
import { toPeerId } from './peer-id.ts'
import { translate } from './translate.ts'
import { withWebSocketCause } from './web-socket-cause.ts'

/** Addresses kept per peer of what others say of it: they are tried, so a liar must not have many tries. */
const rumouredMax = 4

/** Addresses of peers, and what became of the last try of each. */
export class Dialer {
  readonly #configured: ReadonlyMap<NodeId, readonly string[]>
  readonly #learnt = new Map<NodeId, readonly string[]>()
  readonly #rumoured = new Map<NodeId, readonly string[]>()
  /** By address with peer id. */
  readonly #failures = new Map<string, LatticeError>()
  /** Where a dial has succeeded, and nothing has failed since. */
  readonly #answered = new Set<string>()
  /** When each failed last, or was new: counted, so that it tells which came first. */
  readonly #turns = new Map<string, number>()
  #turnCount = 0

  /** `configured`: multiaddrs that end in the peer's own id, per peer. */
  constructor(configured: ReadonlyMap<NodeId, readonly string[]>) {
    this.#configured = configured
  }

  /** Replaces what `peer` has told of itself. Keeps the old addresses when there are no new ones. */
  learn(peer: NodeId, addresses: readonly string[]): void {
    this.#replace(this.#learnt, peer, addresses.slice(0, ownAddressesMax))
  }

  /** Replaces what others have told of `peer`, in the same way. */
  hear(peer: NodeId, addresses: readonly Multiaddr[]): void {
    const usable = addresses.slice(0, ownAddressesMax).filter(isDialableClaim)
    const told = usable.map(address => address.toString())
    this.#replace(this.#rumoured, peer, told.slice(0, rumouredMax))
  }

  /** Known addresses of a peer with the last error of each. */
  addresses(peer: NodeId): readonly AddressStatus[] {
    return this.#known(peer).map(address => {
      const failure = this.#failures.get(address)
      if (failure !== undefined) return { address, lastError: failure.message }
      return this.#answered.has(address) ? { address, answered: true } : { address }
    })
  }

  /** Notes why a connection over `address` did not last; inbound ones come from addresses nobody can dial. */
  failed(peer: NodeId, address: string, error: LatticeError): void {
    if (!this.#known(peer).includes(address)) return
    this.#answered.delete(address)
    this.#failures.set(address, error)
    this.#turns.set(address, this.#turnCount++)
  }

  /** A connection stands, whoever dialled it: what went wrong before is over. */
  connected(peer: NodeId): void {
    for (const address of this.#known(peer)) this.#forget(address)
  }

  /**
   * Tries the addresses in turn; resolves once connected. Rejects with the error of the first known address.
   */
  async dial(node: P2pNode, peer: NodeId, signal: AbortSignal): Promise<void> {
    if (this.#known(peer).length === 0) await this.#lookUp(node, peer, signal)
    const known = this.#known(peer)
    const errors = new Map<string, LatticeError>()
    for (const address of this.#inTurn(known)) {
      if (signal.aborted) break
      try {
        const target = multiaddr(address)
        await withWebSocketCause(target, () => node.dial(target, { signal }))
        this.connected(peer)
        this.#answered.add(address)
        return
      } catch (error) {
        const failure = translate(error, signal)
        this.failed(peer, address, failure)
        errors.set(address, failure)
      }
    }
    const tried = known.flatMap(address => errors.get(address) ?? [])
    throw signal.aborted ? new LatticeError('PEER_TIMEOUT') : (tried[0] ?? new LatticeError('PEER_UNKNOWN'))
  }

  /** Asks the peers in reach; rejects with PEER_UNKNOWN when they know nothing either. */
  async #lookUp(node: P2pNode, peer: NodeId, signal: AbortSignal): Promise<void> {
    if (node.getPeers().length === 0) throw new LatticeError('PEER_UNKNOWN')
    try {
      const { multiaddrs } = await node.peerRouting.findPeer(toPeerId(peer), { signal })
      this.hear(peer, multiaddrs)
    } catch (cause) {
      throw signal.aborted
        ? new LatticeError('PEER_TIMEOUT', 'no peer told an address of this one in time', { cause })
        : new LatticeError('PEER_UNKNOWN', undefined, { cause })
    }
  }

  #replace(told: Map<NodeId, readonly string[]>, peer: NodeId, addresses: readonly string[]): void {
    if (addresses.length === 0) return
    const suffix = `/p2p/${toPeerId(peer).toString()}`
    const complete = addresses.map(address => (address.endsWith(suffix) ? address : address + suffix))
    const before = this.#known(peer)
    told.set(peer, [...new Set(complete)])
    const after = this.#known(peer)
    for (const gone of before.filter(address => !after.includes(address))) {
      this.#forget(gone)
      this.#answered.delete(gone)
    }
    // Behind what is known longer: with ever new addresses a liar would have the first turn for ever.
    for (const fresh of after) if (!before.includes(fresh)) this.#turns.set(fresh, this.#turnCount++)
  }

  #forget(address: string): void {
    this.#failures.delete(address)
    this.#turns.delete(address)
  }

  #known(peer: NodeId): readonly string[] {
    return [this.#configured, this.#learnt, this.#rumoured]
      .flatMap(told => told.get(peer) ?? [])
      .filter((address, index, all) => all.indexOf(address) === index)
  }

  #inTurn(addresses: readonly string[]): readonly string[] {
    const turn = (address: string): number => this.#turns.get(address) ?? -1
    return [...addresses].sort((a, b) => turn(a) - turn(b))
  }
}

/**
 * What is known about each configured URL: who answers there, and why it does not work if it does not.
 *
 * URLs come from the configuration only, identities from the network only. A URL is where a peer lives once
 * the peer has signed an answer there, and until another node signs one.
 */
import { LatticeError, type AddressStatus, type NodeId } from '@lattice/core'

interface Place {
  readonly url: string
  /** Who has proven to answer here. */
  resident?: NodeId | undefined
  lastError?: string | undefined
}

/** The configured URLs. */
export class Places {
  readonly #self: NodeId
  readonly #places: readonly Place[]

  /** Throws CONFIG_INVALID for what is no usable base URL. */
  constructor(self: NodeId, urls: readonly string[]) {
    this.#self = self
    this.#places = [...new Set(urls.map(baseUrl))].map(url => ({ url }))
  }

  /** Where `peer` has proven to live; of several such places one that has not failed since. */
  urlOf(peer: NodeId): string | undefined {
    const own = this.#places.filter(place => place.resident === peer)
    return (own.find(({ lastError }) => lastError === undefined) ?? own[0])?.url
  }

  /** Who has proven to live at `url`. */
  residentOf(url: string): NodeId | undefined {
    return this.#at(url)?.resident
  }

  /** Peers with a proven URL. */
  residents(): readonly NodeId[] {
    const found = this.#places.flatMap(place => place.resident ?? [])
    return [...new Set(found)].filter(peer => peer !== this.#self)
  }

  /** URLs that are, or could be, those of `peer`: its own first. */
  candidates(peer: NodeId): readonly string[] {
    const own = this.#places.filter(place => place.resident === peer)
    return [...own.map(place => place.url), ...this.open()]
  }

  /** URLs where nobody has proven to live. */
  open(): readonly string[] {
    return this.#places.filter(place => place.resident === undefined).map(place => place.url)
  }

  /**
   * URLs of nodes that have proven to live at another one, too. A name may have led there for a while: by now
   * it may be that of a peer who lives nowhere.
   */
  spare(): readonly string[] {
    return [...Map.groupBy(this.#places, ({ resident }) => resident)]
      .filter(([resident, places]) => resident !== undefined && places.length > 1)
      .flatMap(([, places]) => places.map(place => place.url))
  }

  /** `peer` has signed an answer at `url`, or `url` has turned out to be this node itself. */
  settle(url: string, peer: NodeId): void {
    const place = this.#at(url)
    if (place === undefined) return
    place.resident = peer
    place.lastError = undefined
  }

  /** Something failed at `url`. */
  failed(url: string, reason: string): void {
    const place = this.#at(url)
    if (place !== undefined) place.lastError = reason
  }

  /** Another node signs at `url` now. Says whether `peer` lived there. */
  evict(url: string, peer: NodeId): boolean {
    const place = this.#at(url)
    if (place?.resident !== peer) return false
    place.resident = undefined
    return true
  }

  /** Forgets who lives where. */
  clear(): void {
    for (const place of this.#places) place.resident = undefined
  }

  /** The candidates of `peer` with their last errors. */
  statuses(peer: NodeId): readonly AddressStatus[] {
    return this.candidates(peer).map(url => {
      const { lastError, resident } = this.#at(url) ?? {}
      if (lastError !== undefined) return { address: url, lastError }
      return resident === peer ? { address: url, answered: true } : { address: url }
    })
  }

  #at(url: string): Place | undefined {
    return this.#places.find(place => place.url === url)
  }
}

/** A base URL without a trailing slash. */
function baseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) throw invalid(text, 'is no URL; write for example https://host:8000')
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw invalid(text, 'must begin with http:// or https://')
  if (url.username !== '' || url.password !== '')
    throw invalid(`${url.protocol}//…@${url.host}`, 'must not hold a user name or password')
  if (url.search !== '' || url.hash !== '') throw invalid(text, 'must not have a query or fragment')
  return url.origin + url.pathname.replace(/\/+$/, '')
}

function invalid(text: string, what: string): LatticeError {
  return new LatticeError('CONFIG_INVALID', `LATTICE_NODES: "${text}" ${what}`)
}

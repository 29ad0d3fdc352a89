/**
 * A lung whose frames can be made to vanish, for `lattice up --chaos` and tests.
 *
 * Like a cut that nobody reports: connections stay as they are, requests hang until their asker gives up,
 * announces are accepted and lost, and what others send is never heard (reliability §1.2).
 */
import { LatticeError } from '@lattice/core'
import type { Inbox, Transport } from '@lattice/core'

/** A lung that can be cut. */
export interface ChaosTransport {
  readonly transport: Transport
  /** From now on no frame passes in either direction, those on the way included. */
  cut(): void
  /** From now on frames pass again; what was lost stays lost. */
  heal(): void
}

/** Puts the scissors around a transport; nothing is cut yet. */
export function withChaos(inner: Transport): ChaosTransport {
  let isCut = false
  let stopping = new AbortController()
  const hang = (asker: AbortSignal): Promise<never> =>
    new Promise((_, reject) => {
      const signal = AbortSignal.any([asker, stopping.signal])
      const end = (): void => reject(new LatticeError(asker.aborted ? 'PEER_TIMEOUT' : 'PEER_UNREACHABLE'))
      if (signal.aborted) return end()
      signal.addEventListener('abort', end, { once: true })
    })
  const deafened = (inbox: Inbox): Inbox => ({
    peerUp: peer => inbox.peerUp(peer),
    peerDown: (peer, reason) => inbox.peerDown(peer, reason),
    announced: (from, frame) => {
      if (!isCut) inbox.announced(from, frame)
    },
    serve: async (from, frame, signal) => {
      if (isCut) return hang(signal)
      const answer = await inbox.serve(from, frame, signal)
      return isCut ? hang(signal) : answer
    },
  })
  const transport: Transport = {
    kind: inner.kind,
    start: inbox => {
      stopping = new AbortController()
      return inner.start(deafened(inbox))
    },
    stop: () => {
      stopping.abort()
      return inner.stop()
    },
    connect: (peer, signal) => (isCut ? hang(signal) : inner.connect(peer, signal)),
    request: async (peer, frame, signal) => {
      if (isCut) return hang(signal)
      const answer = await inner.request(peer, frame, signal)
      return isCut ? hang(signal) : answer
    },
    announce: frame => (isCut ? Promise.resolve() : inner.announce(frame)),
    addresses: peer => inner.addresses(peer),
  }
  return { transport, cut: () => void (isCut = true), heal: () => void (isCut = false) }
}

/** Set by `lattice up --chaos` alone: makes a daemon listen to orders of its parent. Never a setting. */
export const chaosVariable = 'CHAOS_OF_LATTICE_UP'

/** What the parent orders over the IPC channel. */
export interface ChaosOrder {
  readonly chaos: 'cut' | 'heal'
}

/** Whether a message of the parent is an order. */
export function isChaosOrder(message: unknown): message is ChaosOrder {
  if (typeof message !== 'object' || message === null || !('chaos' in message)) return false
  return message.chaos === 'cut' || message.chaos === 'heal'
}

/**
 * Which figures history keeps. A series is named by its family, and by what tells it from others of it after
 * slashes: nodes by their id, so that a change of name starts no new one.
 */
import type { NodeEvent, NodeStatus } from '@lattice/core'

/** Counts between two samples. */
export interface Tally {
  /** Changes written here. */
  local: number
  /** Changes that came from other nodes. */
  peers: number
  /** Requests that ended in 4xx: the caller's fault. */
  client: number
  /** Requests that ended in 5xx: ours. */
  server: number
}

/** Counts what happens, until it is read. */
export interface Counts {
  readonly onEvent: (event: NodeEvent) => void
  readonly onAnswered: (httpStatus: number) => void
  /** What has been counted since the last call. */
  readonly take: () => Tally
}

/** Starts at nothing. */
export function createCounts(): Counts {
  let tally: Tally = { local: 0, peers: 0, client: 0, server: 0 }
  return {
    onEvent: event => {
      if (event.kind !== 'change') return
      if (event.via === 'local') tally.local += 1
      else tally.peers += 1
    },
    onAnswered: httpStatus => {
      if (httpStatus >= 500) tally.server += 1
      else if (httpStatus >= 400) tally.client += 1
    },
    take: () => {
      const taken = tally
      tally = { local: 0, peers: 0, client: 0, server: 0 }
      return taken
    },
  }
}

/**
 * The figures of one moment. Shares are 0 or 1, rates are per second, latency is in milliseconds. What is not
 * known is left out, and so is a peer that sleeps: it is not available, and that is no failure.
 *
 * @param seconds since the tally was last taken
 * @param serves whether this node is well enough to serve
 */
export function figuresOf(
  status: NodeStatus,
  tally: Tally,
  seconds: number,
  serves: boolean,
): ReadonlyMap<string, number> {
  const figures = new Map<string, number>()
  for (const transport of ['p2p', 'http', 'none'])
    figures.set(`mode/${transport}`, transport === status.syncMode.toLowerCase() ? 1 : 0)
  const span = Math.max(seconds, 0.001)
  figures.set('writes/local', tally.local / span)
  figures.set('writes/peers', tally.peers / span)
  figures.set('errors/client', tally.client / span)
  figures.set('errors/server', tally.server / span)
  figures.set('keys', status.keyCount)
  figures.set(`availability/${status.nodeId}`, serves ? 1 : 0)
  for (const { nodeId, path, asleep, behind, links } of status.peers) {
    if (asleep !== true) figures.set(`availability/${nodeId}`, path === 'none' ? 0 : 1)
    if (behind !== undefined) figures.set(`lag/${nodeId}`, behind)
    for (const lung of ['p2p', 'http'] as const) {
      const { state, rttMs } = links[lung]
      if (state === 'up' && rttMs !== undefined) figures.set(`latency/${nodeId}/${lung}`, rttMs)
    }
  }
  return figures
}

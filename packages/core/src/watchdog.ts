/**
 * The network watchdog: how long has each path proved nothing?
 *
 * "Connected" is not "delivering" (reliability §1.2): a link counts only while answers come, in both
 * directions. What the peer says of when it last heard us finds one-way loss.
 */
import {
  httpSilenceMaxMs,
  httpUnheardMaxMs,
  silenceMaxMs,
  trialProbesNeeded,
  type EngineParams,
} from './params.ts'
import type { Link, Peer } from './peers.ts'
import type { LinkStatus } from './status.ts'
import type { Cursor } from './journal.ts'
import type { Facts, Mode } from './mode.ts'

/** How a link stands: proven by fresh answers, connected but silent, or not connected. */
export function linkState(link: Link, now: number, params: EngineParams): LinkStatus['state'] {
  if (provenUntil(link, params) > now) return 'up'
  return link.up ? 'suspected' : 'down'
}

/**
 * Until when the link counts as proven without further news. A peer that only dials out proves the HTTP path
 * by asking us, although we know no address of it or it does not answer there.
 */
export function provenUntil(link: Link, params: EngineParams): number {
  const { path, up, lastHeard, heardUs, failures } = link
  if (lastHeard === undefined || heardUs === undefined || (up && failures > 0))
    return Number.NEGATIVE_INFINITY
  if (path === 'http') return Math.min(lastHeard + httpSilenceMaxMs, heardUs + httpUnheardMaxMs)
  return up ? lastProof(link) + silenceMaxMs(params) : Number.NEGATIVE_INFINITY
}

/** When the link last was proven in both directions. */
function lastProof(link: Link): number {
  return Math.min(link.lastHeard ?? Number.NEGATIVE_INFINITY, link.heardUs ?? Number.NEGATIVE_INFINITY)
}

/** What the mode machine needs to know. `p2pLastAlive` and `trial` are kept by the engine between calls. */
export function factsOf(
  peers: Iterable<Peer>,
  now: number,
  params: EngineParams,
  memory: { p2pUsable: boolean; p2pLastAlive: number; trialMark: Cursor | undefined },
  mode: Mode,
): Facts {
  const members = [...peers]
  let p2pAlive = false
  let { p2pLastAlive } = memory
  let trialPassed = false
  for (const peer of members) {
    const proven = linkState(peer.links.p2p, now, params) === 'up'
    p2pAlive ||= proven
    if (proven) p2pLastAlive = Math.max(p2pLastAlive, lastProof(peer.links.p2p))
    trialPassed ||= proven && passedTrial(peer, now, params, memory.trialMark, mode)
  }
  const answering = members
    .map(({ links }) => links.http)
    .filter(http => linkState(http, now, params) === 'up')
  // A peer that only dials out cannot be probed: it has to ask us.
  const httpFresh = answering.some(({ up, doubted, lastHeard = 0 }) =>
    up ? !doubted : lastHeard >= p2pLastAlive,
  )
  const httpAlive = answering.length > 0
  return { p2pUsable: memory.p2pUsable, p2pAlive, p2pLastAlive, httpAlive, httpFresh, trialPassed }
}

/** Enough good probes over enough time, and the peer holds everything committed before the trial began. */
function passedTrial(
  peer: Peer,
  now: number,
  params: EngineParams,
  mark: Cursor | undefined,
  mode: Mode,
): boolean {
  if (mode.state.phase !== 'TRIAL' || mark === undefined) return false
  const { acked, links } = peer
  const long = now - mode.state.since >= params.stableAfterMs
  const holdsAll = acked?.incarnation === mark.incarnation && acked.seq >= mark.seq
  return long && holdsAll && links.p2p.goodProbes >= trialProbesNeeded
}

/**
 * What the public may know of a node: how the federation is, which nodes are reached, and how the last 90
 * days were. Names and shares of time, and nothing that helps anybody to reach or to impersonate a node.
 */
import type { NodeStatus, PeerStatus } from '@lattice/core'
import type { HistoryReading } from '../history/history-file.ts'

/** How something is; each has a sign and a word on the page. */
export type PublicState = 'up' | 'degraded' | 'down' | 'asleep'

/** One day of one node: the share of time it was there; undefined where nothing is known. */
export interface Day {
  /** Unix milliseconds, midnight UTC. */
  readonly at: number
  readonly share: number | undefined
}

/** One node. */
export interface PublicNode {
  readonly name: string
  readonly state: PublicState
  /** Oldest first. */
  readonly days: readonly Day[]
}

/** Everything on the page. */
export interface PublicStatus {
  readonly state: PublicState
  readonly sentence: string
  readonly nodes: readonly PublicNode[]
}

/** Days on the ribbon (experience §6.3). */
export const daysShown = 90

const dayMs = 86_400_000
const sampleMs = 10_000

/** The first midnight of the ribbon. @param now Unix milliseconds */
export function firstDay(now: number): number {
  return Math.floor(now / dayMs) * dayMs - (daysShown - 1) * dayMs
}

function stateOf(peer: PeerStatus): PublicState {
  if (peer.asleep === true) return 'asleep'
  if (peer.path === 'none') return 'down'
  return (peer.behind ?? 0) > 0 ? 'degraded' : 'up'
}

function verdict(serves: boolean, peers: readonly PeerStatus[], root: string): Omit<PublicStatus, 'nodes'> {
  if (!serves) return { state: 'down', sentence: 'This node cannot serve at the moment.' }
  if (peers.length === 0) return { state: 'up', sentence: 'The node works.' }
  const states = peers.map(stateOf)
  const all = peers.length + 1
  const missing = states.filter(state => state === 'down' || state === 'asleep').length
  const reached = `${all - missing} of ${all} nodes are connected`
  if (states.includes('down')) {
    const alone = missing === peers.length
    return alone
      ? { state: 'degraded', sentence: 'No other node answers; this one goes on by itself.' }
      : { state: 'degraded', sentence: `${reached}.` }
  }
  if (missing > 0) return { state: 'up', sentence: `${reached}; the others are asleep.` }
  const agree = peers.every(peer => peer.root === root)
  const subject = all === 2 ? 'Both nodes' : `All ${all} nodes`
  return { state: 'up', sentence: agree ? `${subject} agree.` : `${subject} are connected.` }
}

type Points = readonly (readonly [at: number, figure: { readonly count: number; readonly mean: number }])[]

/** The share of each day; `shareOf` says what a recorded day means. */
function daysOf(
  points: Points,
  now: number,
  shareOf: (at: number, point: Points[number][1]) => number,
): Day[] {
  const byDay = new Map(points)
  return Array.from({ length: daysShown }, (_, index) => {
    const at = firstDay(now) + index * dayMs
    const point = byDay.get(at)
    return { at, share: point === undefined ? undefined : Math.min(1, Math.max(0, shareOf(at, point))) }
  })
}

/**
 * This node's own days: it was there as often as it took a sample, from its first sample on. A day without
 * any counts as down when a day before it had some.
 */
function ownDays(points: Points, now: number): Day[] {
  const [first] = points
  const days = daysOf(points, now, (at, { count, mean }) => {
    // Of its first day only what it recorded is known.
    if (at === first?.[0]) return mean
    const span = Math.min(at + dayMs, now) - at
    return (mean * count * sampleMs) / Math.max(span, sampleMs)
  })
  return days.map(day =>
    day.share === undefined && first !== undefined && day.at > first[0] ? { ...day, share: 0 } : day,
  )
}

/** What the page says. `history` holds `availability` by days; undefined where it cannot be read. */
export function publicStatus(
  own: { readonly name: string; readonly serves: boolean },
  status: NodeStatus,
  history: HistoryReading | undefined,
  now: number,
): PublicStatus {
  const points = (nodeId: string): Points => history?.series.get(`availability/${nodeId}`) ?? []
  const nodes: PublicNode[] = [
    { name: own.name, state: own.serves ? 'up' : 'down', days: ownDays(points(status.nodeId), now) },
    // Without a name it is counted: ids are not for the public.
    ...status.peers.map((peer, index) => ({
      name: peer.name ?? `node ${index + 2}`,
      state: stateOf(peer),
      days: daysOf(points(peer.nodeId), now, (_at, { mean }) => mean),
    })),
  ]
  return { ...verdict(own.serves, status.peers, status.root), nodes }
}

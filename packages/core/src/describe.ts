/** The engine's state as the read model of status.ts: facts in words, nothing hidden, nothing guessed. */
import { blockersOf } from './compaction.ts'
import { versionAt, wallOf } from './hlc.ts'
import type { ModeKeeper } from './mode-keeper.ts'
import type { EngineParams } from './params.ts'
import { hasLeft, type Link, type Peer } from './peers.ts'
import type { Replica } from './replica.ts'
import type { CompactionStatus, LinkStatus, NodeStatus, PeerStatus } from './status.ts'
import { isBehind, resumes, type Standing } from './sync-plan.ts'
import type { Instant, NodeId, PathKind } from './units.ts'
import { linkState } from './watchdog.ts'
import { preferredPath } from './mode.ts'
import { warningsOf } from './warnings.ts'

/** What the description is made from. */
export interface NodeFacts {
  readonly self: NodeId
  readonly params: EngineParams
  readonly replica: Replica
  readonly mode: ModeKeeper
  readonly peers: Iterable<Peer>
  readonly own: Standing
  readonly store: Pick<NodeStatus, 'damage' | 'fullSinceWall' | 'clonedWall'>
  readonly unknownAuthors: readonly NodeId[]
  readonly at: Instant
}

type LinkStates = Readonly<
  Record<PathKind, { readonly state: LinkStatus['state']; readonly lastError?: string | undefined }>
>

/** The node as a whole. */
export function describeNode(facts: NodeFacts): NodeStatus {
  const { self, params, replica, mode, own, at } = facts
  const members = [...facts.peers]
  const peers = members.map(peer => describePeer(peer, mode, own, at, params))
  const synced = members.flatMap(peer => peer.lastSyncWall ?? [])
  const node: Omit<NodeStatus, 'warnings'> = {
    nodeId: self,
    incarnation: own.incarnation,
    seq: own.seq,
    root: own.root,
    keyCount: replica.keys.keyCount,
    entryCount: own.count,
    deferredCount: replica.deferred.count,
    clockLeadMs: Math.max(0, wallOf(replica.highWater) - at.wall),
    unknownAuthors: facts.unknownAuthors,
    compaction: describeCompaction(replica, members, params, at),
    ...facts.store,
    isRecovering: replica.isRecovering,
    requested: mode.requested,
    phase: mode.state.phase,
    syncMode: syncModeOf(mode, peers),
    sinceWall: mode.sinceWall,
    reason: mode.reason,
    epoch: mode.epoch,
    ...(mode.forcedUntilWall === undefined ? {} : { forcedUntilWall: mode.forcedUntilWall }),
    p2pPeerCount: peers.filter(peer => peer.links.p2p.state === 'up').length,
    ...(synced.length === 0 ? {} : { lastSyncWall: Math.max(...synced) }),
    peers,
  }
  return { ...node, warnings: warningsOf(node, at, params.heartbeatMs) }
}

function describeCompaction(
  replica: Replica,
  peers: readonly Peer[],
  { tombstoneRetentionMs }: EngineParams,
  at: Instant,
): CompactionStatus {
  const { horizon, keys } = replica
  const { endingCount } = keys
  const [first] = keys.dues(1)
  const isDue = first !== undefined && first < versionAt(at.wall - tombstoneRetentionMs)
  return {
    endingCount,
    ...(horizon === 0n ? {} : { horizonWall: wallOf(horizon) }),
    blockedBy: isDue ? blockersOf(replica, peers, first) : [],
  }
}

/** One member. */
export function describePeer(
  peer: Peer,
  mode: ModeKeeper,
  own: Standing,
  at: Instant,
  params: EngineParams,
): PeerStatus {
  const links = {
    p2p: describeLink(peer.links.p2p, at, params),
    http: describeLink(peer.links.http, at, params),
  }
  const { known, acked, info, wallAtZero } = peer
  const behind = known !== undefined && resumes(peer) ? known.seq - (peer.cursor?.seq ?? 0) : undefined
  const acknowledged = acked?.incarnation === own.incarnation ? acked.seq : undefined
  return {
    nodeId: peer.id,
    ...(info === undefined ? {} : { name: info.name, role: info.role, software: info.software }),
    ...pathOfPeer(peer, links, mode),
    sinceWall: at.wall - (at.mono - peer.pathSince),
    links,
    ...(peer.lastSeenWall === undefined ? {} : { lastSeenWall: peer.lastSeenWall }),
    ...(wallAtZero === undefined ? {} : { clockAheadMs: wallAtZero + at.mono - at.wall }),
    ...(known === undefined ? {} : { root: known.root }),
    ...(peer.apartSince === undefined ? {} : { apartSinceWall: at.wall - (at.mono - peer.apartSince) }),
    ...(behind === undefined ? {} : { behind: isBehind(peer) ? Math.max(behind, 1) : 0 }),
    ...(peer.bulk === undefined || known === undefined
      ? {}
      : { transfer: { entries: own.count, of: Math.max(own.count, known.count) } }),
    ...(acknowledged === undefined ? {} : { ahead: Math.max(0, own.seq - acknowledged) }),
  }
}

/** How both links of a peer stand: all that its path depends on. */
export function linkStates(
  { links: { p2p, http } }: Peer,
  { mono }: Instant,
  params: EngineParams,
): LinkStates {
  return {
    p2p: { state: linkState(p2p, mono, params), lastError: p2p.lastError },
    http: { state: linkState(http, mono, params), lastError: http.lastError },
  }
}

/** The path in use with a peer, and why, as a sentence. */
export function pathOfPeer(
  peer: Peer,
  links: LinkStates,
  mode: ModeKeeper,
): Pick<PeerStatus, 'path' | 'why' | 'asleep'> {
  const { state } = mode
  const preferred = preferredPath(state)
  if (state.phase === 'FORCED') {
    const up = links[state.path].state === 'up'
    const why = up
      ? `the operator forced ${state.path}`
      : `the operator forced ${state.path}, and it does not answer`
    return { path: up ? state.path : 'none', why }
  }
  if (links.p2p.state === 'up' && (preferred !== 'http' || links.http.state !== 'up')) {
    return { path: 'p2p', why: 'P2P answers in both directions' }
  }
  if (links.http.state === 'up') {
    const proving =
      links.p2p.state === 'up' ? 'P2P answers and has to prove itself' : whyNot('P2P', links.p2p)
    return { path: 'http', why: `HTTP answers; ${proving}` }
  }
  if (peer.links.http.asleep || peer.links.p2p.asleep) {
    const why = 'its host says that it is asleep or waking; it is asked again about every 30 s'
    return { path: 'none', why, asleep: true }
  }
  if (hasLeft(peer)) return { path: 'none', why: 'the peer said goodbye' }
  return { path: 'none', why: `${whyNot('P2P', links.p2p)}; ${whyNot('HTTP', links.http)}` }
}

function whyNot(name: string, link: LinkStates['p2p']): string {
  if (link.lastError !== undefined) return `${name}: ${link.lastError}`
  return link.state === 'suspected' ? `${name} is connected but silent` : `${name} is not connected`
}

function describeLink(link: Link, at: Instant, params: EngineParams): LinkStatus {
  return {
    state: linkState(link, at.mono, params),
    ...(link.rttMs === undefined ? {} : { rttMs: Math.round(link.rttMs * 100) / 100 }),
    ...(link.lastHeard === undefined ? {} : { lastHeardWall: at.wall - (at.mono - link.lastHeard) }),
    ...(link.lastError === undefined ? {} : { lastError: link.lastError }),
  }
}

/** What legacy clients are told (contract §3, `sync_mode`). */
function syncModeOf(mode: ModeKeeper, peers: readonly PeerStatus[]): NodeStatus['syncMode'] {
  switch (mode.state.phase) {
    case 'P2P':
    case 'GRACE':
      return 'P2P'
    case 'HTTP':
    case 'TRIAL':
      return 'HTTP'
    case 'FORCED':
      return mode.state.path === 'p2p' ? 'P2P' : 'HTTP'
    case 'NONE':
      return peers.some(peer => peer.links.http.state === 'up') ? 'HTTP' : 'NONE'
  }
}

/** The read model in the words of the REST contract. */
import type { peerSchema, statusTextSchema, transitionSchema, warningSchema } from '@lattice/api'
import type { LinkStatus, NodeStatus, PeerStatus, Transition } from '@lattice/core'
import type { z } from 'zod'
import type { PeerInfo } from './options.ts'

/** A warning as REST shows it. */
export type WarningShape = z.infer<typeof warningSchema>

/** A peer as REST shows it. */
export type PeerShape = z.infer<typeof peerSchema>

/** A transition as REST shows it. */
export type TransitionShape = z.infer<typeof transitionSchema>

/** A verdict as REST shows it. */
export type StatusText = z.infer<typeof statusTextSchema>

/** Unix milliseconds as RFC 3339 in UTC. */
export function moment(wall: number): string {
  return new Date(wall).toISOString()
}

/** The same for a moment that may not have come yet. */
export function momentOrNull(wall: number | undefined): string | null {
  return wall === undefined ? null : moment(wall)
}

function linkShape(link: LinkStatus): PeerShape['links']['p2p'] {
  return {
    state: link.state,
    rtt_ms: link.rttMs ?? null,
    last_heard: momentOrNull(link.lastHeardWall),
    last_error: link.lastError ?? null,
  }
}

/** A peer as seen by the node whose root is `ownRoot`. */
export function peerShape(peer: PeerStatus, info: PeerInfo, ownRoot: string): PeerShape {
  const { p2p, http } = peer.links
  return {
    name: peer.name ?? null,
    role: peer.role ?? null,
    software: peer.software ?? null,
    node_id: peer.nodeId,
    peer_id: info.peerId,
    url: info.url ?? null,
    path: peer.path,
    ...(peer.asleep === true ? { asleep: true } : {}),
    why: peer.why,
    since: moment(peer.sinceWall),
    rtt_ms: { p2p: p2p.rttMs ?? null, http: http.rttMs ?? null },
    last_seen: momentOrNull(peer.lastSeenWall),
    merkle_root: peer.root ?? null,
    in_sync: peer.root === undefined ? null : peer.root === ownRoot,
    ...(peer.transfer === undefined ? {} : { transfer: peer.transfer }),
    behind: peer.behind ?? null,
    ahead: peer.ahead ?? null,
    links: { p2p: linkShape(p2p), http: linkShape(http) },
    addresses: info.addresses.map(({ path, address, answered, lastError }) => ({
      path,
      address,
      answered: answered === true,
      last_error: lastError ?? null,
    })),
  }
}

/** A step of the mode machine. */
export function transitionShape(transition: Transition): TransitionShape {
  const { epoch, from, to, reason, trigger, atWall, lastedMs } = transition
  return { epoch, from, to, reason, trigger, at: moment(atWall), duration_seconds: lastedMs / 1000 }
}

/** The verdict in the three texts that deployed clients know; `reason` and `warnings` say more. */
export function statusText(status: NodeStatus): StatusText {
  if (status.peers.every(peer => peer.path === 'none')) return '🔴 Degraded (No Peers)'
  const p2pCarries = status.syncMode === 'P2P' && status.p2pPeerCount > 0
  return p2pCarries ? '🟢 Resilient (P2P Mode)' : '🟡 Resilient (HTTP Fallback)'
}

/** Mode, peers and identity, as the legacy clients read them and more. */
import { routes } from '@lattice/api'
import type { Mount } from './mount.ts'
import type { HttpAppOptions } from './options.ts'
import { warningShape } from './warnings.ts'
import type { Warnings } from './warnings.ts'
import { moment, momentOrNull, peerShape, statusText, transitionShape } from './shapes.ts'

type P2pOptions = Pick<HttpAppOptions, 'node' | 'identity' | 'config' | 'clock' | 'p2p' | 'peer'> & {
  readonly warnings: Warnings
}

function p2pStatus({ node, config, clock, p2p, warnings }: P2pOptions): Record<string, unknown> {
  const status = node.status()
  const lung = p2p()
  const transfer = status.peers.find(peer => peer.transfer !== undefined)?.transfer
  return {
    success: true,
    timestamp: Math.floor(clock.now().wall / 1000),
    enabled: lung.enabled,
    started: lung.started,
    libp2p_available: lung.available,
    error: lung.error ?? null,
    topic: config.topic,
    listen_multiaddrs: lung.listenAddresses,
    bootstrap_peers: config.bootstrap,
    peer_count: status.p2pPeerCount,
    has_peers: status.p2pPeerCount > 0,
    http_sync_enabled: config.nodes.length > 0,
    sync_mode: status.syncMode,
    heartbeat_active: lung.started || config.nodes.length > 0,
    mode: status.requested,
    phase: status.phase,
    since: moment(status.sinceWall),
    reason: status.reason,
    forced_until: momentOrNull(status.forcedUntilWall),
    ...(transfer === undefined ? {} : { transfer }),
    last_sync: momentOrNull(status.lastSyncWall),
    merkle_root: status.root,
    status_text: statusText(status),
    warnings: warnings().map(warningShape),
  }
}

/** Adds the routes on mode, peers and identity. */
export function mountP2p(mount: Mount, options: P2pOptions): void {
  const { node, identity, config, p2p, peer } = options
  mount(routes.getP2pStatus, (_input, _request, response) => void response.json(p2pStatus(options)))
  mount(routes.getIdentity, (_input, _request, response) => {
    response.json({
      success: true,
      peer_id: identity.peerId,
      listen_addrs: p2p().listenAddresses,
      public_key: identity.nodeId,
    })
  })
  mount(routes.getNodes, (_input, _request, response) => {
    response.json({ success: true, nodes: config.nodes, count: config.nodes.length })
  })
  mount(routes.getPeers, (_input, _request, response) => {
    const status = node.status()
    const peers = status.peers.map(one => peerShape(one, peer(one.nodeId), status.root))
    response.json({ success: true, peers, count: peers.length })
  })
  mount(routes.getTransitions, (_input, _request, response) => {
    const transitions = node.transitions().map(transitionShape)
    response.json({ success: true, transitions, count: transitions.length })
  })
}

/**
 * What needs a look, in words, with one thing to do. One cause does not shout twice: `dependsOn` silences
 * what follows from it.
 */
import type { NodeStatus, PeerStatus, Warning } from './status.ts'
import type { Instant } from './units.ts'

/** The warnings of a node in this state, the most severe first. */
export function warningsOf(node: Omit<NodeStatus, 'warnings'>, at: Instant): Warning[] {
  const all = [...nodeWarnings(node, at), ...node.peers.flatMap(peer => peerWarnings(peer, node))]
  const codes = new Set(all.map(warning => warning.code))
  const order = { high: 0, medium: 1, low: 2 }
  return all
    .filter(warning => !warning.dependsOn.some(code => codes.has(code)))
    .sort((a, b) => order[a.severity] - order[b.severity])
}

function nodeWarnings(node: Omit<NodeStatus, 'warnings'>, at: Instant): Warning[] {
  const warnings: Warning[] = []
  if (node.peers.length === 0) {
    warnings.push({
      code: 'no-trusted-keys',
      title: 'This node trusts nobody',
      text: 'No trusted keys are configured: the node serves its own clients and refuses all sync.',
      severity: 'medium',
      sinceWall: node.sinceWall,
      dependsOn: [],
      impactsConnectivity: true,
      primaryAction: {
        label: 'Set LATTICE_TRUSTED_KEYS to the keys of the other nodes',
        command: 'lattice id',
      },
    })
  } else if (node.peers.every(peer => peer.path === 'none') && !node.peers.every(peer => peer.asleep)) {
    warnings.push({
      code: 'isolated',
      title: 'No other node answers',
      text: 'Local reads and writes go on; changes will be exchanged when a peer answers again.',
      severity: 'high',
      sinceWall: Math.max(...node.peers.map(peer => peer.sinceWall)),
      dependsOn: [],
      impactsConnectivity: true,
      primaryAction: { label: 'See why', command: 'lattice peers' },
    })
  }
  if (node.isRecovering) {
    warnings.push({
      code: 'recovering',
      title: 'This node lost its data',
      text: 'The data directory was empty, replaced or restored; the state is being learnt from the other nodes.',
      severity: 'medium',
      sinceWall: node.sinceWall,
      dependsOn: [],
      impactsConnectivity: false,
      primaryAction: { label: 'Wait until it agrees with them', command: 'lattice wait --in-sync' },
    })
  }
  if (node.phase === 'FORCED') warnings.push(forced(node, at))
  if (node.deferredCount > 0) {
    warnings.push({
      code: 'deferred-entries',
      title: 'Entries from the future are waiting',
      text: `${node.deferredCount} entries are stamped more than 10 minutes ahead of this clock; roots differ until they are due.`,
      severity: 'medium',
      sinceWall: at.wall,
      dependsOn: [],
      impactsConnectivity: false,
      primaryAction: { label: 'Compare the clocks of all nodes', command: 'timedatectl' },
    })
  }
  return warnings
}

function forced(node: Omit<NodeStatus, 'warnings'>, at: Instant): Warning {
  const left =
    node.forcedUntilWall === undefined
      ? ''
      : ` It ends by itself in ${Math.ceil((node.forcedUntilWall - at.wall) / 60_000)} min.`
  const dead = node.peers.length > 0 && node.peers.every(peer => peer.path === 'none')
  return {
    code: 'mode-forced',
    title: dead ? 'The forced mode does not work' : 'The sync mode is forced',
    text: `The operator forced ${node.requested} (${node.reason}).${left}`,
    severity: dead ? 'high' : 'low',
    sinceWall: node.sinceWall,
    dependsOn: [],
    impactsConnectivity: dead,
    primaryAction: { label: 'Return to auto', command: 'lattice switch auto' },
  }
}

function peerWarnings(peer: PeerStatus, node: Omit<NodeStatus, 'warnings'>): Warning[] {
  const name = peer.name ?? peer.nodeId.slice(0, 8)
  const warnings: Warning[] = []
  if (peer.asleep === true) {
    warnings.push({
      code: 'peer-asleep',
      title: `${name} sleeps`,
      text: peer.why,
      severity: 'low',
      sinceWall: peer.sinceWall,
      dependsOn: ['isolated'],
      impactsConnectivity: false,
      primaryAction: { label: 'Open its page to wake it', command: 'lattice peers' },
    })
  } else if (peer.path === 'none') {
    warnings.push({
      code: 'peer-unreachable',
      title: `${name} does not answer`,
      text: peer.why,
      severity: 'medium',
      sinceWall: peer.sinceWall,
      dependsOn: ['isolated'],
      impactsConnectivity: true,
      primaryAction: { label: 'See the last error of each address', command: 'lattice peers' },
    })
  }
  const quiet = peer.behind === 0 && peer.ahead === 0 && peer.path !== 'none'
  if (quiet && peer.root !== undefined && peer.root !== node.root && node.deferredCount === 0) {
    warnings.push({
      code: 'diverged',
      title: `${name} holds another state`,
      text: 'Both sides have applied everything the other committed, and the roots differ: a full comparison is under way.',
      severity: 'high',
      sinceWall: peer.sinceWall,
      dependsOn: [],
      impactsConnectivity: false,
      primaryAction: { label: 'Compare all nodes', command: 'lattice verify' },
    })
  }
  return warnings
}

/**
 * What needs a look, in words, with one thing to do. One cause does not shout twice: `dependsOn` silences
 * what follows from it, peers in the same trouble share one warning, and what passes by itself within
 * `timeToVisibleMs` is never shown (after Tailscale's health warnables).
 */
import { clocksApartMs, clockTroubleOf } from './clocks.ts'
import { peerName } from './names.ts'
import type { NodeStatus, PeerStatus, Warning } from './status.ts'
import type { Instant } from './units.ts'

type Facts = Omit<NodeStatus, 'warnings'>

/** A copy that has been silent for so long has most likely been stopped. */
const clonedForMs = 3_600_000

/** Heartbeats that all peers may miss before it is said: one is enough to notice, and a blink is not. */
const isolatedBeats = 1

/** Heartbeats that one peer of several may miss before it is said: a restart takes less. */
const unreachableBeats = 2

/** Cursors may run ahead of the roots that heartbeats carry: what two of them leave is a difference. */
const divergedBeats = 2

/** Deletes that wait for a member are worth a word once it has been away for more than a night. */
const deletesKeptMs = 86_400_000

/**
 * The warnings of a node in this state, the most severe first.
 *
 * @param heartbeatMs how often peers are heard of: what is shorter than that says nothing yet
 */
export function warningsOf(node: Facts, at: Instant, heartbeatMs: number): Warning[] {
  return visibleWarnings(
    [...nodeWarnings(node, at, heartbeatMs), ...peersWarnings(node, heartbeatMs)],
    at.wall,
  )
}

/**
 * The warnings to show, the most severe first: not those that another one explains, also where that one is
 * not old enough to be shown, and not those younger than their time. A moment in the future counts as long
 * past: a stepped clock must not hide anything.
 */
export function visibleWarnings(all: readonly Warning[], wall: number): Warning[] {
  const codes = new Set(all.map(warning => warning.code))
  const order = { high: 0, medium: 1, low: 2 }
  return all
    .filter(({ code, dependsOn }) => !dependsOn.some(cause => cause !== code && codes.has(cause)))
    .filter(({ sinceWall, timeToVisibleMs }) => sinceWall > wall || wall - sinceWall >= timeToVisibleMs)
    .sort((a, b) => order[a.severity] - order[b.severity])
}

function nodeWarnings(node: Facts, at: Instant, heartbeatMs: number): Warning[] {
  const warnings: Warning[] = []
  if (node.peers.length === 0) {
    warnings.push({
      code: 'no-trusted-keys',
      title: 'This node trusts nobody',
      text: 'No trusted keys are configured: the node serves its own clients and refuses all sync.',
      severity: 'medium',
      sinceWall: node.sinceWall,
      timeToVisibleMs: 0,
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
      text: `${localWords(node, at)} go on; changes will be exchanged when a peer answers again.`,
      severity: 'high',
      sinceWall: Math.max(...node.peers.map(peer => peer.sinceWall)),
      timeToVisibleMs: isolatedBeats * heartbeatMs,
      // Over the path that is not forced they may well answer.
      dependsOn: ['mode-forced'],
      impactsConnectivity: true,
      primaryAction: { label: 'See why', command: 'lattice peers' },
    })
  }
  // Where there are no others it lasts as well: one that joins later may still know better.
  if (node.isRecovering && node.peers.length > 0) {
    warnings.push({
      code: 'recovering',
      title: 'This node learns the state from the others',
      text:
        'Its data directory was empty, replaced or restored, or it was away while deletes ended; ' +
        'until it agrees with another node it may lack or show what the others do not.',
      severity: 'medium',
      sinceWall: node.sinceWall,
      timeToVisibleMs: 0,
      dependsOn: [],
      impactsConnectivity: false,
      primaryAction: { label: 'Wait until it agrees with them', command: 'lattice wait --in-sync' },
    })
  }
  warnings.push(...deletesKept(node))
  warnings.push(...storeWarnings(node, at))
  if (node.phase === 'FORCED') warnings.push(forced(node, at, heartbeatMs))
  warnings.push(...deferredEntries(node, at), ...clocksDiffer(node, at), ...unknownAuthors(node, at))
  return warnings
}

/** Entries that this node refuses and others hold: one of the two lacks a key, or has one too many. */
function unknownAuthors({ unknownAuthors: authors }: Facts, at: Instant): Warning[] {
  if (authors.length === 0) return []
  return [
    {
      code: 'unknown-authors',
      title: 'Entries by an unknown key are refused',
      text:
        `Other nodes hold entries signed by ${authors.map(each => `${each.slice(0, 16)}…`).join(', ')}, and ` +
        'this one trusts no such key: roots differ, and no later delete ends.',
      severity: 'high',
      sinceWall: at.wall,
      timeToVisibleMs: 0,
      dependsOn: [],
      impactsConnectivity: false,
      primaryAction: {
        label:
          'If it is the key of a node of yours, add it to LATTICE_TRUSTED_KEYS (LATTICE_FORMER_KEYS once it is gone)',
        command: 'lattice id',
      },
    },
  ]
}

const compareClocks = { label: 'Compare the clocks of all nodes', command: 'timedatectl' }

/** Entries whose time has not come yet. */
function deferredEntries(node: Facts, at: Instant): Warning[] {
  const { deferredCount } = node
  if (deferredCount === 0) return []
  const waiting = deferredCount === 1 ? 'One entry is' : `${deferredCount} entries are`
  return [
    {
      code: 'deferred-entries',
      title: 'Entries from the future are waiting',
      text: `${waiting} stamped more than 10 minutes ahead of this clock; roots differ until then.`,
      severity: 'medium',
      sinceWall: at.wall,
      timeToVisibleMs: 0,
      dependsOn: [],
      impactsConnectivity: false,
      primaryAction: compareClocks,
    },
  ]
}

/** Clocks that are not right, here or elsewhere. */
function clocksDiffer(node: Facts, at: Instant): Warning[] {
  const trouble = clockTroubleOf(node)
  if (trouble === undefined) return []
  return [
    {
      code: 'clocks-differ',
      title: 'Clocks differ',
      text: `${trouble.text}. Of two writes to one key that with the later stamp stays.`,
      severity: trouble.apartMs < clocksApartMs ? 'low' : 'medium',
      sinceWall: at.wall,
      timeToVisibleMs: 0,
      dependsOn: ['deferred-entries'],
      impactsConnectivity: false,
      primaryAction: compareClocks,
    },
  ]
}

/** Deletes that cannot end because of one member. */
function deletesKept(node: Facts): Warning[] {
  const [blocker] = node.compaction.blockedBy
  if (blocker === undefined) return []
  const name = node.peers.find(({ nodeId }) => nodeId === blocker.nodeId)?.name ?? blocker.nodeId
  return [
    {
      code: 'deletes-kept',
      title: 'Deletes cannot end',
      text: `Deletes older than the retention are kept until every member knows of them: ${name} ${blocker.why}.`,
      severity: 'low',
      sinceWall: node.sinceWall,
      timeToVisibleMs: deletesKeptMs,
      dependsOn: [],
      impactsConnectivity: false,
      primaryAction: {
        label: 'Bring the node back, or take its key out of LATTICE_TRUSTED_KEYS everywhere',
        command: 'lattice peers',
      },
    },
  ]
}

/** What the store of this node lacks, or cannot take. */
function storeWarnings({ damage, fullSinceWall, clonedWall, sinceWall }: Facts, at: Instant): Warning[] {
  const base = { timeToVisibleMs: 0, dependsOn: [], impactsConnectivity: false, severity: 'high' as const }
  const warnings: Warning[] = []
  if (damage.lost > 0)
    warnings.push({
      ...base,
      code: 'damaged-entries',
      title: 'The disk has damaged entries',
      text:
        `${damage.lost} of the entries on this disk no longer match their digests. They are neither served nor ` +
        `sent, and are being fetched again from the other nodes.${onlyHere(damage.unshared)}`,
      sinceWall,
      primaryAction: { label: 'See which, and check the disk', command: 'lattice integrity' },
    })
  if (fullSinceWall !== undefined)
    warnings.push({
      ...base,
      code: 'disk-full',
      title: 'The disk under the store is full',
      text: 'Reads and deletes go on, and sync as far as there is room; writes are refused until a tenth is free.',
      sinceWall: fullSinceWall,
      primaryAction: { label: 'Make room; see what fills it', command: 'df -h' },
    })
  if (clonedWall !== undefined && isCloned(clonedWall, at.wall))
    warnings.push({
      ...base,
      code: 'cloned',
      title: 'A second node has the key of this one',
      text:
        'Entries arrive that were signed with the key of this node, but not by it: its data directory was ' +
        'copied, and the copy runs. This node takes no writes until it is started anew, or has heard nothing ' +
        'of the other for an hour.',
      sinceWall: clonedWall,
      primaryAction: {
        label: 'Stop one, give it a data directory of its own; then restart this one',
        command: 'lattice id',
      },
    })
  return warnings
}

/** What clients of this node can do by itself. */
function localWords({ fullSinceWall, clonedWall }: Facts, { wall }: Instant): string {
  const takesWrites = fullSinceWall === undefined && !isCloned(clonedWall, wall)
  return takesWrites ? 'Local reads and writes' : 'Local reads'
}

/** Whether a node that has last heard of a double of its own at `clonedWall`, in Unix ms, must count on it. */
export function isCloned(clonedWall: number | undefined, wall: number): boolean {
  return clonedWall !== undefined && wall - clonedWall < clonedForMs
}

function onlyHere(unshared: number): string {
  return unshared === 0
    ? ''
    : ` Nobody else is known to hold ${unshared} of them: what does not come back must be deleted or written anew.`
}

function forced(node: Facts, at: Instant, heartbeatMs: number): Warning {
  const left =
    node.forcedUntilWall === undefined
      ? ''
      : ` It ends by itself in ${Math.ceil((node.forcedUntilWall - at.wall) / 60_000)} min.`
  const silentMs = Math.min(
    ...node.peers.map(({ path, sinceWall }) => (path === 'none' ? at.wall - sinceWall : 0)),
  )
  const dead = node.peers.length > 0 && silentMs >= isolatedBeats * heartbeatMs
  return {
    code: 'mode-forced',
    title: dead ? 'The forced mode does not work' : 'The sync mode is forced',
    text: `The operator forced ${node.requested} (${node.reason}).${left}`,
    severity: dead ? 'high' : 'low',
    sinceWall: node.sinceWall,
    timeToVisibleMs: 0,
    dependsOn: [],
    impactsConnectivity: dead,
    primaryAction: { label: 'Return to auto', command: 'lattice switch auto' },
  }
}

/** `node1`, `node1 and node3`, `node1, node3 and node4`. */
function namesOf(peers: readonly PeerStatus[]): string {
  const names = peers.map(peerName)
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

/** Why, for each; the name only where there are several. */
function whysOf(peers: readonly PeerStatus[]): string {
  const [first] = peers
  return peers.length === 1 && first !== undefined
    ? first.why
    : peers.map(peer => `${peerName(peer)}: ${peer.why}`).join('; ')
}

function peersWarnings(node: Facts, heartbeatMs: number): Warning[] {
  const asleep = node.peers.filter(peer => peer.asleep === true)
  const lost = node.peers.filter(peer => peer.path === 'none' && peer.asleep !== true)
  const warnings: Warning[] = []
  if (asleep.length > 0) {
    warnings.push({
      code: 'peer-asleep',
      title: `${namesOf(asleep)} ${asleep.length === 1 ? 'sleeps' : 'sleep'}`,
      text: whysOf(asleep),
      severity: 'low',
      sinceWall: Math.min(...asleep.map(peer => peer.sinceWall)),
      timeToVisibleMs: 0,
      dependsOn: ['isolated'],
      impactsConnectivity: false,
      primaryAction: { label: 'Open its page to wake it', command: 'lattice peers' },
    })
  }
  if (lost.length > 0) {
    warnings.push({
      code: 'peer-unreachable',
      title: `${namesOf(lost)} ${lost.length === 1 ? 'does' : 'do'} not answer`,
      text: whysOf(lost),
      severity: 'medium',
      sinceWall: Math.min(...lost.map(peer => peer.sinceWall)),
      timeToVisibleMs: unreachableBeats * heartbeatMs,
      dependsOn: ['isolated'],
      impactsConnectivity: true,
      primaryAction: { label: 'See the last error of each address', command: 'lattice peers' },
    })
  }
  const diverged = node.deferredCount > 0 ? [] : node.peers.filter(peer => holdsAnother(peer, node.root))
  if (diverged.length > 0) {
    warnings.push({
      code: 'diverged',
      title: `${namesOf(diverged)} ${diverged.length === 1 ? 'holds' : 'hold'} another state`,
      text: 'Both sides have applied everything the other committed, and the roots differ: a full comparison is under way.',
      severity: 'high',
      sinceWall: Math.min(...diverged.map(peer => peer.apartSinceWall ?? Infinity)),
      timeToVisibleMs: divergedBeats * heartbeatMs,
      dependsOn: ['unknown-authors'],
      impactsConnectivity: false,
      primaryAction: { label: 'Compare all nodes', command: 'lattice verify' },
    })
  }
  return warnings
}

/** Nothing is on its way in either direction, and yet the roots differ. */
function holdsAnother({ path, behind, ahead, root, apartSinceWall }: PeerStatus, ownRoot: string): boolean {
  return path !== 'none' && behind === 0 && ahead === 0 && apartSinceWall !== undefined && root !== ownRoot
}

/** How a peer looks in a table, for `lattice status` and `lattice peers`. */
import type { Client } from '@lattice/api'

import { span, visible } from './io.ts'
import type { Paint } from './io.ts'

/** One other node, as REST tells it. */
export type Peer = Awaited<ReturnType<Client['getPeers']>>['peers'][number]

/** What a peer is called: its name, or the end of its peer id. */
export function peerName(peer: Peer): string {
  return visible(peer.name ?? `…${peer.peer_id.slice(-6)}`)
}

/** `✓ ok`, `! behind`, `✗ down`, `– asleep`, `– unseen`: a sign and a word. */
export function peerState(peer: Peer, paint: Paint): string {
  if (peer.asleep === true) return paint('blue', '– asleep')
  if (peer.path === 'none')
    return peer.last_seen === null ? paint('gray', '– unseen') : paint('red', '✗ down')
  if (peer.in_sync === false || (peer.behind ?? 0) > 0) return paint('yellow', '! behind')
  return paint('green', '✓ ok')
}

/** How far a transfer has come: `41200 of about 100000 entries`. */
export function transferProgress({ entries, of }: NonNullable<Peer['transfer']>): string {
  return `${entries} of about ${of} entries`
}

/** Round trip of the path in use. */
export function peerRtt(peer: Peer): string {
  const ms = peer.path === 'none' ? null : peer.rtt_ms[peer.path]
  return ms === null ? '–' : span(ms)
}

/** How long ago a moment was, in words. */
export function ago(moment: string | null, nowWall: number): string {
  return moment === null ? 'never' : span(Math.max(0, nowWall - Date.parse(moment)))
}

/** What `-o wide` adds: moments instead of spans, ids and roots whole. */
export const wideHeads: readonly string[] = ['SINCE', 'LAST SEEN', 'PEER ID', 'ROOT']

/** The cells below `wideHeads`. */
export function wideCells(peer: Peer): readonly string[] {
  return [peer.since, peer.last_seen ?? 'never', peer.peer_id, peer.merkle_root ?? '?']
}

/** The members of the federation as this node sees them. */
import type { ReactElement } from 'react'
import { Moment } from './moment.tsx'
import type { HealthReport, Peer, SyncStatus } from './node-api.ts'
import { PeerPage } from './peer-page.tsx'
import { StateMark } from './state-mark.tsx'
import { texts } from './texts.ts'
import { tripWords } from './time-words.ts'
import { peerName, peerState, verdictOf } from './verdict.ts'
import { shortHex, visible } from './visible-text.ts'

interface Props {
  readonly status: SyncStatus
  readonly health: HealthReport
  readonly peers: readonly Peer[]
}

/** One row for each node, this one first. */
export function NodeTable({ status, health, peers }: Props): ReactElement {
  const own = health.overall === 'unhealthy' ? verdictOf({ status, peers, health }).state : undefined
  return (
    <div className="page-scroll" role="region" aria-label={texts.nodes.label} tabIndex={0}>
      <table className="page-table page-nodes">
        <thead>
          <tr>
            {texts.nodes.headings.map(heading => (
              <th key={heading} scope="col">
                {heading}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">
              <bdi>{visible(health.name, 64)}</bdi>{' '}
              <span className="lat-soft">{visible(health.role, 64)}</span>
            </th>
            <td>{own === undefined ? texts.thisNode : <StateMark state={own} />}</td>
            <td>{texts.none}</td>
            <td>{texts.none}</td>
            <td>{texts.none}</td>
            <td>{texts.none}</td>
            <td>
              <code title={status.merkle_root}>{shortHex(status.merkle_root)}</code>
            </td>
            <td>{visible(health.version, 32)}</td>
          </tr>
          {peers.map(peer => (
            <PeerRow key={peer.peer_id} peer={peer} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function PeerRow({ peer }: { readonly peer: Peer }): ReactElement {
  const { state, word } = peerState(peer)
  const rtt = peer.path === 'none' ? null : peer.links[peer.path]?.rtt_ms
  return (
    <tr data-peer={peer.peer_id}>
      <th scope="row">
        <PeerPage peer={peer}>
          <bdi>{peerName(peer)}</bdi>
        </PeerPage>{' '}
        <span className="lat-soft">{visible(peer.role ?? '', 64)}</span>
      </th>
      <td>
        <StateMark state={state} word={word} />
        <span className="lat-help">{visible(peer.why, 200)}</span>
      </td>
      <td>{rtt === null || rtt === undefined ? texts.none : tripWords(rtt)}</td>
      <td>{peer.behind ?? texts.notKnown}</td>
      <td>{peer.ahead ?? texts.notKnown}</td>
      <td>
        <Moment at={peer.last_seen} brief />
      </td>
      <td>
        {peer.merkle_root === null ? (
          texts.notKnown
        ) : (
          <code title={peer.merkle_root}>{shortHex(peer.merkle_root)}</code>
        )}
      </td>
      <td>{visible((peer.software ?? texts.none).replace('lattice/', ''), 32)}</td>
    </tr>
  )
}

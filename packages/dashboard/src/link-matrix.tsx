/**
 * Every direction of every link. A node knows its own row; what the others see, they were asked. Whom it
 * could not ask has a row that says so and leads to the page of that node, instead of guessing.
 */
import { useId } from 'react'
import type { ReactElement } from 'react'
import type { LinkRow, Links, Peer } from './node-api.ts'
import { PeerPage } from './peer-page.tsx'
import { safeUrl } from './safe-url.ts'
import { StateMark } from './state-mark.tsx'
import { texts } from './texts.ts'
import type { StateName } from './texts.ts'
import { tripWords } from './time-words.ts'
import { peerName } from './verdict.ts'
import { visible } from './visible-text.ts'

type Link = Peer['links']['p2p']

/** Rows are who looks, columns who is looked at. */
export function LinkMatrix(props: {
  readonly ownName: string
  readonly peers: readonly Peer[]
  readonly links: Links
}): ReactElement {
  const { ownName, peers, links } = props
  const noteId = useId()
  if (peers.length === 0) return <p>{texts.links.none}</p>
  return (
    <>
      <p className="lat-help" id={noteId}>
        {texts.links.help}
      </p>
      <div className="page-scroll" role="region" aria-label={texts.links.label} tabIndex={0}>
        <table className="page-table page-matrix" aria-describedby={noteId}>
          <thead>
            <tr>
              <th scope="col">{texts.links.corner}</th>
              <th scope="col">
                <bdi>{ownName}</bdi>
              </th>
              {peers.map(peer => (
                <th key={peer.peer_id} scope="col">
                  <bdi>{peerName(peer)}</bdi>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">
                <bdi>{ownName}</bdi> <span className="lat-soft">{texts.thisNode}</span>
              </th>
              <td>{texts.none}</td>
              {peers.map(peer => (
                <td key={peer.peer_id}>
                  <LinkCell state="p2p" link={peer.links.p2p} />
                  <LinkCell state="http" link={peer.links.http} />
                </td>
              ))}
            </tr>
            {peers.map(peer => (
              <OtherRow
                key={peer.peer_id}
                peer={peer}
                peers={peers}
                ownId={links.node_id}
                row={links.rows.find(({ node_id: looks }) => looks === peer.node_id)}
              />
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

/** The row of another node: what it says, or why that is not known. */
function OtherRow(props: {
  readonly peer: Peer
  readonly peers: readonly Peer[]
  /** It may know others beside this node and its peers. */
  readonly ownId: string | undefined
  readonly row: LinkRow | undefined
}): ReactElement {
  const { peer, peers, ownId, row } = props
  const to = (id: string | undefined): LinkRow['links'][number] | undefined =>
    row?.links.find(({ node_id: seen }) => seen === id)
  return (
    <tr>
      <th scope="row">
        <bdi>{peerName(peer)}</bdi>
      </th>
      {row === undefined || row.why !== null ? (
        <td colSpan={peers.length + 1} className="lat-soft">
          {texts.links.unknown(visible(row?.why ?? '', 160))}{' '}
          {safeUrl(peer.url) === undefined ? null : <PeerPage peer={peer}>{texts.links.ownPage}</PeerPage>}
        </td>
      ) : (
        [undefined, ...peers].map(target => (
          <td key={target?.peer_id ?? 'this node'}>
            {target === peer ? (
              texts.none
            ) : (
              <LinkCells links={to(target === undefined ? ownId : target.node_id)} />
            )}
          </td>
        ))
      )}
    </tr>
  )
}

function LinkCells({ links }: { readonly links: LinkRow['links'][number] | undefined }): ReactElement {
  if (links === undefined) return <span className="lat-soft">{texts.links.noPeer}</span>
  return (
    <>
      <LinkCell state="p2p" link={links.p2p} />
      <LinkCell state="http" link={links.http} />
    </>
  )
}

/** Down is what was tried in vain; what nobody tries, or has an address for, is merely not known to work. */
function downState(link: Link): StateName {
  return link.last_error === null ? 'unknown' : 'down'
}

function LinkCell(props: { readonly state: 'p2p' | 'http'; readonly link: Link }): ReactElement {
  const { link } = props
  const { paths, words, cell, lastError } = texts.links
  const state = link.state === 'up' ? props.state : link.state === 'suspected' ? 'degraded' : downState(link)
  const trip = link.state === 'up' && link.rtt_ms !== null ? tripWords(link.rtt_ms) : ''
  return (
    <div className="page-link">
      <StateMark
        state={state}
        word={cell(paths[props.state], words[link.state] ?? visible(link.state, 20), trip)}
      />
      {link.last_error === null || link.state === 'up' ? null : (
        <span className="lat-help">{lastError(visible(link.last_error, 160))}</span>
      )}
    </div>
  )
}

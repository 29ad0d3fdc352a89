/**
 * `NetworkStatus`: how a Lattice node syncs, for any React front end. It brings its own polling and its own
 * look under class names that begin with `lat-`, and touches nothing outside itself.
 */
import './network-status.css'
import { useCallback, useId, useMemo } from 'react'
import type { ReactElement } from 'react'
import { FailureBanner, Freshness } from './freshness.tsx'
import { ModeControl } from './mode-control.tsx'
import { createNodeApi } from './node-api.ts'
import type { Peer } from './node-api.ts'
import { ClockAhead, useClockAhead } from './node-clock.ts'
import { StateMark } from './state-mark.tsx'
import { StatusFacts } from './status-facts.tsx'
import { texts } from './texts.ts'
import { tripWords } from './time-words.ts'
import { usePoll } from './use-poll.ts'
import { peerName, peerState, verdictOf } from './verdict.ts'
import { visible } from './visible-text.ts'

/** Where the node is, and how the component looks. */
export interface NetworkStatusProps {
  /**
   * Base URL of the node; left out or empty: the origin of the page. Other origins need
   * `LATTICE_CORS_ORIGINS` there.
   */
  readonly baseUrl?: string
  /**
   * The admin token, where the front end has it already; otherwise it is asked for when the node wants it.
   */
  readonly token?: string
  /** Colours; `auto` (default) follows the system. */
  readonly theme?: 'auto' | 'light' | 'dark'
  /** Whether the mode can be switched here. Default true. */
  readonly controls?: boolean
  /** What screen readers call this part of the page; several on one page need names of their own. */
  readonly label?: string
}

/** How a node syncs: verdict, mode, peers, last sync, root, and the switch between the modes. */
export function NetworkStatus(props: NetworkStatusProps): ReactElement {
  const { baseUrl = '', theme = 'auto', token, controls = true, label = texts.embed.label } = props
  const api = useMemo(() => createNodeApi(baseUrl), [baseUrl])
  const read = useCallback(
    async (signal: AbortSignal) => {
      const [status, peers] = await Promise.all([api.status(signal), api.peers(signal)])
      return { status, peers }
    },
    [api],
  )
  const reading = usePoll(read)
  const { data, stale, error } = reading
  const aheadMs = useClockAhead(data?.status, reading.receivedWall)
  const verdict = data === undefined ? undefined : verdictOf(data)
  const state = verdict === undefined || stale ? 'unknown' : verdict.state
  const sentence =
    verdict === undefined
      ? error === undefined
        ? texts.asking
        : texts.embed.nothing
      : stale
        ? texts.embed.stale(verdict.sentence)
        : verdict.sentence

  return (
    <section className={`lat-root lat-theme-${theme}`} data-stale={stale} aria-label={label}>
      <header className="lat-head">
        <StateMark state={state} />
        <Freshness {...reading} />
      </header>
      <p role="status" className="lat-sentence">
        {sentence}
      </p>
      <FailureBanner {...reading} />
      {data === undefined ? null : (
        <ClockAhead value={aheadMs}>
          <div className="lat-body-parts">
            <StatusFacts status={data.status} />
            <PeerPaths peers={data.peers} />
          </div>
          {controls ? (
            <ModeControl api={api} status={data.status} token={token} onSwitched={reading.refresh} />
          ) : null}
        </ClockAhead>
      )}
    </section>
  )
}

function PeerPaths({ peers }: { readonly peers: readonly Peer[] }): ReactElement {
  const labelId = useId()
  return (
    <div>
      <p id={labelId} className="lat-label">
        {texts.embed.others}
      </p>
      {peers.length === 0 ? <p>{texts.embed.noOthers}</p> : null}
      <ul className="lat-peers" aria-labelledby={labelId}>
        {peers.map(peer => {
          const { state, word } = peerState(peer)
          const rtt = peer.path === 'none' ? null : peer.links[peer.path]?.rtt_ms
          return (
            <li key={peer.peer_id}>
              <bdi>{peerName(peer)}</bdi> <StateMark state={state} word={word} />
              {rtt === null || rtt === undefined ? null : <span> {tripWords(rtt)}</span>}
              <span className="lat-help">{visible(peer.why, 200)}</span>
            </li>
          )
        })}
      </ul>
    </div>
  )
}

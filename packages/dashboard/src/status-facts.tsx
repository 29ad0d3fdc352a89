/** What one node says about its syncing, fact by fact. */
import type { ReactElement, ReactNode } from 'react'
import { Moment } from './moment.tsx'
import type { SyncStatus } from './node-api.ts'
import { carrierWords, modeNames, phaseWords, texts, wordOf } from './texts.ts'
import { shortHex, visible } from './visible-text.ts'

function Fact(props: { readonly name: string; readonly children: ReactNode }): ReactElement {
  return (
    <div className="lat-fact">
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  )
}

/** Mode, path, reason, peers, heartbeat, last sync, root. */
export function StatusFacts({ status }: { readonly status: SyncStatus }): ReactElement {
  const { phase, sync_mode: carrier } = status
  return (
    <dl className="lat-facts">
      <Fact name={texts.facts.status}>{visible(status.status_text, 200)}</Fact>
      <Fact name={texts.facts.requested}>{wordOf(modeNames, status.mode)}</Fact>
      <Fact name={texts.facts.inUse}>
        {wordOf(carrierWords, carrier)}
        {phase === carrier || phase === 'NONE' ? null : texts.facts.phase(wordOf(phaseWords, phase))}
      </Fact>
      <Fact name={texts.facts.since}>
        <Moment at={status.since} />
      </Fact>
      <Fact name={texts.facts.why}>{visible(status.reason, 400)}</Fact>
      {status.forced_until === null ? null : (
        <Fact name={texts.facts.back}>
          <time dateTime={status.forced_until}>{new Date(status.forced_until).toLocaleString()}</time>
        </Fact>
      )}
      <Fact name={texts.facts.p2pPeers}>{status.peer_count}</Fact>
      <Fact name={texts.facts.heartbeat}>
        {status.heartbeat_active ? texts.facts.active : texts.facts.inactive}
      </Fact>
      <Fact name={texts.facts.lastSync}>
        <Moment at={status.last_sync} />
      </Fact>
      <Fact name={texts.facts.root}>
        <code title={status.merkle_root}>{shortHex(status.merkle_root)}</code>
      </Fact>
    </dl>
  )
}

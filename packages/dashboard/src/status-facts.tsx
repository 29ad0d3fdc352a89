/** What one node says about its syncing, fact by fact. */
import type { ReactElement, ReactNode } from 'react'
import { Moment } from './moment.tsx'
import type { SyncStatus } from './node-api.ts'
import { carrierWords, modeNames, phaseWords, wordOf } from './texts.ts'
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
      <Fact name="Status">{visible(status.status_text, 200)}</Fact>
      <Fact name="Requested mode">{wordOf(modeNames, status.mode)}</Fact>
      <Fact name="In use">
        {wordOf(carrierWords, carrier)}
        {phase === carrier || phase === 'NONE' ? null : ` (${wordOf(phaseWords, phase)})`}
      </Fact>
      <Fact name="Since">
        <Moment at={status.since} />
      </Fact>
      <Fact name="Why">{visible(status.reason, 400)}</Fact>
      {status.forced_until === null ? null : (
        <Fact name="Back to Auto">
          <time dateTime={status.forced_until}>{new Date(status.forced_until).toLocaleString()}</time>
        </Fact>
      )}
      <Fact name="P2P peers">{status.peer_count}</Fact>
      <Fact name="Heartbeat monitor">{status.heartbeat_active ? 'Active' : 'Inactive'}</Fact>
      <Fact name="Last sync">
        <Moment at={status.last_sync} />
      </Fact>
      <Fact name="Merkle root">
        <code title={status.merkle_root}>{shortHex(status.merkle_root)}</code>
      </Fact>
    </dl>
  )
}

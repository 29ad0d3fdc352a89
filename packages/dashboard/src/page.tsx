/** The page at `/`: verdict first, then mode, nodes, links, warnings and state (experience §6.3). */
import { useCallback, useEffect, useMemo } from 'react'
import type { ReactElement } from 'react'
import { FailureBanner } from './freshness.tsx'
import { HistorySection } from './history-section.tsx'
import { LinkMatrix } from './link-matrix.tsx'
import { useLiveEvents } from './live-events.ts'
import { ModeControl } from './mode-control.tsx'
import { Moment } from './moment.tsx'
import { createNodeApi, eventsPath } from './node-api.ts'
import type { NodeApi } from './node-api.ts'
import { ClockAhead, useClockAhead } from './node-clock.ts'
import { NodeTable } from './node-table.tsx'
import { PageHeader } from './page-header.tsx'
import type { Reading } from './poller.ts'
import { readSnapshot } from './snapshot.ts'
import type { Snapshot } from './snapshot.ts'
import { StateBrowser } from './state-browser.tsx'
import { StateMark } from './state-mark.tsx'
import { StatusFacts } from './status-facts.tsx'
import { stateWords, texts } from './texts.ts'
import { useTheme } from './theme.ts'
import { TransitionList } from './transition-list.tsx'
import { usePoll } from './use-poll.ts'
import { verdictOf } from './verdict.ts'
import type { Verdict } from './verdict.ts'
import { visible } from './visible-text.ts'
import { WarningList } from './warning-list.tsx'

/** The whole page for the node at `baseUrl`. */
export function Page({ baseUrl }: { readonly baseUrl: string }): ReactElement {
  const api = useMemo(() => createNodeApi(baseUrl), [baseUrl])
  const reading = usePoll(useCallback((signal: AbortSignal) => readSnapshot(api, signal), [api]))
  const live = useLiveEvents(baseUrl.replace(/\/+$/, '') + eventsPath, reading.refresh)
  const [theme, chooseTheme] = useTheme()
  const { data, stale, error } = reading
  const aheadMs = useClockAhead(data?.status, reading.receivedWall)
  const verdict = useMemo(() => (data === undefined ? undefined : verdictOf(data)), [data])
  const shown = shownVerdict(verdict, stale, error !== undefined)
  const name = data === undefined ? '' : visible(data.health.name, 64)

  useEffect(() => {
    document.title = [stateWords[shown.state], name, texts.product].filter(text => text !== '').join(' · ')
  }, [shown.state, name])

  return (
    <div className={`lat-root lat-theme-${theme} page`} data-stale={stale}>
      <PageHeader name={name} reading={reading} live={live} theme={theme} chooseTheme={chooseTheme} />
      <ClockAhead value={aheadMs}>
        <main className="page-main">
          <section className={`page-verdict lat-${shown.state}`} aria-label={texts.page.verdict}>
            <StateMark state={shown.state} />
            <div>
              <p role="status" className="lat-sentence">
                {shown.sentence}
              </p>
              {data === undefined ? null : (
                <p className="lat-soft">
                  {visible(data.status.status_text, 200)}, {texts.page.since}{' '}
                  <Moment at={data.status.since} />
                </p>
              )}
            </div>
          </section>
          <FailureBanner {...reading} />
          {data === undefined ? (
            <p className="page-skeleton">{texts.page.waiting}</p>
          ) : (
            <Parts api={api} data={data} reading={reading} theme={theme} />
          )}
        </main>
      </ClockAhead>
    </div>
  )
}

/** What is shown of a verdict, given how far the reading can be trusted. */
function shownVerdict(verdict: Verdict | undefined, stale: boolean, failed: boolean): Verdict {
  if (verdict === undefined) {
    const sentence = failed ? texts.verdict.unanswered : texts.asking
    return { state: 'unknown', sentence }
  }
  if (!stale) return verdict
  return { state: 'unknown', sentence: texts.verdict.stale(verdict.sentence) }
}

function Parts(props: {
  readonly api: NodeApi
  readonly data: Snapshot
  readonly reading: Pick<Reading<Snapshot>, 'receivedWall' | 'stale'> & { readonly refresh: () => void }
  readonly theme: string
}): ReactElement {
  const { api, data, reading, theme } = props
  const { status, peers, health, transitions, links } = data
  return (
    <>
      <div className="page-columns">
        <section className="page-card" aria-labelledby="page-mode">
          <h2 id="page-mode">{texts.page.mode}</h2>
          <ModeControl api={api} status={status} onSwitched={reading.refresh} />
          <StatusFacts status={status} />
        </section>
        <div className="page-wide">
          <section className="page-card" aria-labelledby="page-warnings">
            <h2 id="page-warnings">{texts.page.warnings(status.warnings.length)}</h2>
            <WarningList warnings={status.warnings} stale={reading.stale} />
          </section>
          <section className="page-card" aria-labelledby="page-nodes">
            <h2 id="page-nodes">{texts.page.nodes}</h2>
            <NodeTable status={status} health={health} peers={peers} />
          </section>
          <section className="page-card" aria-labelledby="page-links">
            <h2 id="page-links">{texts.page.links}</h2>
            <LinkMatrix ownName={visible(health.name, 64)} peers={peers} links={links} />
          </section>
          <section className="page-card" aria-labelledby="page-changes">
            <h2 id="page-changes">{texts.page.changes}</h2>
            <TransitionList transitions={transitions} />
          </section>
        </div>
      </div>
      <section className="page-card" aria-labelledby="page-history">
        <h2 id="page-history">{texts.page.history}</h2>
        <HistorySection api={api} renewedWall={reading.receivedWall ?? 0} theme={theme} />
      </section>
      <section className="page-card" aria-labelledby="page-state">
        <h2 id="page-state">{texts.page.state}</h2>
        <StateBrowser
          api={api}
          root={status.merkle_root}
          renewedWall={reading.receivedWall ?? 0}
          ownName={health.name}
          peers={peers}
        />
      </section>
    </>
  )
}

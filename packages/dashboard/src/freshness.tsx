/** How old the shown data is, why it is no younger, and a way to ask at once. */
import type { ReactElement } from 'react'
import { readFailureWords } from './failure-words.ts'
import { Age, Countdown } from './moment.tsx'
import type { Reading } from './poller.ts'
import { texts } from './texts.ts'

type Shown = Pick<Reading<unknown>, 'receivedWall' | 'error' | 'nextWall' | 'stale'> & {
  readonly refresh: () => void
}

/** `Data 2 s old`, and the button that renews it. */
export function Freshness({ receivedWall, stale, refresh }: Shown): ReactElement {
  return (
    <p className="lat-fresh" data-stale={stale}>
      {receivedWall === undefined ? (
        texts.freshness.noData
      ) : stale ? (
        <>
          {texts.freshness.staleBefore} <Age receivedWall={receivedWall} /> {texts.freshness.staleAfter}
        </>
      ) : (
        <>
          {texts.freshness.ageBefore} <Age receivedWall={receivedWall} /> {texts.freshness.ageAfter}
        </>
      )}{' '}
      <button type="button" className="lat-button lat-quiet" onClick={refresh}>
        {texts.freshness.refresh}
      </button>
    </p>
  )
}

/** The cause of the last failure and when the next attempt comes; nothing while all is well. */
export function FailureBanner({ error, nextWall }: Shown): ReactElement | null {
  if (error === undefined) return null
  return (
    <p className="lat-banner" data-failure>
      {readFailureWords(error)}{' '}
      {nextWall === undefined ? null : (
        <span>
          {texts.freshness.nextTryBefore} <Countdown atWall={nextWall} />
          {texts.freshness.nextTryAfter}
        </span>
      )}
    </p>
  )
}

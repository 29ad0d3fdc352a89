/**
 * The last changes of the sync mode: when, what, why, and how long the one before had lasted (experience U5).
 */
import type { ReactElement } from 'react'
import type { Transition } from './node-api.ts'
import { useNodeNow } from './node-clock.ts'
import { phaseWords, texts, triggerWords, wordOf } from './texts.ts'
import { clockWords, spanWords } from './time-words.ts'
import { visible } from './visible-text.ts'

/** As many as fit beside the rest; REST has more. */
const shownMax = 10

/** The moments only need to know which day it is. */
const tickMs = 60_000

/** Newest first. */
export function TransitionList({
  transitions,
}: {
  readonly transitions: readonly Transition[]
}): ReactElement {
  const now = useNodeNow(tickMs)
  const shown = transitions.slice(-shownMax).reverse()
  return (
    <div>
      {shown.length === 0 ? <p>{texts.changes.none}</p> : null}
      <ol className="page-transitions">
        {shown.map(({ epoch, from, to, at, reason, trigger, duration_seconds: seconds }) => (
          <li key={epoch}>
            <time dateTime={at}>{clockWords(at, now)}</time>{' '}
            <strong>
              {texts.changes.step(visible(wordOf(phaseWords, from), 40), visible(wordOf(phaseWords, to), 40))}
            </strong>
            <span className="lat-help">
              {texts.changes.why(
                visible(reason, 200),
                wordOf(triggerWords, trigger),
                spanWords(seconds * 1000),
              )}
            </span>
          </li>
        ))}
      </ol>
    </div>
  )
}

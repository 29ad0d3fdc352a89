/** Moments and ages on the page. Only these small parts are drawn again every second. */
import type { ReactElement } from 'react'
import { useNodeNow } from './node-clock.ts'
import { texts } from './texts.ts'
import { agoWords, clockWords, spanWords } from './time-words.ts'
import { useNow } from './use-poll.ts'

/** A second is the smallest step the words show. */
const tickMs = 1000

/** `14:02:11 (2 h 11 m ago)`, in brief `2 h 11 m ago`, and the exact moment for machines and on hovering. */
export function Moment(props: { readonly at: string | null; readonly brief?: boolean }): ReactElement {
  const now = useNodeNow(tickMs)
  if (props.at === null) return <>{texts.time.never}</>
  return (
    <time dateTime={props.at} title={props.at}>
      {props.brief === true ? (
        agoWords(props.at, now)
      ) : (
        <>
          {clockWords(props.at, now)} <span className="lat-soft">({agoWords(props.at, now)})</span>
        </>
      )}
    </time>
  )
}

/** `22 s ago` for a reading that came at `receivedWall`. */
export function Age(props: { readonly receivedWall: number }): ReactElement {
  return <>{spanWords(useNow(tickMs) - props.receivedWall)}</>
}

/** Seconds until `atWall`; 0 once it has passed. */
export function Countdown(props: { readonly atWall: number }): ReactElement {
  const seconds = Math.max(0, Math.ceil((props.atWall - useNow(tickMs)) / 1000))
  return <>{texts.time.count(seconds, texts.time.second)}</>
}

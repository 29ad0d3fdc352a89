/** A state as colour, shape and word: no one of them alone carries the meaning (experience U3). */
import type { ReactElement } from 'react'
import { stateWords } from './texts.ts'
import type { StateName } from './texts.ts'

/** Inside a box of 24 × 24: the body of the shape, and the sign cut out of it. */
const shapes: Readonly<Record<StateName, ReactElement>> = {
  p2p: (
    <>
      <circle cx="12" cy="12" r="10" className="lat-body" />
      <path d="M7 12.5l3.5 3.5L17 9" className="lat-sign" />
    </>
  ),
  http: (
    <>
      <rect x="2.5" y="2.5" width="19" height="19" rx="2" className="lat-body" />
      <path d="M6.5 9.5h10.5m-3-3l3 3-3 3M17.5 15H7m3-3l-3 3 3 3" className="lat-sign lat-thin" />
    </>
  ),
  degraded: (
    <>
      <path d="M12 1.8L23 21.5H1z" className="lat-body" />
      <path d="M12 9v6m0 2.6v.4" className="lat-sign" />
    </>
  ),
  down: (
    <>
      <path d="M7.6 1.5h8.8l6.1 6.1v8.8l-6.1 6.1H7.6l-6.1-6.1V7.6z" className="lat-body" />
      <path d="M8 8l8 8m0-8l-8 8" className="lat-sign" />
    </>
  ),
  asleep: <path d="M15.5 2.2a10 10 0 1 0 6.3 12.9A8.6 8.6 0 0 1 15.5 2.2z" className="lat-body" />,
  unknown: (
    <>
      <circle cx="12" cy="12" r="9.5" className="lat-ring" />
      <path d="M9.3 9.6a2.8 2.8 0 1 1 4.2 2.4c-1 .6-1.5 1.1-1.5 2.1m0 2.9v.3" className="lat-ring" />
    </>
  ),
}

/** The shape with its word beside it; `word` where another one says it better. */
export function StateMark(props: {
  readonly state: StateName
  readonly word?: string | undefined
}): ReactElement {
  return (
    <span className={`lat-mark lat-${props.state}`} data-state={props.state}>
      <svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">
        {shapes[props.state]}
      </svg>
      <span className="lat-word">{props.word ?? stateWords[props.state]}</span>
    </span>
  )
}

/**
 * What carried the state, over time: a lane for each transport, so that place and word say it and not only
 * colour. A bar is as high as the share of its time; where nothing was recorded there is nothing.
 */
import type { ReactElement } from 'react'
import { laneNames, pointWords } from './chart-words.ts'
import type { Lane } from './chart-words.ts'
import type { Lines, Point } from './history-lines.ts'
import { StateMark } from './state-mark.tsx'
import type { StateName } from './texts.ts'

const laneMarks: Readonly<Record<Lane, StateName>> = { p2p: 'p2p', http: 'http', none: 'down' }
const lanes = Object.keys(laneNames) as Lane[]

/** Units of one lane in the drawing. */
const laneUnits = 10

interface Bar {
  readonly from: number
  readonly to: number
  readonly share: number
}

/** Neighbours with the same share as one bar: a quiet year is one rectangle. */
function barsOf(points: readonly (Point | undefined)[], shareOf: (point: Point) => number): readonly Bar[] {
  const bars: Bar[] = []
  points.forEach((point, index) => {
    const share = point === undefined ? 0 : Math.min(1, Math.max(0, shareOf(point)))
    if (share === 0) return
    const last = bars.at(-1)
    if (last !== undefined && last.to === index && last.share === share)
      bars[bars.length - 1] = { ...last, to: index + 1 }
    else bars.push({ from: index, to: index + 1, share })
  })
  return bars
}

/** The ribbon. */
export function ModeRibbon({
  data,
  summary,
}: {
  readonly data: Lines
  readonly summary: string
}): ReactElement {
  const { times, lines, stepSeconds } = data
  const middle = times[Math.floor(times.length / 2)]
  const marks = [times[0], middle, times.at(-1)].filter(at => at !== undefined)
  return (
    <div className="ribbon" role="img" aria-label={summary}>
      {lanes.map(lane => {
        const points = lines.find(({ labels }) => labels.transport === lane)?.points ?? []
        return (
          <div key={lane} className={`ribbon-lane lat-${laneMarks[lane]}`} data-lane={lane}>
            <StateMark state={laneMarks[lane]} word={laneNames[lane]} />
            <svg viewBox={`0 0 ${Math.max(1, times.length)} ${laneUnits}`} preserveAspectRatio="none">
              {barsOf(points, () => 1).map(({ from, to }) => (
                <rect key={from} className="ribbon-known" x={from} width={to - from} height={laneUnits} />
              ))}
              {barsOf(points, ({ mean }) => mean).map(({ from, to, share }) => (
                <rect
                  key={from}
                  className="ribbon-bar"
                  x={from}
                  y={laneUnits * (1 - share)}
                  width={to - from}
                  height={laneUnits * share}
                />
              ))}
            </svg>
          </div>
        )
      })}
      <p className="ribbon-times lat-help">
        {marks.map(at => (
          <span key={at}>{pointWords(at, Math.max(60, stepSeconds))}</span>
        ))}
      </p>
    </div>
  )
}

/**
 * The charts: loaded only once the page stands, since the drawing of lines is a third of all its code.
 */
import './chart.css'
import { useContext, useEffect, useMemo, useRef, useState } from 'react'
import type { ReactElement, RefObject } from 'react'
import { ChartFigure } from './chart-figure.tsx'
import {
  chartKinds,
  laneNames,
  lineName,
  pointWords,
  ribbonSummary,
  shareWords,
  summaryOf,
} from './chart-words.ts'
import type { ChartKind, Lane } from './chart-words.ts'
import { readFailureWords } from './failure-words.ts'
import { linesOf, spans } from './history-lines.ts'
import type { Span } from './history-lines.ts'
import { dashOf, LineChart } from './line-chart.tsx'
import type { Inks } from './line-chart.tsx'
import { ModeRibbon } from './mode-ribbon.tsx'
import type { History, NodeApi } from './node-api.ts'
import { ClockAhead } from './node-clock.ts'
import { texts } from './texts.ts'

/** Lines drawn in one chart; the table has all. */
const drawnMax = 12

/** Colours of lines, by class `chart-ink-N`. */
const inkCount = 6

/** A look this often is enough for any span; the finest points are as long. */
const renewMs = 10_000

interface Props {
  readonly api: NodeApi
  /** When the page was last renewed: the charts follow, and rest when it rests. */
  readonly renewedWall: number
  /** Another theme has other colours. */
  readonly theme: string
}

interface Loaded {
  readonly span: Span
  readonly history: History | undefined
  readonly error: unknown
}

function useHistory(api: NodeApi, span: Span, round: number): Loaded {
  const aheadMs = useContext(ClockAhead)
  const [loaded, setLoaded] = useState<Loaded>({ span, history: undefined, error: undefined })
  useEffect(() => {
    const asking = new AbortController()
    const to = Math.ceil((Date.now() + aheadMs) / 1000)
    api.history({ from: to - span.seconds, to, stepSeconds: span.stepSeconds }, asking.signal).then(
      history => setLoaded({ span, history, error: undefined }),
      (error: unknown) => {
        if (!asking.signal.aborted)
          setLoaded(before => ({ span, history: before.span === span ? before.history : undefined, error }))
      },
    )
    return () => asking.abort()
  }, [api, span, round, aheadMs])
  return loaded
}

/** Reads the colours in force from hidden samples: a canvas knows no CSS variables. */
function useInks(samples: RefObject<HTMLElement | null>, theme: string): Inks | undefined {
  const [inks, setInks] = useState<Inks>()
  useEffect(() => {
    const read = (): void => {
      const colours = [...(samples.current?.children ?? [])].map(each => getComputedStyle(each).color)
      setInks({
        lines: colours.slice(0, inkCount),
        text: colours[inkCount] ?? '',
        grid: colours[inkCount + 1] ?? '',
      })
    }
    read()
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', read)
    return () => dark.removeEventListener('change', read)
  }, [samples, theme])
  return inks
}

/** The choice of a span, the ribbon, and the lines. */
export function HistoryCharts({ api, renewedWall, theme }: Props): ReactElement {
  const [span, setSpan] = useState<Span>(spans[0] as Span)
  const samples = useRef<HTMLSpanElement>(null)
  const inks = useInks(samples, theme)
  const { history, error } = useHistory(api, span, Math.floor(renewedWall / renewMs))
  return (
    <div className="charts">
      <SpanChoice chosen={span} onChoose={setSpan} />
      <span ref={samples} className="chart-samples" aria-hidden="true">
        {Array.from({ length: inkCount }, (_, index) => (
          <i key={index} className={`chart-ink-${index}`} />
        ))}
        <i className="chart-text" />
        <i className="chart-grid" />
      </span>
      {error === undefined ? null : <p className="lat-banner">{readFailureWords(error)}</p>}
      {history === undefined || inks === undefined ? (
        <p className="chart-waiting">{error === undefined ? texts.history.reading : ''}</p>
      ) : (
        <>
          <Ribbon history={history} />
          <div className="chart-columns">
            {chartKinds.map(kind => (
              <Chart key={kind.series} kind={kind} history={history} inks={inks} />
            ))}
          </div>
        </>
      )}
    </div>
  )
}

function SpanChoice(props: { readonly chosen: Span; readonly onChoose: (span: Span) => void }): ReactElement {
  return (
    <fieldset className="chart-spans">
      <legend className="lat-hidden">{texts.history.howFar}</legend>
      {spans.map(span => (
        <label key={span.name}>
          <input
            type="radio"
            name="chart-span"
            checked={span === props.chosen}
            onChange={() => props.onChoose(span)}
          />
          <span>{span.name}</span>
        </label>
      ))}
    </fieldset>
  )
}

function Ribbon({ history }: { readonly history: History }): ReactElement {
  const data = useMemo(() => linesOf(history, 'mode'), [history])
  const summary = ribbonSummary(data)
  const names = data.lines.map(({ labels }) => laneNames[labels.transport as Lane] ?? labels.transport ?? '')
  return (
    <ChartFigure {...texts.history.mode} summary={summary} data={data} names={names} figure={shareWords}>
      <ModeRibbon data={data} summary={summary} />
    </ChartFigure>
  )
}

function Chart(props: {
  readonly kind: ChartKind
  readonly history: History
  readonly inks: Inks
}): ReactElement {
  const { kind, history, inks } = props
  const [point, setPoint] = useState<number>()
  const data = useMemo(() => linesOf(history, kind.series), [history, kind])
  const drawn = useMemo(() => ({ ...data, lines: data.lines.slice(0, drawnMax) }), [data])
  const summary = summaryOf(kind, data)
  const names = data.lines.map(lineName)
  const at = point === undefined ? undefined : data.times[point]
  const newest = data.times.findLastIndex((_, index) =>
    data.lines.some(line => line.points[index] !== undefined),
  )
  return (
    <ChartFigure {...kind} summary={summary} data={data} names={names}>
      <LineChart data={drawn} figure={kind.figure} inks={inks} summary={summary} onPoint={setPoint} />
      <p className="chart-legend lat-help">
        <span className="chart-at">
          {at === undefined ? texts.history.now : pointWords(at, data.stepSeconds)}
        </span>
        {drawn.lines.map((line, index) => {
          const value = line.points[point ?? newest]
          return (
            <span key={names[index]} className="chart-key">
              <svg viewBox="0 0 24 8" aria-hidden="true" className={`chart-ink-${index % inkCount}`}>
                <line x1="0" x2="24" y1="4" y2="4" strokeDasharray={dashOf(index, inkCount).join(' ')} />
              </svg>
              <bdi>{names[index]}</bdi> <b>{value === undefined ? texts.none : kind.figure(value.mean)}</b>
            </span>
          )
        })}
      </p>
    </ChartFigure>
  )
}

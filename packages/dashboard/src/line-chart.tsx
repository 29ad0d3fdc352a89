/** Lines over time on a canvas (uPlot): the mean as a line, and up to the maximum a veil of its colour. */
import 'uplot/dist/uPlot.min.css'
import { useEffect, useRef } from 'react'
import type { ReactElement } from 'react'
import UPlot from 'uplot'
import { tickWords } from './chart-words.ts'
import type { Lines } from './history-lines.ts'
import { texts } from './texts.ts'

/** Colours that a canvas understands, as they are in force. */
export interface Inks {
  readonly lines: readonly string[]
  readonly text: string
  readonly grid: string
}

interface Props {
  readonly data: Lines
  readonly figure: (value: number) => string
  readonly inks: Inks
  /** Said instead of the picture. */
  readonly summary: string
  /** Index of the point under the pointer; undefined when there is none. */
  readonly onPoint: (index: number | undefined) => void
}

const heightPx = 150
/** Room for figures such as `1,250 behind`. */
const axisPx = 74
/** How strong the veil between mean and maximum is. */
const veil = 0.14

/** Dash patterns by round through the colours, so that lines of one colour differ. */
const dashes: readonly (readonly number[])[] = [[], [7, 4], [2, 3]]

/** The dash pattern of a line; a new one after each round of `inkCount` colours. */
export function dashOf(index: number, inkCount: number): number[] {
  return [...(dashes[Math.floor(index / inkCount) % dashes.length] ?? [])]
}

function withAlpha(ink: string, alpha: number): string {
  const parts = /^rgb\((\d+), (\d+), (\d+)\)$/.exec(ink)
  return parts === null ? 'transparent' : `rgb(${parts[1]} ${parts[2]} ${parts[3]} / ${alpha})`
}

function alignedOf({ times, lines }: Lines): UPlot.AlignedData {
  const columns = lines.flatMap(({ points }) => [
    points.map(point => point?.mean ?? null),
    points.map(point => point?.max ?? null),
  ])
  return [[...times], ...columns]
}

function optionsOf(props: { readonly current: Props }, width: number): UPlot.Options {
  const { data, inks } = props.current
  const ink = (index: number) => (): string => {
    const all = props.current.inks.lines
    return all[index % all.length] ?? 'gray'
  }
  const axis = {
    stroke: () => props.current.inks.text,
    grid: { stroke: () => props.current.inks.grid, width: 1 },
    ticks: { stroke: () => props.current.inks.grid, width: 1 },
    font: '12px system-ui, sans-serif',
  }
  return {
    width,
    height: heightPx,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { y: { range: (_chart, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [
      { ...axis, values: (_chart, splits, _axis, _space, stepSeconds) => tickWords(splits, stepSeconds) },
      {
        ...axis,
        size: axisPx,
        values: (_chart, splits) =>
          splits.map(value => props.current.figure(value).replace(texts.history.behindUnit, '')),
      },
    ],
    series: [
      {},
      ...data.lines.flatMap((_line, index) => [
        { stroke: ink(index), width: 2, dash: dashOf(index, inks.lines.length), points: { show: false } },
        { width: 0, points: { show: false } },
      ]),
    ],
    bands: data.lines.map((_line, index) => ({
      series: [index * 2 + 2, index * 2 + 1] as [number, number],
      fill: () => withAlpha(ink(index)(), veil),
    })),
    hooks: { setCursor: [chart => props.current.onPoint(chart.cursor.idx ?? undefined)] },
  }
}

/** One chart, as wide as its place. Only another number of lines makes it anew. */
export function LineChart(props: Props): ReactElement {
  const place = useRef<HTMLDivElement>(null)
  const chart = useRef<UPlot>(undefined)
  const current = useRef(props)
  const { data, inks, summary } = props
  const lineCount = data.lines.length

  useEffect(() => {
    current.current = props
  })
  useEffect(() => {
    const element = place.current
    if (element === null) return undefined
    const made = new UPlot(optionsOf(current, element.clientWidth), alignedOf(current.current.data), element)
    chart.current = made
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: heightPx }))
    watch.observe(element)
    return () => {
      watch.disconnect()
      made.destroy()
      chart.current = undefined
    }
  }, [lineCount])
  useEffect(() => chart.current?.setData(alignedOf(data)), [data])
  useEffect(() => chart.current?.redraw(false), [inks])
  return <div ref={place} className="chart-canvas" role="img" aria-label={summary} />
}

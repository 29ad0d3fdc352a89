/** What the charts say in words: names of lines, figures with units, times, summaries. */
import { totalOf } from './history-lines.ts'
import type { Line, Lines } from './history-lines.ts'
import { lineWords, texts } from './texts.ts'
import { tripWords } from './time-words.ts'
import { visible } from './visible-text.ts'

/** A chart of lines: its title, what it means, and how its figures read. */
export interface ChartKind {
  readonly series: 'lag' | 'latency' | 'writes' | 'errors'
  readonly title: string
  readonly help: string
  readonly figure: (value: number) => string
}

function plain(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.01) return '< 0.01'
  return Number(value.toPrecision(3)).toLocaleString()
}

/** The charts below the ribbon, in their order. */
export const chartKinds: readonly ChartKind[] = [
  {
    series: 'lag',
    ...texts.history.lag,
    figure: value => `${plain(value)}${texts.history.behindUnit}`,
  },
  {
    series: 'latency',
    ...texts.history.latency,
    figure: tripWords,
  },
  {
    series: 'writes',
    ...texts.history.writes,
    figure: value => texts.history.perSecond(plain(value)),
  },
  {
    series: 'errors',
    ...texts.history.errors,
    figure: value => texts.history.perSecond(plain(value)),
  },
]

/** What tells a line from the others of its chart: `node1, P2P`. */
export function lineName({ labels }: Line): string {
  const node = labels.node ?? labels.node_id?.slice(0, 8)
  const rest = labels.path ?? labels.source ?? labels.fault
  const parts = [node, rest === undefined ? undefined : (lineWords[rest] ?? rest)]
  return texts.list(parts.flatMap(part => (part === undefined ? [] : visible(part, 64)))) || texts.thisNode
}

/** Lines named in a summary; more are in the table. */
const summedMax = 6

/** The chart in words, for those who do not see it. */
export function summaryOf({ figure }: ChartKind, { lines }: Lines): string {
  const said = lines.flatMap(line => {
    const total = totalOf(line)
    if (total === undefined) return []
    return texts.history.line(lineName(line), figure(total.mean), figure(total.max))
  })
  if (said.length === 0) return texts.history.nothing
  return texts.history.summary(texts.clauses(said.slice(0, summedMax)), said.length - summedMax)
}

/** The names of the lanes of the mode ribbon, the best first. */
export const laneNames = texts.history.lanes

/** A transport of the mode ribbon. */
export type Lane = keyof typeof laneNames

/** A share of time: `98.6 %`; neither all nor nothing is rounded to either. */
export function shareWords(share: number): string {
  if (share > 0 && share < 0.001) return texts.history.percent('< 0.1')
  if (share < 1 && share > 0.999) return texts.history.percent('> 99.9')
  return texts.history.percent(Number((share * 100).toFixed(1)))
}

/** The ribbon in words. */
export function ribbonSummary({ lines, times }: Lines): string {
  const totals = lines.map(line => [line.labels.transport, totalOf(line)?.mean] as const)
  if (totals.every(([, mean]) => mean === undefined)) return texts.history.nothing
  const shares = Object.entries(laneNames).map(([lane, name]) => {
    const mean = totals.find(([transport]) => transport === lane)?.[1] ?? 0
    return texts.history.share(name, shareWords(mean))
  })
  const recorded = lines[0]?.points.filter(point => point !== undefined).length ?? 0
  return texts.history.ribbon(texts.list(shares), shareWords(recorded / times.length))
}

/** The times below a chart: hours, and the day where one begins; days or months on longer axes. */
export function tickWords(ticks: readonly number[], stepSeconds: number): string[] {
  return ticks.map((at, index) => {
    const date = new Date(at * 1000)
    const day = date.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })
    if (stepSeconds >= 28 * 86_400)
      return date.toLocaleDateString(undefined, { month: 'short', year: 'numeric' })
    if (stepSeconds >= 86_400 || (index > 0 && date.getHours() + date.getMinutes() === 0)) return day
    return date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  })
}

/**
 * When a point began, as exactly as its length asks for. Days are those of the node: they begin at midnight
 * UTC.
 */
export function pointWords(at: number, stepSeconds: number): string {
  const date = new Date(at * 1000)
  const zone = stepSeconds >= 86_400 ? ({ timeZone: 'UTC' } as const) : {}
  const form = { day: 'numeric', month: 'short', year: 'numeric', ...zone } as const
  const day = date.toLocaleDateString(undefined, form)
  if (stepSeconds >= 86_400) return day
  const seconds = stepSeconds < 60 ? ({ second: '2-digit' } as const) : {}
  const time = date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', ...seconds })
  return texts.time.dated(day, time)
}

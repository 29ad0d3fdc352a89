/** What the charts say in words: names of lines, figures with units, times, summaries. */
import { totalOf } from './history-lines.ts'
import type { Line, Lines } from './history-lines.ts'
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
    title: 'Lag',
    help: 'Commits of each node that this one has not applied.',
    figure: value => `${plain(value)} behind`,
  },
  {
    series: 'latency',
    title: 'Latency',
    help: 'Round trip to each node, over each path in use.',
    figure: tripWords,
  },
  {
    series: 'writes',
    title: 'Changes',
    help: 'Changes per second, by where they were written.',
    figure: value => `${plain(value)}/s`,
  },
  {
    series: 'errors',
    title: 'Errors',
    help: 'Requests to this node that were refused or failed, per second.',
    figure: value => `${plain(value)}/s`,
  },
]

const words: Readonly<Record<string, string>> = {
  p2p: 'P2P',
  http: 'HTTP',
  local: 'written here',
  peers: 'from other nodes',
  client: 'refused (4xx)',
  server: 'failed (5xx)',
}

/** What tells a line from the others of its chart: `node1, P2P`. */
export function lineName({ labels }: Line): string {
  const node = labels.node ?? labels.node_id?.slice(0, 8)
  const rest = labels.path ?? labels.source ?? labels.fault
  const parts = [node, rest === undefined ? undefined : (words[rest] ?? rest)]
  return parts.flatMap(part => (part === undefined ? [] : visible(part, 64))).join(', ') || 'this node'
}

/** Lines named in a summary; more are in the table. */
const summedMax = 6

/** The chart in words, for those who do not see it. */
export function summaryOf({ figure }: ChartKind, { lines }: Lines): string {
  const said = lines.flatMap(line => {
    const total = totalOf(line)
    if (total === undefined) return []
    return `${lineName(line)}: ${figure(total.mean)} on average, ${figure(total.max)} at most`
  })
  if (said.length === 0) return 'Nothing was recorded.'
  const more = said.length - summedMax
  return `${said.slice(0, summedMax).join('; ')}${more > 0 ? `; and ${more} more` : ''}.`
}

/** The names of the lanes of the mode ribbon, the best first. */
export const laneNames = { p2p: 'Peer-to-peer', http: 'HTTP', none: 'No path' } as const

/** A transport of the mode ribbon. */
export type Lane = keyof typeof laneNames

/** A share of time: `98.6 %`; neither all nor nothing is rounded to either. */
export function shareWords(share: number): string {
  if (share > 0 && share < 0.001) return '< 0.1 %'
  if (share < 1 && share > 0.999) return '> 99.9 %'
  return `${Number((share * 100).toFixed(1))} %`
}

/** The ribbon in words. */
export function ribbonSummary({ lines, times }: Lines): string {
  const totals = lines.map(line => [line.labels.transport, totalOf(line)?.mean] as const)
  if (totals.every(([, mean]) => mean === undefined)) return 'Nothing was recorded.'
  const shares = Object.entries(laneNames).map(([lane, name]) => {
    const mean = totals.find(([transport]) => transport === lane)?.[1] ?? 0
    return `${name} ${shareWords(mean)}`
  })
  const recorded = lines[0]?.points.filter(point => point !== undefined).length ?? 0
  return `${shares.join(', ')} of the time recorded; ${shareWords(recorded / times.length)} of it was recorded.`
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
  return `${day}, ${time}`
}

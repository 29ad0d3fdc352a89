/**
 * The answer of the history as lines on one grid of time: what charts, tables and sentences are made of. A
 * pure function of it, so that all three say the same.
 */
import type { History } from './node-api.ts'
import { texts } from './texts.ts'

/** How far back the charts go. */
export interface Span {
  readonly name: string
  readonly seconds: number
  /** How long one point lasts: some hundred points, as many as a chart can show. */
  readonly stepSeconds: number
}

/** The spans to choose from (experience §6.3). */
export const spans: readonly Span[] = [
  { name: texts.history.spans.hour, seconds: 3600, stepSeconds: 10 },
  { name: texts.history.spans.day, seconds: 86_400, stepSeconds: 300 },
  { name: texts.history.spans.fortnight, seconds: 14 * 86_400, stepSeconds: 3600 },
  { name: texts.history.spans.year, seconds: 365 * 86_400, stepSeconds: 86_400 },
]

/** What happened during one point. */
export interface Point {
  readonly min: number
  readonly mean: number
  readonly max: number
}

/** One series over the grid; undefined where nothing was recorded. */
export interface Line {
  readonly labels: History['series'][number]['labels']
  readonly points: readonly (Point | undefined)[]
}

/** All lines of one series. */
export interface Lines {
  /** Beginning of each point, in Unix seconds, without holes. */
  readonly times: readonly number[]
  readonly stepSeconds: number
  readonly lines: readonly Line[]
}

/** A node may answer with more points than were asked for, but not with more than this. */
const pointsMax = 2000

function gridOf(history: History): readonly number[] {
  const step = history.step_seconds
  const first = Math.floor(Date.parse(history.from) / 1000 / step) * step
  const count = Math.ceil((Date.parse(history.to) / 1000 - first) / step)
  return Array.from(
    { length: Math.min(pointsMax, Math.max(0, count || 0)) },
    (_, index) => first + index * step,
  )
}

/** The lines of the series called `name`. Points that lie off the grid, or are none, are left out. */
export function linesOf(history: History, name: History['series'][number]['series']): Lines {
  const times = gridOf(history)
  const stepSeconds = history.step_seconds
  const lines = history.series
    .filter(({ series }) => series === name)
    .map(({ labels, points: given }): Line => {
      const points: (Point | undefined)[] = times.map(() => undefined)
      for (const point of given) {
        const [at, min, mean, max] = Array.isArray(point) ? point : []
        const index = ((at ?? Number.NaN) - (times[0] ?? 0)) / stepSeconds
        if (!Number.isInteger(index) || index < 0 || index >= times.length) continue
        if ([min, mean, max].every(Number.isFinite)) points[index] = { min, mean, max } as Point
      }
      return { labels, points }
    })
  return { times, stepSeconds, lines }
}

/** Mean and maximum over everything recorded; undefined where nothing was. */
export function totalOf({ points }: Line): { readonly mean: number; readonly max: number } | undefined {
  const known = points.filter(point => point !== undefined)
  if (known.length === 0) return undefined
  return {
    mean: known.reduce((sum, { mean }) => sum + mean, 0) / known.length,
    max: known.reduce((max, point) => Math.max(max, point.max), Number.NEGATIVE_INFINITY),
  }
}

/** The history that a scripted node tells: one fall to HTTP and a pause of the node, for pictures. */
import type { RouteResult, Routes } from '@lattice/api'

type Series = RouteResult<Routes['getHistory']>['series']
type Point = Series[number]['points'][number]

/** A wave between 0 and 1 that never repeats on a chart. */
function wave(at: number, offset: number): number {
  return (Math.sin(at / 617 + offset) + Math.sin(at / 211 + offset * 2) + 2) / 4
}

/** What happened: when the node did not run, and when HTTP carried the state. */
interface Story {
  readonly times: readonly number[]
  readonly onHttp: (at: number) => boolean
}

function story(first: number, to: number, step: number): Story {
  const part = (at: number): number => (at - first) / (to - first)
  const times: number[] = []
  for (let at = first; at < to; at += step) if (part(at) <= 0.2 || part(at) >= 0.26) times.push(at)
  return { times, onHttp: at => part(at) > 0.5 && part(at) < 0.62 }
}

function pointsOf({ times }: Story, value: (at: number) => number, peak = 1): Point[] {
  return times.map(at => [at, value(at) / 2, value(at), value(at) * peak])
}

function modeSeries(told: Story): Series {
  const share = (transport: string, value: (at: number) => boolean): Series[number] => ({
    series: 'mode',
    unit: 'share',
    labels: { transport },
    points: pointsOf(told, at => (value(at) ? 1 : 0)),
  })
  return [share('p2p', at => !told.onHttp(at)), share('http', told.onHttp), share('none', () => false)]
}

function nodeSeries(told: Story, index: number): Series {
  const labels = { node: `node${index}`, node_id: String(index).repeat(64) }
  const lag = (at: number): number => (told.onHttp(at) ? Math.round(wave(at, index) * 40) : 0)
  const p2p = pointsOf(told, at => 4 * index + 3 * wave(at, index), 1.6).filter(([at]) => !told.onHttp(at))
  const http = pointsOf(told, at => 18 * index + 9 * wave(at, index), 1.3)
  const latency = { series: 'latency', unit: 'milliseconds' } as const
  return [
    { series: 'lag', unit: 'commits', labels, points: pointsOf(told, lag, 1.5) },
    { ...latency, labels: { ...labels, path: 'p2p' }, points: p2p },
    { ...latency, labels: { ...labels, path: 'http' }, points: http },
  ]
}

/** Series over the span from `from` to `to`, all in seconds. The same question has the same answer. */
export function scriptedSeries(from: number, to: number, step: number): Series {
  const told = story(Math.floor(from / step) * step, to, step)
  const writes = { series: 'writes', unit: 'changes per second' } as const
  const errors = { series: 'errors', unit: 'answers per second' } as const
  return [
    ...modeSeries(told),
    ...nodeSeries(told, 1),
    ...nodeSeries(told, 3),
    { ...writes, labels: { source: 'local' }, points: pointsOf(told, at => 12 * wave(at, 5), 1.4) },
    { ...writes, labels: { source: 'peers' }, points: pointsOf(told, at => 20 * wave(at, 6), 1.4) },
    { ...errors, labels: { fault: 'client' }, points: pointsOf(told, () => 0.02, 5) },
    { ...errors, labels: { fault: 'server' }, points: pointsOf(told, () => 0) },
  ]
}

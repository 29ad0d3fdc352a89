/** `GET /api/lattice/metrics/history`: the built-in history under the names of the contract. */
import { historyMsMax, historyUnits, routes } from '@lattice/api'
import type { HistorySeriesName, RouteResult, Routes } from '@lattice/api'
import { peerName, type NodeStatus } from '@lattice/core'
import type { CallerOf } from './caller.ts'
import type { Mount } from './mount.ts'
import type { HttpAppOptions } from './options.ts'
import { invalid } from './problems.ts'
import { readerOf } from './readers.ts'
import { moment } from './shapes.ts'
import type { UntakenAnswers } from './untaken.ts'

type HistoryAnswer = RouteResult<Routes['getHistory']>
type Labels = HistoryAnswer['series'][number]['labels']

/** What is shown when no beginning is named. */
const spanMsDefault = 3_600_000

/** What the parts of a stored name mean. */
const labelNames: Readonly<Record<HistorySeriesName, readonly (keyof Labels)[]>> = {
  mode: ['transport'],
  lag: ['node_id'],
  latency: ['node_id', 'path'],
  writes: ['source'],
  errors: ['fault'],
  keys: [],
  availability: ['node_id'],
}

function labelsOf(
  family: HistorySeriesName,
  parts: readonly string[],
  names: ReadonlyMap<string, string>,
): Labels {
  const labels: Labels = Object.fromEntries(
    labelNames[family].map((label, index) => [label, parts[index] ?? '']),
  )
  const name = labels.node_id === undefined ? undefined : names.get(labels.node_id)
  return name === undefined ? labels : { node: name, ...labels }
}

function namesOf(status: NodeStatus, ownName: string): ReadonlyMap<string, string> {
  return new Map([
    [status.nodeId, ownName],
    ...status.peers.map(peer => [peer.nodeId, peerName(peer)] as const),
  ])
}

const shortened = (value: number): number => Number(value.toPrecision(6))

interface HistoryOptions extends Pick<HttpAppOptions, 'history' | 'node' | 'info' | 'clock'> {
  readonly callerOf: CallerOf
  readonly untaken: UntakenAnswers
}

/** Adds the route; without a history its answers are empty. */
export function mountHistory(
  mount: Mount,
  { history, node, info, clock, callerOf, untaken }: HistoryOptions,
): void {
  mount(routes.getHistory, async ({ query }, request, response) => {
    const { wall } = clock.now()
    const to = query.to ?? wall
    const from = query.from ?? Math.max(0, to - spanMsDefault)
    if (from >= to) throw invalid('from', 'expected a moment before `to`')
    if (to - from > historyMsMax) throw invalid('from', 'expected at most 400 days before `to`')
    const found = await history?.read({ families: query.series, from, to, stepMs: query.step ?? 1000 })
    const names = namesOf(node.status(), info.name)
    const series = [...(found?.series ?? [])].map(([name, points]) => {
      const [family, ...parts] = name.split('/') as [HistorySeriesName, ...string[]]
      return {
        series: family,
        unit: historyUnits[family],
        labels: labelsOf(family, parts, names),
        points: points.map(([at, { min, mean, max }]) => [
          Math.floor(at / 1000),
          shortened(min),
          shortened(mean),
          shortened(max),
        ]),
      }
    })
    const text = JSON.stringify({
      success: true,
      from: moment(from),
      to: moment(to),
      step_seconds: (found?.stepMs ?? query.step ?? 1000) / 1000,
      series,
    })
    await untaken.sendJsonText(readerOf(callerOf, request, response), text, {})
  })
}

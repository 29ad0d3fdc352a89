/** What the charts draw and say is what the node answered: nothing moved, nothing invented. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  chartKinds,
  lineName,
  pointWords,
  ribbonSummary,
  shareWords,
  summaryOf,
  tickWords,
} from '../src/chart-words.ts'
import { linesOf, totalOf } from '../src/history-lines.ts'
import type { History } from '../src/node-api.ts'

const start = 1_700_000_000 - (1_700_000_000 % 300)

function history(stepSeconds: number, series: History['series'], steps = 6): History {
  return {
    success: true,
    from: new Date(start * 1000).toISOString(),
    to: new Date((start + stepSeconds * steps) * 1000).toISOString(),
    step_seconds: stepSeconds,
    series,
  }
}

const series = (
  name: History['series'][number]['series'],
  points: History['series'][number]['points'],
  labels: History['series'][number]['labels'] = {},
): History['series'][number] => ({ series: name, unit: '', labels, points })

describe('lines', () => {
  it('have every point where it belongs, and a hole where there was none', () => {
    const present = fc.uniqueArray(fc.nat({ max: 59 }))
    fc.assert(
      fc.property(present, fc.constantFrom(10, 60, 300), (indices, step) => {
        const points = indices.map((index): [number, number, number, number] => [
          start + index * step,
          index,
          index + 1,
          index + 2,
        ])
        const { times, lines } = linesOf(history(step, [series('keys', points)], 60), 'keys')
        expect(times).toHaveLength(60)
        times.forEach((at, index) => {
          expect(at).toBe(Math.floor(start / step) * step + index * step)
          const point = lines[0]?.points[index]
          const known = points.find(([when]) => when === at)
          expect(point).toEqual(known && { min: known[1], mean: known[2], max: known[3] })
        })
      }),
    )
  })

  it('leave out what is no point of theirs', () => {
    const strange = [
      [start + 7, 1, 1, 1],
      [start - 60, 1, 1, 1],
      'x',
      null,
      [start],
      [start, 1, Number.NaN, 1],
    ]
    const { lines } = linesOf(history(60, [series('lag', strange as never)]), 'lag')
    expect(lines[0]?.points.every(point => point === undefined)).toBe(true)
    const endless = { ...history(1, []), from: new Date(0).toISOString(), series: [series('lag', [])] }
    expect(linesOf(endless, 'lag').times.length).toBeLessThanOrEqual(2000)
  })
})

describe('words', () => {
  const [lag] = chartKinds

  it('say mean and maximum of each line by its name', () => {
    const labels = { node: 'node1', node_id: 'a' }
    const data = linesOf(
      history(60, [
        series(
          'lag',
          [
            [start, 0, 2, 5],
            [start + 60, 1, 4, 9],
          ],
          labels,
        ),
      ]),
      'lag',
    )
    expect(lag && summaryOf(lag, data)).toBe('node1: 3 behind on average, 9 behind at most.')
    expect(data.lines[0] && totalOf(data.lines[0])).toEqual({ mean: 3, max: 9 })
    const empty = linesOf(history(60, [series('lag', [])]), 'lag')
    expect(lag && summaryOf(lag, empty)).toBe('Nothing was recorded.')
  })

  it('name lines by what tells them apart, and hostile names without their tricks', () => {
    const line = (labels: object) => lineName({ labels, points: [] })
    expect(line({ node: 'node1', path: 'p2p' })).toBe('node1, P2P')
    expect(line({ node_id: 'abcdef0123456789' })).toBe('abcdef01')
    expect(line({ source: 'local' })).toBe('written here')
    expect(line({ node: '\u202Eevil' })).toBe('⟨U+202E⟩evil')
    expect(line({})).toBe('this node')
  })

  it('say how long each transport carried the state', () => {
    const mode = (transport: string, share: number): History['series'][number] =>
      series(
        'mode',
        [
          [start, 0, share, 1],
          [start + 60, 0, share, 1],
          [start + 120, 0, share, 1],
        ],
        { transport },
      )
    const data = linesOf(history(60, [mode('p2p', 0.75), mode('http', 0.25), mode('none', 0)]), 'mode')
    expect(ribbonSummary(data)).toBe(
      'Peer-to-peer 75 %, HTTP 25 %, No path 0 % of the time recorded; 50 % of it was recorded.',
    )
  })

  it('round neither to all nor to nothing', () => {
    expect([0, 0.00001, 0.5, 0.99999, 1].map(shareWords)).toEqual([
      '0 %',
      '< 0.1 %',
      '50 %',
      '> 99.9 %',
      '100 %',
    ])
  })

  it('give a moment as exactly as its length asks for', () => {
    expect(pointWords(start, 86_400)).not.toContain(':')
    expect(pointWords(start, 300).match(/:/g)).toHaveLength(1)
    expect(pointWords(start, 10).match(/:/g)).toHaveLength(2)
    expect(tickWords([start], 60)[0]).toMatch(/^\d\d:\d\d$/)
    expect(tickWords([start], 86_400)[0]).not.toContain(':')
  })
})

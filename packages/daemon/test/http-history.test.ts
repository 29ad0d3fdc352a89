/** `GET /api/lattice/metrics/history`: names, bounds and errors. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { historySchema } from '@lattice/api'
import type { NodeId, PeerStatus } from '@lattice/core'
import type { HistoryQuery, HistoryReading } from '../src/history/history-file.ts'
import { createCounts, figuresOf } from '../src/history/figures.ts'
import { MemoryNode, startWorld } from './http-world.ts'
import type { World } from './http-world.ts'

let world: World
afterEach(() => world.close())

const peerId = 'a'.repeat(64) as NodeId
const path = '/api/lattice/metrics/history'
const figure = { count: 6, min: 0, mean: 1 / 3, max: 1 }

function remembering(series: HistoryReading['series'], asked: Partial<HistoryQuery>[] = []) {
  return {
    read: async (query: Omit<HistoryQuery, 'now'>): Promise<HistoryReading> => {
      asked.push(query)
      return await Promise.resolve({ stepMs: 10_000, series })
    },
  }
}

describe('the history', () => {
  it('names nodes, and says what each point is', async () => {
    const node = new MemoryNode()
    node.overlay = { peers: [{ nodeId: peerId, name: 'node1' } as PeerStatus] }
    const asked: Partial<HistoryQuery>[] = []
    const series = new Map([
      [`latency/${peerId}/p2p`, [[1_700_000_000_000, figure] as const]],
      ['keys', []],
    ])
    world = await startWorld({ node, history: remembering(series, asked) })
    const answer = await world.ask(
      `${path}?series=latency,keys&from=1700000000&to=2023-11-14T23:00:00Z&step=1m`,
    )
    expect(answer.status).toBe(200)
    const { series: found, step_seconds } = historySchema.parse(answer.json)
    expect(step_seconds).toBe(10)
    expect(found[0]).toEqual({
      series: 'latency',
      unit: 'milliseconds',
      labels: { node: 'node1', node_id: peerId, path: 'p2p' },
      points: [[1_700_000_000, 0, 0.333333, 1]],
    })
    expect(asked).toEqual([
      {
        families: ['latency', 'keys'],
        from: 1_700_000_000_000,
        to: Date.UTC(2023, 10, 14, 23),
        stepMs: 60_000,
      },
    ])
  })

  it.each([
    ['series=speed', /series\[0\]: one or more of mode, lag,/],
    ['series=', /series\[0\]: one or more of mode, lag,/],
    ['', /series/],
    ['series=keys&from=yesterday', /from: expected Unix seconds or RFC 3339/],
    ['series=keys&from=200&to=100', /from: expected a moment before `to`/],
    ['series=keys&from=0&to=1700000000', /at most 400 days/],
    // What the answer says of it could not be written in RFC 3339.
    ['series=keys&to=253402300800', /to: expected .* until the year 9999/],
    ['series=keys&step=fast', /step: expected a duration/],
    ['series=keys&points=3', /points|unrecognized/i],
  ])('refuses %s by naming the field', async (query, detail) => {
    world = await startWorld({ history: remembering(new Map()) })
    const answer = await world.ask(`${path}?${query}`)
    expect(answer.status).toBe(400)
    expect(answer.json).toMatchObject({ code: 'REQUEST_INVALID', success: false })
    expect(answer.json['detail']).toMatch(detail)
  })

  it('counts answers by whose fault they were', async () => {
    const counts = createCounts()
    world = await startWorld({ onAnswered: counts.onAnswered })
    await world.ask('/none')
    await world.ask('/health')
    let tally = counts.take()
    // The count is taken when the answer has left, which may be after it has arrived.
    while (tally.client === 0) {
      await new Promise(setImmediate)
      tally = counts.take()
    }
    expect(tally).toEqual({ local: 0, peers: 0, client: 1, server: 0 })
  })

  it('samples what the node says: shares, rates, and no figure where nothing is known', async () => {
    const node = new MemoryNode()
    world = await startWorld({ node })
    const link = { state: 'down' } as const
    const base = { nodeId: peerId, why: '', sinceWall: 0, links: { p2p: link, http: link } }
    node.overlay = {
      syncMode: 'HTTP',
      peers: [
        { ...base, path: 'http', behind: 4, links: { p2p: link, http: { state: 'up', rttMs: 9 } } },
        { ...base, nodeId: 'b'.repeat(64) as NodeId, path: 'none', asleep: true },
        { ...base, nodeId: 'c'.repeat(64) as NodeId, path: 'none' },
      ],
    }
    const figures = figuresOf(node.status(), { local: 20, peers: 5, client: 1, server: 0 }, 10, true)
    expect(Object.fromEntries(figures)).toEqual({
      'mode/p2p': 0,
      'mode/http': 1,
      'mode/none': 0,
      'writes/local': 2,
      'writes/peers': 0.5,
      'errors/client': 0.1,
      'errors/server': 0,
      keys: 0,
      [`availability/${node.id}`]: 1,
      [`availability/${peerId}`]: 1,
      [`lag/${peerId}`]: 4,
      [`latency/${peerId}/http`]: 9,
      [`availability/${'c'.repeat(64)}`]: 0,
    })
  })
})

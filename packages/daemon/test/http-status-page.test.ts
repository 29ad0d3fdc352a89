/** The public status page: opt-in, true, and without anything that is not for everybody. */
import { afterEach, describe, expect, it } from '@jest/globals'
import type { NodeId, PeerStatus } from '@lattice/core'
import type { HistoryReading } from '../src/history/history-file.ts'
import { daysShown, firstDay, publicStatus } from '../src/http/public-status.ts'
import { MemoryNode, startWorld, token } from './http-world.ts'
import type { World } from './http-world.ts'

let world: World | undefined
afterEach(async () => {
  await world?.close()
  world = undefined
})

const dayMs = 86_400_000
const now = Date.UTC(2026, 10, 26, 12)
const other = 'c0ffee'.padEnd(64, '0') as NodeId
const secretError = 'connect ECONNREFUSED 10.1.2.3:7860 at https://backup.example/sync/v1'
const link = { state: 'down', lastError: secretError } as const

function peer(over: Partial<PeerStatus> = {}): PeerStatus {
  const base = { nodeId: other, path: 'none', why: secretError, sinceWall: now } as const
  return { ...base, links: { p2p: link, http: link }, ...over }
}

function reading(
  series: Readonly<Record<string, readonly (readonly [number, number, number])[]>>,
): HistoryReading {
  const entries = Object.entries(series).map(
    ([id, days]) =>
      [
        `availability/${id}`,
        days.map(([at, count, mean]) => [at, { count, min: 0, mean, max: 1 }] as const),
      ] as const,
  )
  return { stepMs: dayMs, series: new Map(entries) }
}

describe('/status', () => {
  it('does not exist unless the operator wants it, and says how to get it', async () => {
    world = await startWorld()
    const answer = await world.ask('/status')
    expect(answer.status).toBe(404)
    expect(answer.json['detail']).toContain('LATTICE_STATUS_PAGE=true')
  })

  it('shows verdict and nodes, and no url, id, token, address, key, error or version', async () => {
    const node = new MemoryNode()
    node.apply([{ op: 'put', key: 'account:alice', value: 'treasure' }])
    node.overlay = {
      peers: [peer(), peer({ nodeId: 'd'.repeat(64) as NodeId, name: '<b>node3</b>', path: 'p2p' })],
    }
    const history = {
      read: () => Promise.resolve(reading({ [node.id]: [[firstDay(Date.now()), 8640, 1]], [other]: [] })),
    }
    world = await startWorld({ node, history, config: { statusPage: true } })
    const { status, text, headers } = await world.ask('/status')
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(text).toContain('2 of 3 nodes are connected.')
    expect(text).toContain('node2 <span class="mark up">')
    expect(text).toContain('&lt;b&gt;node3&lt;/b&gt; <span class="mark up">')
    expect(text).toContain('node 2 <span class="mark down">')
    const page = text.replace(/<link[^>]*>/g, '')
    expect(page).not.toMatch(/https?:|\/ip4|\/p2p\/|12D3KooW|[0-9a-f]{16}|\d+\.\d+\.\d+\.\d+|:\d{4}\b/)
    for (const secret of [
      token,
      node.id,
      node.root(),
      'ECONNREFUSED',
      'backup.example',
      'account',
      'treasure',
    ])
      expect(page).not.toContain(secret)
    expect(page).not.toContain('0.1.0')
    expect(page).not.toContain('<script')
  })

  it('is drawn once for many, and without a history too', async () => {
    let reads = 0
    const history = {
      read: () => {
        reads += 1
        return Promise.reject(new Error('gone'))
      },
    }
    world = await startWorld({ history, config: { statusPage: true } })
    const { ask } = world
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('/status')))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(answers[0]?.text).toContain('Nothing was recorded yet.')
    expect(reads).toBe(1)
  })
})

describe('the ribbon', () => {
  const own = { name: 'node2', serves: true }
  const first = firstDay(now)
  const status = { ...new MemoryNode().status(), peers: [peer({ name: 'node1' })] }
  const shares = (series: Parameters<typeof reading>[0], index: number): (number | undefined)[] =>
    publicStatus(own, status, reading(series), now).nodes[index]?.days.map(({ share }) => share) ?? []

  it('has 90 days, the last of them today', () => {
    const { nodes } = publicStatus(own, status, undefined, now)
    expect(nodes.map(({ days }) => days.length)).toEqual([daysShown, daysShown])
    expect(nodes[0]?.days.at(-1)?.at).toBe(Date.UTC(2026, 10, 26))
    expect(nodes[0]?.days.every(({ share }) => share === undefined)).toBe(true)
  })

  it('counts time in which this node took no samples as down, from its first sample on', () => {
    const at = first + 80 * dayMs
    const days = shares(
      {
        [status.nodeId]: [
          [at, 100, 1],
          [at + dayMs, 8640, 1],
          [at + 2 * dayMs, 4320, 1],
          [at + 9 * dayMs, 4320, 1],
        ],
      },
      0,
    )
    expect(days.slice(79)).toEqual([undefined, 1, 1, 0.5, 0, 0, 0, 0, 0, 0, 1])
  })

  it('has for others the share of the time they were looked at', () => {
    const days = shares({ [other]: [[first + 88 * dayMs, 50, 0.25]] }, 1)
    expect(days.slice(-3)).toEqual([undefined, 0.25, undefined])
  })
})

describe('the verdict', () => {
  const own = { name: 'node2', serves: true }
  const base = new MemoryNode().status()
  const up = peer({ path: 'p2p', root: base.root })
  const said = (peers: readonly PeerStatus[], serves = true): string => {
    const { state, sentence } = publicStatus({ ...own, serves }, { ...base, peers }, undefined, now)
    return `${state}: ${sentence}`
  }

  it.each([
    ['up: All 3 nodes agree.', [up, up], true],
    ['up: Both nodes agree.', [up], true],
    ['up: Both nodes are connected.', [{ ...up, root: 'b'.repeat(64) }], true],
    ['degraded: 2 of 3 nodes are connected.', [up, peer()], true],
    ['degraded: No other node answers; this one goes on by itself.', [peer(), peer()], true],
    ['up: 2 of 3 nodes are connected; the others are asleep.', [up, peer({ asleep: true })], true],
    ['up: The node works.', [], true],
    ['down: This node cannot serve at the moment.', [up], false],
  ] as const)('%s', (wanted, peers, serves) => expect(said(peers, serves)).toBe(wanted))
})

/** One list of warnings, whoever asks: status, health, metrics and the page without a dashboard. */
import { afterEach, expect, it } from '@jest/globals'
import { p2pStatusSchema } from '@lattice/api'
import type { ComponentHealth } from '@lattice/api'
import type { NodeId } from '@lattice/core'
import { createWarnings } from '../src/http/index.ts'
import { MemoryNode, startWorld } from './http-world.ts'
import type { World } from './http-world.ts'

let world: World | undefined
afterEach(async () => {
  await world?.close()
  world = undefined
})

const start = 1_700_000_000_000

/** A node whose host the test plays, at a time of the test's own. */
function host() {
  const node = new MemoryNode()
  const state = {
    wall: start,
    disk: { status: 'healthy', reason: '80 % free' } as ComponentHealth,
    p2pError: undefined as string | undefined,
  }
  const facts = {
    node,
    clock: { now: () => ({ mono: state.wall, wall: state.wall }) },
    probes: { disk: () => state.disk },
    p2p: () => ({
      enabled: true,
      available: true,
      listenAddresses: [],
      started: state.p2pError === undefined,
      ...(state.p2pError === undefined ? {} : { error: state.p2pError }),
    }),
  }
  return { node, state, facts, warnings: createWarnings(facts) }
}

const codes = (list: readonly { readonly code: string }[]): string[] => list.map(({ code }) => code)

it('a full disk is a warning from when it was first seen, and ends with its cause', () => {
  const { state, warnings } = host()
  expect(warnings()).toEqual([])
  state.disk = { status: 'degraded', reason: '3 % free; make room' }
  const [first] = warnings()
  expect(first).toMatchObject({ code: 'disk-low', severity: 'medium', sinceWall: start })
  state.wall += 60_000
  state.disk = { status: 'unhealthy', reason: '0 % free; make room' }
  expect(warnings()[0]).toMatchObject({ severity: 'high', sinceWall: start, text: '0 % free; make room' })
  state.disk = { status: 'healthy', reason: '' }
  expect(warnings()).toEqual([])
  state.wall += 60_000
  state.disk = { status: 'degraded', reason: '' }
  expect(warnings()[0]?.sinceWall).toBe(start + 120_000)
})

it('a certificate near its end is a warning 14 days before, in health and once in the log', async () => {
  const { node, state, facts } = host()
  const links = { p2p: { state: 'down' }, http: { state: 'up' } } as const
  const nodeId = 'ab'.repeat(32) as NodeId
  node.overlay = { peers: [{ nodeId, path: 'http', why: '', sinceWall: start, links }] }
  const endsWall = start + 15 * 86_400_000
  const address = { path: 'http', address: 'https://b.example', certificateEndsWall: endsWall } as const
  const logged: string[] = []
  const log = { info: () => {}, error: () => {}, warn: (text: string) => void logged.push(text) }
  const options = { ...facts, log, peer: () => ({ peerId: 'b', addresses: [address] }) }
  const warnings = createWarnings(options)
  expect(codes(warnings())).toEqual([])
  state.wall = endsWall - 14 * 86_400_000 + 1
  expect(codes(warnings())).toEqual(['certificate-expiring'])
  expect(warnings()[0]?.text).toContain('https://b.example: ends on 2023-11-29')
  expect(logged).toEqual([expect.stringContaining('https://b.example')])
  world = await startWorld({ node, peer: options.peer, warnings })
  const health = (await world.ask('/api/lattice/health')).json
  expect(health['components']).toMatchObject({
    http_sync: { status: 'degraded', reason: expect.stringContaining('certificate') },
  })
})

it('a long fallback is said after half an hour, and not where its cause is said already', () => {
  const { node, state, facts } = host()
  const logged: string[] = []
  const log = { info: () => {}, error: () => {}, warn: (text: string) => void logged.push(text) }
  const warnings = createWarnings({ ...facts, log })
  node.overlay = { requested: 'auto', syncMode: 'HTTP', sinceWall: start }
  state.wall = start + 1_799_000
  expect(warnings()).toEqual([])
  expect(logged).toEqual([])
  state.wall = start + 1_800_000
  expect(codes(warnings())).toEqual(['on-fallback'])
  expect(codes(warnings())).toEqual(['on-fallback'])
  expect(logged).toEqual([expect.stringContaining('P2P has been silent for long')])
  state.p2pError = 'the port is taken'
  expect(codes(warnings())).toEqual(['p2p-failed'])
  state.p2pError = undefined
  const isolated = { code: 'isolated', title: '', text: '', severity: 'high', sinceWall: 0 } as const
  const rest = { timeToVisibleMs: 0, dependsOn: [], impactsConnectivity: true, primaryAction: { label: '' } }
  node.overlay = { ...node.overlay, warnings: [{ ...isolated, ...rest }] }
  expect(codes(warnings())).toEqual(['isolated'])
})

it('what lasts keeps its beginning, and what returns begins anew', () => {
  const { node, state, warnings } = host()
  const rest = { timeToVisibleMs: 0, dependsOn: [], impactsConnectivity: true, primaryAction: { label: '' } }
  const says = (sinceWall: number): void => {
    const warning = { code: 'deferred-entries', title: '', text: '', severity: 'medium', sinceWall } as const
    node.overlay = { warnings: [{ ...warning, ...rest }] }
  }
  for (const passed of [0, 5000, 10_000]) {
    state.wall = start + passed
    says(state.wall)
    expect(warnings()[0]?.sinceWall).toBe(start)
  }
  node.overlay = {}
  expect(warnings()).toEqual([])
  says(state.wall)
  expect(warnings()[0]?.sinceWall).toBe(start + 10_000)
})

it('status, health, metrics and the plain page say the same', async () => {
  const { node, state, facts } = host()
  state.p2pError = 'the port is taken'
  world = await startWorld({ node, p2p: facts.p2p })
  const status = p2pStatusSchema.parse((await world.ask('/api/lattice/p2p/status')).json)
  expect(codes(status.warnings)).toEqual(['p2p-failed'])
  // Readers whose own clock is off take the ages of all this from it.
  expect(Math.abs((status.timestamp ?? 0) - Date.now() / 1000)).toBeLessThan(60)
  expect(status.warnings[0]).toMatchObject({ timeToVisible: 0, impactsConnectivity: true, dependsOn: [] })
  const health = (await world.ask('/api/lattice/health')).json
  expect(health['metrics']).toMatchObject({ warning_count: 1 })
  expect((await world.ask('/metrics')).text).toContain('lattice_warnings{severity="medium"} 1')
  expect((await world.ask('/', { headers: { accept: 'text/html' } })).text).toContain('P2P could not start')
})

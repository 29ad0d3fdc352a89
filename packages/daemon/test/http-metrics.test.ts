/** Metrics of what is not there: no failure is told where there is none, and no life where none is. */
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import type { ComponentHealth } from '@lattice/api'
import type { NodeId, PeerStatus } from '@lattice/core'
import { startWorld, type World } from './http-world.ts'

let world: World
let disk: ComponentHealth
beforeEach(async () => {
  disk = { status: 'unknown', reason: 'not measured yet' }
  world = await startWorld({ probes: { disk: () => disk } })
})
afterEach(() => world.close())

const gone: PeerStatus = {
  nodeId: 'a'.repeat(64) as NodeId,
  name: 'node1',
  path: 'none',
  why: 'nothing listens there',
  sinceWall: 1_700_000_000_000,
  links: { p2p: { state: 'down', rttMs: 4 }, http: { state: 'suspected', rttMs: 36 } },
}

/** The samples of one metric, without its name. */
async function samples(name: string): Promise<string[]> {
  const lines = (await world.ask('/metrics')).text.split('\n')
  return lines.filter(line => line.startsWith(name)).map(line => line.slice(name.length).trim())
}

it('a host that sleeps is asleep, and not down', async () => {
  const sleeping: PeerStatus = { ...gone, nodeId: 'b'.repeat(64) as NodeId, name: 'node2', asleep: true }
  world.node.overlay = { peers: [gone, sleeping] }
  expect(await samples('lattice_peers{')).toEqual([
    'state="connected"} 0',
    'state="degraded"} 0',
    'state="down"} 1',
    'state="asleep"} 1',
  ])
})

it('a path that is not up has no round trip, however fast it once was', async () => {
  const back: PeerStatus = {
    ...gone,
    path: 'http',
    links: { ...gone.links, http: { state: 'up', rttMs: 36 } },
  }
  world.node.overlay = { peers: [back] }
  expect(await samples('lattice_peer_rtt_seconds{')).toEqual(['peer="node1",path="http"} 0.036'])
  world.node.overlay = { peers: [gone] }
  expect(await samples('lattice_peer_rtt_seconds{')).toEqual([])
})

it('a disk that was not measured is not full, and one that stops to answer has no value', async () => {
  expect(await samples('lattice_store_free_ratio')).toEqual([])
  disk = { status: 'healthy', reason: '42 % free', value: 0.42, unit: 'ratio' }
  expect(await samples('lattice_store_free_ratio')).toEqual(['0.42'])
  disk = { status: 'degraded', reason: 'the file system does not answer: EIO' }
  expect(await samples('lattice_store_free_ratio')).toEqual([])
})

it('a name that a peer gives itself reaches a terminal as text alone, and stays one label', async () => {
  const name = '\u001b]0;x\u0007"\n\u202Elive\\'
  world.node.overlay = { peers: [{ ...gone, name }] }
  const label = String.raw`peer="\\x1b]0;x\\x07\"\\x0a\\u{202e}live\\"`
  expect(await samples('lattice_peer_up{')).toEqual([`${label}} 0`])
})

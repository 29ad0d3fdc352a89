/**
 * Partitions and failures at random, on real processes (properties 60 and 61). A failure names its seed;
 * `E2E_SEED=<seed> npm run e2e:full -- e2e/full/random-cuts` plays it again.
 */
import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { createSeededRandom } from '@lattice/core/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { arrives, equalRoots, inPhase, metOverP2p, put, statusOf } from '../federation.ts'
import { HostNetwork, between, namespacesMissing } from '../namespaces.ts'
import type { Cut } from '../namespaces.ts'

const missing = namespacesMissing()
if (missing !== undefined) process.stderr.write(`partitions are not tested: ${missing}\n`)
const seed = Number(process.env['E2E_SEED'] ?? randomInt(1_000_000))
const random = createSeededRandom(seed)
const replay = `E2E_SEED=${seed} npm run e2e:full -- e2e/full/random-cuts`
const world = new World()
const pairs = [
  [0, 1],
  [1, 2],
  [0, 2],
] as const
/** PEERLESS_TIMEOUT of these nodes, the silence it begins with already over, and a busy machine. */
const onHttpWithinMs = 3_000 + 3_000
let network: HostNetwork
let nodes: readonly Daemon[]

beforeAll(async () => {
  if (missing !== undefined) return
  process.stderr.write(`replay: ${replay}\n`)
  network = await HostNetwork.open(world, 3, {
    LATTICE_FLAP_LIMIT: '1000/10m',
    LATTICE_HOLD_DOWN_MAX: '1s',
  })
  nodes = network.nodes
}, 60_000)

beforeEach(async () => {
  if (missing !== undefined) return
  network.cut()
  await metOverP2p(nodes)
}, 90_000)

afterAll(async () => {
  await (network as HostNetwork | undefined)?.close()
  await world.close()
})

/** What is cut between each two hosts; at most one pair loses both paths, so that all stay connected. */
function someCuts(): readonly Cut[] {
  const apart = Math.floor(random.unit() * 4)
  return pairs.flatMap(([a, b], pair) => {
    if (pair === apart) return between(a, b)
    const dice = random.unit()
    return dice < 0.35 ? between(a, b, { port: 'p2p' }) : dice < 0.6 ? between(a, b, { port: 'http' }) : []
  })
}

const rows = missing === undefined ? describe : describe.skip

rows(`at random (${replay})`, () => {
  it('P60: partitions that leave some path: all nodes stay connected and hear every write', async () => {
    for (let round = 0; round < 8; round++) {
      network.cut(...someCuts())
      for (const [index, node] of nodes.entries()) await put(node, `p60/${index}`, round)
      for (const index of nodes.keys()) await arrives(nodes, `p60/${index}`, round)
      await delay(random.unit() * 5_000)
      for (const node of nodes) expect((await statusOf(node)).sync_mode).not.toBe('NONE')
      await equalRoots(nodes)
    }
  }, 240_000)

  it('P61: P2P fails at any time: all are on HTTP within the timeout, and back on P2P after it', async () => {
    for (let round = 0; round < 5; round++) {
      await metOverP2p(nodes)
      await delay(random.unit() * 2_000)
      network.cut(...pairs.flatMap(([a, b]) => between(a, b, { port: 'p2p' })))
      const failedAt = Date.now()
      for (const node of nodes) {
        await inPhase(node, 'HTTP', 4 * onHttpWithinMs)
        // When it was, by the node itself: how soon a busy machine answers us is not the promise.
        const { transitions } = await node.client.getTransitions()
        const declared = transitions.findLast(({ from, to }) => from === 'GRACE' && to === 'HTTP')
        expect(Date.parse(declared?.at ?? '') - failedAt).toBeLessThan(onHttpWithinMs)
      }
      for (const host of nodes.keys()) expect(network.lost(host)).toBeGreaterThan(0)
      network.cut()
    }
    await metOverP2p(nodes)
    await equalRoots(nodes)
  }, 240_000)
})

/**
 * Partitions and failures at random, on real processes (properties 60 and 61). A failure names its seed;
 * `E2E_SEED=<seed> npm run e2e:full -- e2e/full/random-cuts` plays it again.
 */
import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { createSeededRandom } from '@lattice/core/testing'
import { beforeEach, expect, it } from '@jest/globals'
import { arrives, equalRoots, inPhase, metOverP2p, put, statusOf } from '../federation.ts'
import { hostsForRows } from '../hosts.ts'
import { between } from '../namespaces.ts'
import type { Cut } from '../namespaces.ts'

const seed = Number(process.env['E2E_SEED'] ?? randomInt(1_000_000))
const random = createSeededRandom(seed)
const replay = `E2E_SEED=${seed} npm run e2e:full -- e2e/full/random-cuts`
const pairs = [
  [0, 1],
  [1, 2],
  [0, 2],
] as const
/** PEERLESS_TIMEOUT of these hosts.nodes, the silence it begins with already over, and a busy machine. */
const onHttpWithinMs = 3_000 + 3_000
const hosts = hostsForRows(3, { LATTICE_FLAP_LIMIT: '1000/10m', LATTICE_HOLD_DOWN_MAX: '1s' })
process.stderr.write(`replay: ${replay}\n`)

/** What is cut between each two hosts; at most one pair loses both paths, so that all stay connected. */
function someCuts(): readonly Cut[] {
  const apart = Math.floor(random.unit() * 4)
  return pairs.flatMap(([a, b], pair) => {
    if (pair === apart) return between(a, b)
    const dice = random.unit()
    return dice < 0.35 ? between(a, b, { port: 'p2p' }) : dice < 0.6 ? between(a, b, { port: 'http' }) : []
  })
}

hosts.rows(`at random (${replay})`, () => {
  beforeEach(async () => {
    hosts.network.cut()
    await metOverP2p(hosts.nodes)
  }, 90_000)

  it('P60: partitions that leave some path: all hosts.nodes stay connected and hear every write', async () => {
    for (let round = 0; round < 8; round++) {
      hosts.network.cut(...someCuts())
      for (const [index, node] of hosts.nodes.entries()) await put(node, `p60/${index}`, round)
      for (const index of hosts.nodes.keys()) await arrives(hosts.nodes, `p60/${index}`, round)
      await delay(random.unit() * 5_000)
      for (const node of hosts.nodes) expect((await statusOf(node)).sync_mode).not.toBe('NONE')
      await equalRoots(hosts.nodes)
    }
  }, 240_000)

  it('P61: P2P fails at any time: all are on HTTP within the timeout, and back on P2P after it', async () => {
    for (let round = 0; round < 5; round++) {
      await metOverP2p(hosts.nodes)
      await delay(random.unit() * 2_000)
      hosts.network.cut(...pairs.flatMap(([a, b]) => between(a, b, { port: 'p2p' })))
      const failedAt = Date.now()
      for (const node of hosts.nodes) {
        await inPhase(node, 'HTTP', 4 * onHttpWithinMs)
        // When it was, by the node itself: how soon a busy machine answers us is not the promise.
        const { transitions } = await node.client.getTransitions()
        const declared = transitions.findLast(({ from, to }) => from === 'GRACE' && to === 'HTTP')
        expect(Date.parse(declared?.at ?? '') - failedAt).toBeLessThan(onHttpWithinMs)
      }
      for (const host of hosts.nodes.keys()) expect(hosts.network.lost(host)).toBeGreaterThan(0)
      hosts.network.cut()
    }
    await metOverP2p(hosts.nodes)
    await equalRoots(hosts.nodes)
  }, 240_000)
})

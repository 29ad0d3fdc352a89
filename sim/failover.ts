/** The moment P2P is cut everywhere: a write made just then, and the change to HTTP (Property 61). */
import type { Outcome } from './history.ts'
import { World, type Tamper } from './world.ts'

/** A write during the cut has arrived everywhere within this, in ms: the hedge and a round trip (G6a). */
const hedgedWithinMs = 2_000

/** Time to become one federation on P2P, in ms. */
const settleMs = 30_000

/** Tells one failover among three nodes. */
export async function failOver(seed: number, tamper?: Tamper): Promise<Outcome> {
  const world = new World({ seed, count: 3, tamper })
  for (const member of world.members) world.boot(member)
  await world.timeline.run(settleMs + 1_000 * (seed % 60))
  const nodes = world.members.map(({ index }) => index)
  world.weather.cut(
    'p2p',
    nodes.flatMap(a => nodes.filter(b => b !== a).map(b => [a, b] as const)),
  )
  const runtimes = world.running.map(({ process }) => process.runtime)
  runtimes[0]
    ?.write([{ op: 'put', key: 'during', value: seed }])
    .catch(() => world.violate('a write was refused'))
  await world.timeline.run(world.now + hedgedWithinMs)
  if (runtimes.some(runtime => runtime.read('during') === undefined))
    world.violate(`a write made during the cut has not arrived within ${hedgedWithinMs / 1000} s`)
  await world.timeline.run(world.now + world.params.peerlessTimeoutMs)
  if (runtimes.some(runtime => runtime.status().syncMode !== 'HTTP'))
    world.violate('not on HTTP within the peerless timeout of a P2P failure')
  const { violations, coverage, trace, timeline } = world
  const end = { digest: trace.digest, simulatedMs: world.now, steps: timeline.count, acknowledged: 1 }
  world.end()
  return { seed, violations, coverage, ...end }
}

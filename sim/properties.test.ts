/** Properties 60, 61 and 62: what the federation promises its operators, over random partitions. */
import { describe, expect, it } from '@jest/globals'
import { pathKinds, type PathKind } from '@lattice/core'
import fc from 'fast-check'
import { faults } from './faults.ts'
import { tell } from './history.ts'
import { World } from './world.ts'

const minute = 60_000

/** Few runs, because every change waits for them; PROPERTY_RUNS makes them many. */
const numRuns = Number(process.env['PROPERTY_RUNS'] ?? 12)

/** A federation without faults, on P2P and in peace. */
async function calmWorld(seed: number, count: number): Promise<World> {
  const world = new World({ seed, count })
  for (const member of world.members) world.boot(member)
  await world.timeline.run(30_000)
  return world
}

function end(world: World): void {
  for (const member of world.members) world.crash(member, false)
}

function write(world: World, key: string, at: number): void {
  const runtime = world.members[at]?.process?.runtime
  runtime?.write([{ op: 'put', key, value: at }]).catch(() => world.violate('a write was refused'))
}

function has(world: World, key: string): boolean {
  return world.members.every(({ process }) => process?.runtime.read(key) !== undefined)
}

async function until(world: World, limitMs: number, condition: () => boolean): Promise<number> {
  const start = world.now
  while (!condition() && world.now - start < limitMs) await world.timeline.run(world.now + 50)
  return world.now - start
}

/** What is open between each pair of nodes: a random tree of open paths, and random others. */
const partitions = fc.integer({ min: 3, max: 5 }).chain(count =>
  fc.record({
    count: fc.constant(count),
    parents: fc.tuple(...Array.from({ length: count - 1 }, (_, at) => fc.integer({ min: 0, max: at }))),
    treeKinds: fc.array(fc.constantFrom<PathKind>(...pathKinds), {
      minLength: count - 1,
      maxLength: count - 1,
    }),
    extra: fc.array(fc.constantFrom<PathKind | 'none'>('p2p', 'http', 'none', 'none'), {
      minLength: count * count,
      maxLength: count * count,
    }),
  }),
)

describe('promises over random partitions', () => {
  it('Property 60: a partition that leaves some path keeps all nodes connected', async () => {
    const property = fc.asyncProperty(
      fc.integer({ min: 1, max: 1_000_000 }),
      partitions,
      async (seed, { count, parents, treeKinds, extra }) => {
        const world = await calmWorld(seed, count)
        const open = new Set(parents.map((parent, at) => `${treeKinds[at]} ${parent} ${at + 1}`))
        for (let a = 0; a < count; a++)
          for (let b = a + 1; b < count; b++) {
            open.add(`${extra[a * count + b]} ${a} ${b}`)
            for (const kind of pathKinds)
              if (!open.has(`${kind} ${a} ${b}`))
                world.weather.cut(kind, [
                  [a, b],
                  [b, a],
                ])
          }
        for (let at = 0; at < count; at++) write(world, `from-${at}`, at)
        const arrived = (): boolean => world.members.every((_, at) => has(world, `from-${at}`))
        await until(world, 60_000, arrived)
        expect(arrived()).toBe(true)
        for (let at = 0; at < count; at++) write(world, `later-${at}`, at)
        await until(world, 30_000, () => world.members.every((_, at) => has(world, `later-${at}`)))
        expect(world.members.every((_, at) => has(world, `later-${at}`))).toBe(true)
        expect(world.violations).toEqual([])
        end(world)
      },
    )
    await fc.assert(property, { numRuns })
  }, 120_000)

  it('Property 61: within 60 s of a P2P failure at any time the node is on HTTP, and no write waits for that', async () => {
    const property = fc.asyncProperty(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.integer({ min: 3, max: 5 }),
      fc.integer({ min: 0, max: 10 * minute }),
      async (seed, count, failsAfterMs) => {
        const world = await calmWorld(seed, count)
        await world.timeline.run(world.now + failsAfterMs)
        const nodes = world.members.map(({ index }) => index)
        world.weather.cut(
          'p2p',
          nodes.flatMap(a => nodes.filter(b => b !== a).map(b => [a, b] as const)),
        )
        write(world, 'during', 0)
        expect(await until(world, 10_000, () => has(world, 'during'))).toBeLessThanOrEqual(2_000)
        const onHttp = (): boolean =>
          world.members.every(({ process }) => process?.runtime.status().syncMode === 'HTTP')
        await until(world, 60_000, onHttp)
        expect(onHttp()).toBe(true)
        expect(world.violations).toEqual([])
        end(world)
      },
    )
    await fc.assert(property, { numRuns })
  }, 120_000)

  it('Property 62: random transactions during random partitions leave all nodes equal', async () => {
    const cuts = [
      'cut-pair',
      'cut-node',
      'cut-p2p',
      'cut-http',
      'cut-everything',
      'halves',
      'bridge',
      'one-way',
    ]
    const names = faults
      .map(({ name }) => name)
      .filter(name => [...cuts, 'flapping', 'ring', 'swizzle'].includes(name))
    // A history of one minute may be one in which nobody got to write; all of them together may not.
    let written = 0
    const property = fc.asyncProperty(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.subarray(names, { minLength: 1 }),
      fc.integer({ min: 1, max: 4 }),
      async (seed, chosen, minutes) => {
        const swarm = new Map(chosen.map(name => [name, 40_000]))
        const { violations, acknowledged } = await tell({ seed, faultsMs: minutes * minute, swarm })
        expect(violations).toEqual([])
        written += acknowledged
      },
    )
    await fc.assert(property, { numRuns })
    expect(written).toBeGreaterThan(0)
  }, 120_000)
})

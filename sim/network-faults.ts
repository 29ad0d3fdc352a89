/** Faults of the network and of what stands in it. */
import { pathKinds, type PathKind } from '@lattice/core'
import type { Dice } from './dice.ts'
import type { Fault, Scene } from './faults.ts'
import type { Proxy } from './http-net.ts'
import type { Nuisance, Release } from './weather.ts'
import type { World } from './world.ts'

type Direction = readonly [from: number, to: number]

const minute = 60_000

/** All directions between two groups. */
function across(left: readonly number[], right: readonly number[]): Direction[] {
  return left.flatMap(a =>
    right
      .filter(b => b !== a)
      .flatMap((b): Direction[] => [
        [a, b],
        [b, a],
      ]),
  )
}

function everyone({ members }: World): number[] {
  return members.map(({ index }) => index)
}

function cutKinds(world: World, kinds: readonly PathKind[], directions: readonly Direction[]): Release {
  const releases = kinds.map(kind => world.weather.cut(kind, directions))
  return () => releases.forEach(release => release())
}

/** A cut that stays until it ends. */
function cutting(
  name: string,
  lastsMs: number,
  kinds: (dice: Dice) => readonly PathKind[],
  directions: (nodes: readonly number[], dice: Dice) => readonly Direction[],
): Fault {
  return {
    name,
    lastsMs,
    begin: ({ world, dice }) => cutKinds(world, kinds(dice), directions(dice.shuffle(everyone(world)), dice)),
  }
}

const both = (): readonly PathKind[] => pathKinds
const any = (dice: Dice): readonly PathKind[] => dice.pick([pathKinds, ['p2p'], ['http']] as const)

/** A set of cuts that moves on with time. */
function moving(scene: Scene, stepMs: number, cuts: readonly (() => Release)[]): Release {
  let held: Release = () => {}
  let ended = false
  const step = (at: number): void => {
    held()
    if (ended) return
    held = (cuts[at % cuts.length] as () => Release)()
    scene.later(stepMs, () => step(at + 1))
  }
  step(0)
  return () => {
    ended = true
    held()
  }
}

const flapping: Fault = {
  name: 'flapping',
  lastsMs: 15 * minute,
  begin(scene) {
    const { world, dice } = scene
    const nodes = dice.shuffle(everyone(world))
    const directions = dice.chance(0.5) ? across(nodes, nodes) : across(nodes.slice(0, 1), nodes)
    const kinds = any(dice)
    return moving(scene, dice.between(1_000, 30_000), [
      () => cutKinds(world, kinds, directions),
      () => () => {},
    ])
  },
}

const ring: Fault = {
  name: 'ring',
  lastsMs: 10 * minute,
  begin(scene) {
    const { world } = scene
    const nodes = everyone(world)
    const cuts = nodes.map(node => () => cutKinds(world, pathKinds, across([node], nodes)))
    return moving(scene, 10_000, cuts)
  },
}

const swizzle: Fault = {
  name: 'swizzle',
  lastsMs: 5 * minute,
  begin(scene) {
    const { world, dice } = scene
    const nodes = everyone(world)
    const releases = new Map<number, Release>()
    let ended = false
    dice.shuffle(nodes).forEach((node, at) =>
      scene.later(at * 4_000, () => {
        if (!ended) releases.set(node, cutKinds(world, pathKinds, across([node], nodes)))
      }),
    )
    dice
      .shuffle(nodes)
      .forEach((node, at) => scene.later((nodes.length + at) * 4_000 + 20_000, () => releases.get(node)?.()))
    return () => {
      ended = true
      for (const release of releases.values()) release()
    }
  },
}

/** Makes one path worse everywhere. */
function nuisance(name: string, kinds: readonly PathKind[], worse: (dice: Dice) => Partial<Nuisance>): Fault {
  return {
    name,
    lastsMs: 10 * minute,
    begin({ world, dice }) {
      const changes = worse(dice)
      const undo = kinds.map(kind => {
        const present = world.weather.nuisance[kind]
        const before = { ...present }
        Object.assign(present, changes)
        return () =>
          Object.assign(
            present,
            Object.fromEntries(Object.keys(changes).map(each => [each, before[each as keyof Nuisance]])),
          )
      })
      return () => undo.forEach(each => each())
    },
  }
}

/** Lets one node's proxy misbehave. */
function proxying(name: string, worse: (dice: Dice) => Partial<Proxy>, well: Partial<Proxy>): Fault {
  return {
    name,
    lastsMs: 10 * minute,
    begin({ world, dice }) {
      const proxy = dice.pick(world.http.proxies)
      Object.assign(proxy, worse(dice))
      return () => void Object.assign(proxy, well)
    },
  }
}

/** What networks do. */
export const networkFaults: readonly Fault[] = [
  cutting('cut-pair', 10 * minute, any, nodes => across(nodes.slice(0, 1), nodes.slice(1, 2))),
  cutting('cut-node', 15 * minute, both, nodes => across(nodes.slice(0, 1), nodes)),
  cutting(
    'cut-p2p',
    15 * minute,
    () => ['p2p'],
    nodes => across(nodes, nodes),
  ),
  cutting(
    'cut-http',
    15 * minute,
    () => ['http'],
    nodes => across(nodes, nodes),
  ),
  cutting('cut-everything', 15 * minute, both, nodes => across(nodes, nodes)),
  cutting('halves', 20 * minute, any, (nodes, dice) => {
    const split = 1 + dice.below(nodes.length - 1)
    return across(nodes.slice(0, split), nodes.slice(split))
  }),
  cutting('bridge', 10 * minute, both, nodes => across(nodes.slice(0, 1), nodes.slice(2))),
  cutting('one-way', 10 * minute, any, (nodes, dice) => {
    const [from = 0, ...others] = nodes
    return (dice.chance(0.5) ? others : others.slice(0, 1)).map((to): Direction => [from, to])
  }),
  flapping,
  ring,
  swizzle,
  nuisance('lossy-gossip', ['p2p'], dice => ({ loss: dice.between(0.05, 1) })),
  nuisance('repeating-gossip', ['p2p'], () => ({ duplicates: 0.5, heldMs: 5_000 })),
  nuisance('reordering-gossip', ['p2p'], dice => ({ reorder: 0.5, heldMs: dice.between(50, 60_000) })),
  nuisance('slow-p2p', ['p2p'], dice => ({ jitterMs: dice.between(100, 3_000) })),
  nuisance('slow-http', ['http'], dice => ({ jitterMs: dice.between(100, 4_000) })),
  {
    name: 'stalled-gossip',
    lastsMs: minute,
    begin: ({ world }) => (world.p2p.stallGossip() ? () => {} : undefined),
  },
  proxying('proxy-503', dice => ({ unavailable: dice.between(0.1, 1) }), { unavailable: 0 }),
  proxying('proxy-truncates', dice => ({ truncates: dice.between(0.1, 0.7) }), { truncates: 0 }),
  proxying('proxy-replays', dice => ({ replays: dice.between(0.1, 0.7) }), { replays: 0 }),
  proxying('proxy-hangs', dice => ({ hangs: dice.between(0.1, 1) }), { hangs: 0 }),
  proxying('proxy-impatient', dice => ({ patienceMs: dice.between(2_000, 24_000) }), {
    patienceMs: Number.POSITIVE_INFINITY,
  }),
]

/** Clients: what they write where, and how often. Few keys, so that writers meet. */
import type { JsonValue, Operation } from '@lattice/core'
import type { Dice } from './dice.ts'
import { sumPrefix, type Ledger } from './ledger.ts'
import type { World } from './world.ts'

/** How one history's clients behave. */
export interface Habits {
  /** Mean time between two writes anywhere, in ms. */
  readonly intervalMs: number
  readonly keys: number
  /** Share of writes that come in a burst of up to `burstMax`. */
  readonly bursts: number
  readonly burstMax: number
  /** Share of values that take kilobytes. */
  readonly large: number
}

/** Draws habits; `calm`: so many times as long passes between two writes. */
export function drawHabits(dice: Dice, calm: number): Habits {
  return {
    intervalMs: calm * dice.pick([6_000, 20_000, 60_000]),
    keys: dice.pick([2, 6, 30]),
    bursts: dice.pick([0, 0.01, 0.03]),
    burstMax: dice.pick([10, 60, 300]),
    large: dice.pick([0, 0, 0.02]),
  }
}

/** Starts the clients; they write until stopped. */
export function startClients(world: World, ledger: Ledger, habits: Habits): () => void {
  const dice = world.dice.fork('clients')
  let written = 0
  let stopped = false
  const one = (): void => {
    const { running } = world
    if (running.length > 0) ledger.write(dice.pick(running), drawOperations(dice, habits, ++written))
  }
  const next = (): void => {
    world.timeline.after(habits.intervalMs * 2 * dice.unit(), () => {
      if (stopped) return
      const count = dice.chance(habits.bursts) ? 1 + dice.below(habits.burstMax) : 1
      for (let at = 0; at < count; at++) one()
      next()
    })
  }
  next()
  return () => void (stopped = true)
}

function drawOperations(dice: Dice, habits: Habits, serial: number): Operation[] {
  const count = dice.chance(0.1) ? 2 + dice.below(4) : 1
  return Array.from({ length: count }, (_, at) => drawOperation(dice, habits, `${serial}.${at}`))
}

function drawOperation(dice: Dice, { keys, large }: Habits, unique: string): Operation {
  const key = dice.below(keys)
  const kind = dice.unit()
  if (kind < 0.35) return { op: 'put', key: `reg-${key}`, value: drawValue(dice, large, unique) }
  if (kind < 0.42) return { op: 'delete', key: `reg-${key}` }
  if (kind < 0.7) return { op: 'increment', key: `${sumPrefix}${key}`, by: 1 + dice.below(9) }
  if (kind < 0.78) return { op: 'increment', key: `ctr-${key}`, by: dice.chance(0.5) ? 3 : -2 }
  if (kind < 0.8) return { op: 'delete', key: `ctr-${key}` }
  const element = `element-${dice.below(5)}`
  if (kind < 0.9) return { op: 'add', key: `set-${key}`, element }
  if (kind < 0.98) return { op: 'remove', key: `set-${key}`, element }
  return { op: 'delete', key: `set-${key}` }
}

function drawValue(dice: Dice, large: number, unique: string): JsonValue {
  return dice.chance(large) ? { filler: 'x'.repeat(dice.below(60_000)), unique } : { unique }
}

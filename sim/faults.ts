/**
 * What goes wrong. Each history draws which of these it has, and how often: a history in which everything
 * goes wrong at once reaches fewer states than many in which a few things do (swarm testing, Groce et al.,
 * 2012).
 */
import type { Dice } from './dice.ts'
import { clockFaults, diskFaults, membershipFaults, processFaults } from './machine-faults.ts'
import { networkFaults } from './network-faults.ts'
import type { Ledger } from './ledger.ts'
import type { Release } from './weather.ts'
import type { World } from './world.ts'

/** What a fault works with. */
export interface Scene {
  readonly world: World
  readonly ledger: Ledger
  readonly dice: Dice
  /** Runs once, unless the scene has ended before. */
  readonly later: (delayMs: number, callback: () => void) => void
}

/** A class of faults. */
export interface Fault {
  readonly name: string
  /** Longest time one of them lasts, in ms. */
  readonly lastsMs: number
  /** Begins one; returns how to end it. Undefined: not possible now. */
  begin(scene: Scene): Release | undefined
}

/** Every class. */
export const faults: readonly Fault[] = [
  ...networkFaults,
  ...processFaults,
  ...diskFaults,
  ...clockFaults,
  ...membershipFaults,
]

/** Which faults a history has, and their mean intervals in ms. */
export type Swarm = ReadonlyMap<string, number>

/** Draws a swarm; `calm`: so many times as long passes between two faults of a class. */
export function drawSwarm(dice: Dice, calm: number): Swarm {
  const share = dice.pick([0.15, 0.3, 0.6])
  const chosen = faults.filter(() => dice.chance(share))
  const swarm = chosen.length > 0 ? chosen : [dice.pick(faults)]
  return new Map(swarm.map(({ name }) => [name, calm * dice.pick([40_000, 120_000, 400_000, 1_200_000])]))
}

/** Lets faults happen until ended; the end undoes whatever is still on. */
export function startFaults(world: World, ledger: Ledger, swarm: Swarm): Release {
  const active = new Set<Release>()
  let ended = false
  const later = (delayMs: number, callback: () => void): void =>
    void world.timeline.after(delayMs, () => void (ended || callback()))
  for (const fault of faults) {
    const meanMs = swarm.get(fault.name)
    if (meanMs === undefined) continue
    const dice = world.dice.fork(`fault/${fault.name}`)
    const happen = (): void => {
      const end = fault.begin({ world, ledger, dice, later })
      if (end !== undefined) {
        world.count(fault.name)
        world.note('fault', fault.name)
        const release = (): void => {
          if (!active.delete(release)) return
          world.note('fault', `${fault.name} ends`)
          end()
        }
        active.add(release)
        // Most are short, some last as long as their kind can.
        later(fault.lastsMs * dice.unit() ** 3, release)
      }
      later(meanMs * (0.2 + 1.6 * dice.unit()), happen)
    }
    later(meanMs * dice.unit(), happen)
  }
  return () => {
    ended = true
    for (const release of [...active]) release()
  }
}

/**
 * Everything random of one history comes from here, and from its seed alone.
 *
 * Each use has dice of its own, named by a label, so that one more draw in one place changes nothing
 * elsewhere: what makes two histories comparable when a fault is taken out. sfc32 (Chris Doty-Humphrey,
 * PractRand).
 */
import { hash } from 'node:crypto'
import type { Random } from '@lattice/core'

/** A stream of random decisions. */
export interface Dice extends Random {
  /** A whole number in [0, `count`). */
  below(count: number): number
  /** A number in [`low`, `high`). */
  between(low: number, high: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  /** One element. */
  pick<T>(list: readonly T[]): T
  /** The same elements in another order. */
  shuffle<T>(list: readonly T[]): T[]
  /** Independent dice, named within these. */
  fork(label: string): Dice
}

/** Dice of a name: the same name rolls the same numbers on every machine. */
export function createDice(name: string): Dice {
  const digest = hash('sha256', name, 'buffer')
  let [a, b, c, counter] = [0, 4, 8, 12].map(at => digest.readInt32LE(at)) as [number, number, number, number]
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return sum >>> 0
  }
  const unit = (): number => next() / 2 ** 32
  const below = (count: number): number => Math.floor(unit() * count)
  return {
    unit,
    below,
    bytes: length => Uint8Array.from({ length }, () => next() & 255),
    between: (low, high) => low + unit() * (high - low),
    chance: probability => unit() < probability,
    pick: <T>(list: readonly T[]) => list[below(list.length)] as T,
    shuffle<T>(list: readonly T[]) {
      const shuffled = [...list]
      for (let end = shuffled.length - 1; end > 0; end--) {
        const other = below(end + 1)
        const moved = shuffled[end] as T
        shuffled[end] = shuffled[other] as T
        shuffled[other] = moved
      }
      return shuffled
    },
    fork: label => createDice(`${name}/${label}`),
  }
}

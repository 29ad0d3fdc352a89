/**
 * The `Random` port from a seed: the same numbers in every run, so that a failing test or simulation can be
 * played again.
 *
 * SplitMix32 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). Not for secrets.
 */
import type { Random } from '../ports.ts'

/** Randomness that depends on `seed` only. @param seed any 32-bit integer */
export function createSeededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x9e37_79b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0_aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  return {
    unit: () => next() / 2 ** 32,
    bytes: length => Uint8Array.from({ length }, () => next() >>> 24),
  }
}

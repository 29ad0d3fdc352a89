/**
 * Repeatable chance, so that counts of two runs can be compared (mulberry32 by Tommy Ettinger, public
 * domain).
 */
import type { Random } from '@lattice/core'

/** Draws the same numbers for the same seed. */
export function seededRandom(seed: number): Random {
  let state = seed
  const unit = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { unit, bytes: length => Uint8Array.from({ length }, () => Math.floor(unit() * 256)) }
}

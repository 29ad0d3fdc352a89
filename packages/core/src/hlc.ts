/**
 * Hybrid logical clock: wall-clock milliseconds as long as the wall clock is sane, a counter where it is not.
 *
 * Kulkarni, Demirbas et al., "Logical Physical Clocks" (2014). 48 bits of milliseconds, 16 bits of counter,
 * as one unsigned 64-bit number. The high-water mark is persisted with every commit, so a clock that went
 * back while the process was down cannot make us reuse a version.
 */
import { futureToleranceMs } from './limits.ts'
import type { Version } from './units.ts'

const counterBits = 16n

/** The version with counter 0 at a wall-clock time in milliseconds. */
export function versionAt(wall: number): Version {
  return BigInt(Math.max(0, Math.trunc(wall))) << counterBits
}

/** The wall-clock part of a version, in Unix milliseconds. */
export function wallOf(version: Version): number {
  return Number(version >> counterBits)
}

/** 16 lower-case hex digits. Sorts as text like the number itself. */
export function formatVersion(version: Version): string {
  return version.toString(16).padStart(16, '0')
}

/** The version behind 16 hex digits; undefined where `text` is anything else. */
export function parseVersion(text: string): Version | undefined {
  return /^[0-9a-f]{16}$/i.test(text) ? BigInt(`0x${text}`) : undefined
}

/** Whether a version lies too far ahead of the wall clock to be accepted now. */
export function isFromTheFuture(version: Version, wall: number): boolean {
  return wallOf(version) > wall + futureToleranceMs
}

/** The clock: never gives the same version twice, never goes back. */
export class HybridClock {
  #latest: Version

  /** @param highWater greatest version persisted or seen before this start; 0 for a new node */
  constructor(highWater: Version = 0n) {
    this.#latest = highWater
  }

  /** Greatest version given out or witnessed: to be persisted with the commit that carries it. */
  get highWater(): Version {
    return this.#latest
  }

  /**
   * A version greater than all before, at least the wall clock. Milliseconds carry over when the counter is
   * full.
   */
  next(wall: number): Version {
    const now = versionAt(wall)
    this.#latest = now > this.#latest ? now : this.#latest + 1n
    return this.#latest
  }

  /** Takes note of a version seen in an entry. One from the future must not drag the clock: it is ignored. */
  witness(version: Version, wall: number): void {
    if (version > this.#latest && !isFromTheFuture(version, wall)) this.#latest = version
  }
}

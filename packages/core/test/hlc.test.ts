/** The hybrid logical clock: forward only, never twice, close to the wall clock where that can be. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  formatVersion,
  futureToleranceMs,
  HybridClock,
  isFromTheFuture,
  parseVersion,
  versionAt,
  wallOf,
} from '@lattice/core'
import { assertProperty, testWall } from '@lattice/core/testing'

const wall = fc.integer({ min: testWall - 7_200_000, max: testWall + 7_200_000 })
const happening = fc.oneof(
  fc.record({ kind: fc.constant('next' as const), wall }),
  fc.record({ kind: fc.constant('witness' as const), wall, seen: wall, counter: fc.nat(65_535) }),
)

describe('the hybrid clock', () => {
  it('never goes back and never gives a version twice, whatever the wall clock does and others say', () => {
    assertProperty(
      fc.property(fc.array(happening, { maxLength: 60 }), happenings => {
        const clock = new HybridClock()
        let last = 0n
        for (const each of happenings) {
          if (each.kind === 'witness') {
            clock.witness(versionAt(each.seen) + BigInt(each.counter), each.wall)
            continue
          }
          const version = clock.next(each.wall)
          expect(version > last).toBe(true)
          expect(version >= versionAt(each.wall)).toBe(true)
          expect(clock.highWater).toBe(version)
          last = version
        }
      }),
      1000,
    )
  })

  it('is dragged by others at most to the tolerance ahead of its own wall clock', () => {
    assertProperty(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 50 }), seen => {
        const clock = new HybridClock()
        for (const version of seen) clock.witness(version, testWall)
        expect(wallOf(clock.highWater)).toBeLessThanOrEqual(testWall + futureToleranceMs)
        expect(wallOf(clock.next(testWall))).toBeLessThanOrEqual(testWall + futureToleranceMs + 1)
      }),
      500,
    )
  })

  it('a version ten minutes ahead is from now, one a millisecond later from the future', () => {
    expect(isFromTheFuture(versionAt(testWall + 600_000) + 0xffffn, testWall)).toBe(false)
    expect(isFromTheFuture(versionAt(testWall + 600_001), testWall)).toBe(true)
  })

  it('a full counter carries over into the milliseconds', () => {
    const clock = new HybridClock(versionAt(testWall) + 0xffffn)
    expect(clock.next(testWall)).toBe(versionAt(testWall + 1))
    expect(clock.next(testWall + 1)).toBe(versionAt(testWall + 1) + 1n)
    expect(clock.next(testWall + 2)).toBe(versionAt(testWall + 2))
  })

  it('goes on after the high-water mark it is started with, even where the wall clock went back', () => {
    const clock = new HybridClock(versionAt(testWall))
    expect(clock.next(testWall - 3_600_000)).toBe(versionAt(testWall) + 1n)
  })

  it('what it has witnessed comes before what it gives', () => {
    const clock = new HybridClock()
    clock.witness(versionAt(testWall + 500), testWall)
    expect(clock.next(testWall)).toBe(versionAt(testWall + 500) + 1n)
    clock.witness(versionAt(testWall), testWall)
    expect(clock.highWater).toBe(versionAt(testWall + 500) + 1n)
  })

  it('versions are written as 16 hex digits that sort like them', () => {
    assertProperty(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 64n - 1n), (a, b) => {
        expect(parseVersion(formatVersion(a))).toBe(a)
        expect(formatVersion(a) < formatVersion(b)).toBe(a < b)
      }),
      500,
    )
    for (const text of ['', '0', '0x00000000000000', '00000000000000000', '000000000000000g'])
      expect(parseVersion(text)).toBeUndefined()
  })

  it('a wall clock before 1970 counts as 1970', () => expect(versionAt(-5)).toBe(0n))
})

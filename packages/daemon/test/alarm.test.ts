/** The alarm rings in time, and costs no timer where it is only put off. */
import { describe, expect, it } from '@jest/globals'
import { createVirtualClock } from '@lattice/core/testing'
import { Alarm } from '../src/alarm.ts'

/** An alarm that is set again to `due` whenever it rings too early, as the runtime does. */
function setUp() {
  const clock = createVirtualClock()
  const rung: number[] = []
  let [due, timers] = [Number.POSITIVE_INFINITY, 0]
  const counting = {
    now: clock.now,
    alarm: (at: number, callback: () => void) => (timers++, clock.alarm(at, callback)),
  }
  const alarm = new Alarm(counting, () => {
    rung.push(clock.now().mono)
    if (clock.now().mono < due) alarm.set(due)
  })
  const set = (at: number): void => alarm.set((due = at))
  return { clock, alarm, rung, set, timers: () => timers }
}

describe('alarm', () => {
  it('rings by the time it was set to last, whichever way it was moved', () => {
    const { clock, rung, set } = setUp()
    set(100)
    set(40)
    set(70)
    while (clock.ringNext(1_000));
    expect(rung.at(-1)).toBe(70)
    expect(rung.every(at => at <= 70)).toBe(true)
  })

  it('sets no timer where it is put off, and one more where it rings too early', () => {
    const { clock, rung, set, timers } = setUp()
    for (let at = 100; at <= 1_000; at++) set(at)
    expect(timers()).toBe(1)
    while (clock.ringNext(2_000));
    expect(rung).toEqual([100, 1_000])
    expect(timers()).toBe(2)
  })

  it('is silent once cancelled, and rings again when it is set anew', () => {
    const { clock, alarm, rung, set } = setUp()
    set(10)
    alarm.cancel()
    while (clock.ringNext(50));
    expect(rung).toEqual([])
    set(60)
    while (clock.ringNext(100));
    expect(rung).toEqual([60])
  })
})

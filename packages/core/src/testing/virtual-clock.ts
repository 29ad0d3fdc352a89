/** Time under the test's control: alarms ring in order when time is moved, never by themselves. */
import type { Clock } from '../ports.ts'
import type { Instant } from '../units.ts'

interface Alarm {
  readonly mono: number
  readonly order: number
  readonly callback: () => void
}

/** A clock that stands still until it is moved. */
export interface VirtualClock extends Clock {
  /**
   * Moves to the next alarm at or before `limit` and rings it; false if there is none, and time is then
   * `limit`.
   */
  ringNext(limit: number): boolean
  /** Shifts the wall clock against the monotonic one. */
  stepWall(ms: number): void
  /** Lets time pass without ringing anything: a paused process. */
  freeze(ms: number): void
}

/** A virtual clock at mono 0. @param wall Unix milliseconds at that moment */
export function createVirtualClock(wall = 1_700_000_000_000): VirtualClock {
  const alarms = new Set<Alarm>()
  let mono = 0
  let offset = wall
  let order = 0
  const first = (): Alarm | undefined =>
    [...alarms].reduce<Alarm | undefined>(
      (best, alarm) => (best === undefined || isBefore(alarm, best) ? alarm : best),
      undefined,
    )
  return {
    now: (): Instant => ({ mono, wall: mono + offset }),
    alarm(at, callback) {
      const alarm = { mono: at, order: order++, callback }
      alarms.add(alarm)
      return () => void alarms.delete(alarm)
    },
    ringNext(limit) {
      const alarm = first()
      if (alarm === undefined || alarm.mono > limit) {
        mono = Math.max(mono, limit)
        return false
      }
      alarms.delete(alarm)
      mono = Math.max(mono, alarm.mono)
      alarm.callback()
      return true
    },
    stepWall: ms => void (offset += ms),
    freeze: ms => void (mono += ms),
  }
}

function isBefore(a: Alarm, b: Alarm): boolean {
  return a.mono < b.mono || (a.mono === b.mono && a.order < b.order)
}

/** Spans and moments as people say them. */
import { texts } from './texts.ts'

/** `ms` ≥ 0 in its two greatest units: `22 s`, `4 m 3 s`, `2 h 11 m`, `3 d 4 h`. */
export function spanWords(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const units = [
    [texts.time.day, 86_400],
    [texts.time.hour, 3600],
    [texts.time.minute, 60],
    [texts.time.second, 1],
  ] as const
  const first = units.findIndex(([, size]) => seconds >= size)
  if (first < 0) return texts.time.count(0, texts.time.second)
  return units
    .slice(first, first + 2)
    .map(
      ([unit, size], index) =>
        [unit, Math.floor((index === 0 ? seconds : seconds % before(first)) / size)] as const,
    )
    .filter(([, count], index) => index === 0 || count > 0)
    .map(([unit, count]) => texts.time.count(count, unit))
    .join(' ')

  function before(index: number): number {
    return units[index]?.[1] ?? 1
  }
}

/** Milliseconds of a round trip: `0.4 ms`, `48 ms`, `1.2 s`. */
export function tripWords(ms: number): string {
  if (ms >= 1000) return texts.time.count((ms / 1000).toFixed(1), texts.time.second)
  return texts.time.milliseconds(ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms))
}

/** The local time of day, with the date when it is not today's. */
export function clockWords(moment: string, nowWall: number): string {
  const then = new Date(moment)
  if (Number.isNaN(then.getTime())) return texts.time.unknown
  const time = then.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
  if (then.toDateString() === new Date(nowWall).toDateString()) return time
  const day = then.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
  return texts.time.dated(day, time)
}

/** How long ago a moment was; a moment that the clocks put into the future is now. */
export function agoWords(moment: string, nowWall: number): string {
  const ms = nowWall - Date.parse(moment)
  return Number.isNaN(ms) ? texts.time.unknown : texts.time.ago(spanWords(ms))
}

/** Spans and moments as people say them. */

/** `ms` ≥ 0 in its two greatest units: `22 s`, `4 m 3 s`, `2 h 11 m`, `3 d 4 h`. */
export function spanWords(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const
  const first = units.findIndex(([, size]) => seconds >= size)
  if (first < 0) return '0 s'
  return units
    .slice(first, first + 2)
    .map(
      ([unit, size], index) =>
        [unit, Math.floor((index === 0 ? seconds : seconds % before(first)) / size)] as const,
    )
    .filter(([, count], index) => index === 0 || count > 0)
    .map(([unit, count]) => `${count} ${unit}`)
    .join(' ')

  function before(index: number): number {
    return units[index]?.[1] ?? 1
  }
}

/** Milliseconds of a round trip: `0.4 ms`, `48 ms`, `1.2 s`. */
export function tripWords(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`
  return ms < 10 ? `${Number(ms.toFixed(1))} ms` : `${Math.round(ms)} ms`
}

/** The local time of day, with the date when it is not today's. */
export function clockWords(moment: string, nowWall: number): string {
  const then = new Date(moment)
  if (Number.isNaN(then.getTime())) return 'at an unknown time'
  const time = then.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
  if (then.toDateString() === new Date(nowWall).toDateString()) return time
  return `${then.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' })}, ${time}`
}

/** How long ago a moment was; a moment that the clocks put into the future is now. */
export function agoWords(moment: string, nowWall: number): string {
  const ms = nowWall - Date.parse(moment)
  return Number.isNaN(ms) ? 'at an unknown time' : `${spanWords(ms)} ago`
}

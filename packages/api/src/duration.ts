/**
 * Durations as people write them: `5` (seconds), `5s`, `500ms`, `2m`, `24h`, `7d`.
 *
 * One grammar for configuration, CLI and REST, so that a value that works in one place works in all.
 */

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const durationPattern = /^(\d{1,15}(?:\.\d{1,3})?)(ms|s|m|h|d)?$/

/**
 * Reads a duration. Whole milliseconds ≥ 0; a number without unit counts seconds; `undefined` when it is
 * none.
 */
export function parseDuration(text: string): number | undefined {
  const match = durationPattern.exec(text.trim())
  if (match?.[1] === undefined) return undefined
  const unit = (match[2] ?? 's') as keyof typeof unitMs
  const ms = Math.round(Number(match[1]) * unitMs[unit])
  return Number.isSafeInteger(ms) ? ms : undefined
}

/** Writes a duration the way `parseDuration` reads it, in the greatest unit that stays whole. `ms` ≥ 0. */
export function formatDuration(ms: number): string {
  const whole = Math.round(ms)
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (whole !== 0 && whole % unitMs[unit] === 0) return `${whole / unitMs[unit]}${unit}`
  }
  return `${whole}ms`
}

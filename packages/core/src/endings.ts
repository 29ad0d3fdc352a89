/**
 * What of a key ends by the compaction horizon, and what its writers must remember instead (contract §5).
 *
 * Nothing here changes what a key reads as: what ends counts for nothing any more.
 */
import type { Entry } from './entry.ts'
import { floorOf, greatest, liveEntries } from './reading.ts'
import { wholeKey } from './slot.ts'
import type { Version } from './units.ts'

/** An entry, and the least horizon at which it ends. */
export interface Ending {
  readonly entry: Entry
  readonly at: Version
}

/**
 * The entries of a key that end some day, so that what the key reads as never changes: a delete with all it
 * silences, what is silenced, and removals of elements, except where a removal is all that makes the key a
 * set.
 */
export function endingsOf(slots: readonly Entry[]): Ending[] {
  const [first] = slots
  if (first === undefined || (slots.length === 1 && first.value !== undefined)) return []
  const floor = floorOf(slots)
  const live = liveEntries(slots)
  const top = greatest(live)
  const endings = slots
    .filter(entry => entry.slot !== wholeKey && entry.base < floor)
    .map(entry => ({ entry, at: later(entry.version, floor) }))
  for (const entry of live)
    if (entry.value === undefined && entry !== top) endings.push({ entry, at: entry.version })
  const whole = slots.find(entry => entry.slot === wholeKey)
  if (whole === undefined || whole.value !== undefined) return endings
  const silenced = endings.filter(({ entry }) => entry.base < floor).map(({ at }) => at)
  return [...endings, { entry: whole, at: silenced.reduce(later, whole.version) }]
}

/** When the first entry of a key ends; undefined if none does. */
export function dueOf(endings: readonly Ending[]): Version | undefined {
  return endings.reduce<Version | undefined>(
    (least, { at }) => (least === undefined || at < least ? at : least),
    undefined,
  )
}

function later(a: Version, b: Version): Version {
  return a > b ? a : b
}

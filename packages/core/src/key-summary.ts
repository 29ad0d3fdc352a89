/**
 * What the slots of a key come to, as far as writers and counts need it, kept up to date entry by entry: one
 * more element of a set costs the same whatever the set holds.
 */
import { dueOf, endingsOf } from './endings.ts'
import { compareEntries, type Entry } from './entry.ts'
import { floorOf, greatest, liveEntries } from './reading.ts'
import { wholeKey } from './slot.ts'
import type { Version } from './units.ts'

/** As much of an entry as tells whether another one is greater, and what the key is. */
type Top = Pick<Entry, 'slot' | 'kind' | 'version' | 'author' | 'digest'> & { readonly isRemoval: boolean }

/** How many entries end some day, when the first of them do, and how many those are. */
interface Endings {
  readonly endings: number
  readonly due: Version | undefined
  readonly dueCount: number
}

/** The summary of a key. */
export interface KeySummary extends Endings {
  /** How many slots it has. */
  readonly count: number
  /** The greatest live entry; undefined if nothing can be read. */
  readonly top: Top | undefined
  /** Version of the latest delete; 0 if there was none. */
  readonly floor: Version
  /** Whether the whole-key slot is taken, which remembers deletes. */
  readonly hasWhole: boolean
  /** The least delete that a slot remembers; undefined without slots, or where the key's own tells of it. */
  readonly leastBase: Version | undefined
}

/** Looks at all slots of a key. */
export function summaryOf(slots: readonly Entry[]): KeySummary {
  const top = greatest(liveEntries(slots))
  const endings = endingsOf(slots)
  const due = dueOf(endings)
  const hasWhole = slots.some(({ slot }) => slot === wholeKey)
  const bases = hasWhole ? [] : slots.map(({ base }) => base)
  return {
    count: slots.length,
    top: top && topOf(top),
    floor: floorOf(slots),
    hasWhole,
    leastBase: bases.reduce<Version | undefined>(lesser, undefined),
    endings: endings.length,
    due,
    dueCount: endings.filter(({ at }) => at === due).length,
  }
}

/**
 * The summary once `entry` has taken its slot, from `old` if something stood there.
 * @param isTied whether others of its transaction are followed as well, and not all are signed: what is told
 *   then can be told whichever of them turns out to be the greatest
 * @returns undefined where only a look at all slots can tell
 */
export function follow(
  summary: KeySummary,
  old: Entry | undefined,
  entry: Entry,
  isTied = false,
): KeySummary | undefined {
  const { floor, hasWhole, leastBase } = summary
  // A delete changes what all others come to. What is silenced as it comes is rare, and so is an earlier one.
  if (entry.slot === wholeKey || entry.base < floor) return undefined
  if (old !== undefined && compareEntries(entry, old) < 0) return undefined
  // It may have been the last one that remembered so little.
  if (old !== undefined && old.base === leastBase && entry.base > old.base) return undefined
  const wasTop = summary.top?.slot === entry.slot
  const isTop = wasTop || summary.top === undefined || compareEntries(entry, summary.top) > 0
  let ends: Endings | undefined = summary
  if (old !== undefined && old.base < floor)
    ends = old.version > floor ? undefined : leave(ends, floor, isTied)
  else if (old !== undefined && old.value === undefined && !wasTop) ends = leave(ends, old.version, isTied)
  // A removal that makes the key a set ends only once something else does.
  const other = isTop ? summary.top : topOf(entry)
  if (ends !== undefined && other?.isRemoval === true && !(isTop && wasTop)) ends = join(ends, other.version)
  if (ends === undefined) return undefined
  return {
    count: summary.count + Number(old === undefined),
    top: isTop ? topOf(entry) : summary.top,
    floor,
    hasWhole,
    leastBase: hasWhole ? undefined : lesser(leastBase, entry.base),
    endings: ends.endings,
    due: ends.due,
    dueCount: ends.dueCount,
  }
}

/**
 * What an entry written now remembers of deletes of its key. Where nothing is left of the key, a delete may
 * have ended: then it is the horizon. Never above what a live slot remembers, so that it silences none.
 */
export function knownDeletes({ hasWhole, floor, leastBase }: KeySummary, horizon: Version): Version {
  return hasWhole ? floor : lesser(leastBase, horizon)
}

function topOf({ slot, kind, version, author, digest, value }: Entry): Top {
  return { slot, kind, version, author, digest, isRemoval: value === undefined }
}

function join({ endings, due, dueCount }: Endings, at: Version): Endings {
  if (due === undefined || at < due) return { endings: endings + 1, due: at, dueCount: 1 }
  return { endings: endings + 1, due, dueCount: dueCount + Number(at === due) }
}

/**
 * Without one that ends at `at`; undefined where nobody remembers when the others do, or may have to. A removal
 * of a tied transaction ends as well, unless it is the greatest: one may be there now, or none.
 */
function leave({ endings, due, dueCount }: Endings, at: Version, isTied: boolean): Endings | undefined {
  if (at !== due) return { endings: endings - 1, due, dueCount }
  if (dueCount > 1) return { endings: endings - 1, due, dueCount: dueCount - 1 }
  return endings === 1 && !isTied ? { endings: 0, due: undefined, dueCount: 0 } : undefined
}

function lesser(a: Version | undefined, b: Version): Version {
  return a === undefined || b < a ? b : a
}

/** What a batch changes, key by key, once what ends by its horizon and what is disowned has gone. */
import { endingsOf } from './endings.ts'
import type { Entry, VerifiedEntry } from './entry.ts'
import { assert } from './errors.ts'
import type { DamagedKeys, KeyChange } from './key-index.ts'
import { follow, summaryOf, type KeySummary } from './key-summary.ts'
import type { NewRow, Row } from './ports.ts'
import type { Sequence, Version } from './units.ts'
import { storedEntry, type Winners } from './winners.ts'

/** A row on its way, as far as its place is concerned. */
interface Staged extends NewRow {
  readonly entry: VerifiedEntry
}

/** A committed row that goes without a successor, or gives its place to an earlier entry. */
export interface DroppedRow extends Row {
  readonly path: Uint8Array
  /** It was disowned, or gives way: readers may have seen it until now. */
  readonly wasAlive: boolean
}

/** What changes are worked out from. */
export interface ChangeParts<T extends Staged> {
  /** The winners of the batch. */
  readonly staged: readonly T[]
  /** Committed rows to be dropped unless something newer takes their place. */
  readonly disowned: readonly Row[]
  /** The newest row: it is dropped only where a horizon comes after it. */
  readonly newest: Sequence
  /** Set where the batch brings a horizon, with the keys that have something to end by it. */
  readonly horizon: Version | undefined
  readonly due: readonly string[]
  /** Whether something of a key is lost: nobody can tell what of it has ended, so nothing does. */
  readonly quarantine: DamagedKeys
  readonly winners: Pick<Winners<T>, 'rowsOf' | 'slotsOf' | 'kept' | 'committedEntry' | 'pathOf'>
}

/** What the batch comes to. */
export interface Changes<T extends Staged> {
  readonly keys: readonly KeyChange[]
  readonly rows: readonly T[]
  /** Rows of the batch that have ended before they were committed. */
  readonly stillborn: readonly T[]
  readonly drops: readonly DroppedRow[]
}

/** Works out the changes. */
export function changesOf<T extends Staged>(parts: ChangeParts<T>): Changes<T> {
  const { newest, horizon, due, winners } = parts
  const staged = Map.groupBy(parts.staged, ({ key }) => key)
  const disowned = new Set(parts.disowned.map(({ seq }) => seq))
  if (horizon === undefined) disowned.delete(newest)
  const gone = new Set<Entry>()
  const drops: DroppedRow[] = []
  const names = new Set([...staged.keys(), ...parts.disowned.map(({ key }) => key), ...due])
  const keys = [...names].map((key): KeyChange => {
    const followed = disowned.size === 0 ? followedChange(key, staged.get(key) ?? [], parts) : undefined
    if (followed !== undefined) return followed
    const rows = winners.rowsOf(key)
    const left = disowned.size === 0 ? rows : rows.filter(({ seq }) => !disowned.has(seq))
    const joined = winners.slotsOf(key, left)
    // Reading the rows has found what is damaged.
    const isEnding = horizon !== undefined && !parts.quarantine.isDamaged(key)
    const ended = isEnding ? endingsOf(joined).filter(({ at }) => at <= horizon) : []
    for (const { entry } of ended) gone.add(entry)
    const slots = gone.size === 0 ? joined : joined.filter(entry => !gone.has(entry))
    const present = rows.map(storedEntry)
    const change = { key, before: summaryOf(present), after: () => summaryOf(slots) }
    if (rows.length === 0) return change
    const places = new Set(slots.map(({ slot }) => slot))
    const coming = new Map(staged.get(key)?.map(({ slot, entry }) => [slot, entry.version]))
    for (const [index, row] of rows.entries()) {
      const version = coming.get(row.slot)
      const givesWay = version !== undefined && version < (present[index] as Entry).version
      if (givesWay || !places.has(row.slot))
        drops.push({
          ...row,
          path: winners.pathOf(key, row.slot),
          wasAlive: givesWay || disowned.has(row.seq),
        })
    }
    return change
  })
  const stillborn = parts.staged.filter(({ entry }) => gone.has(entry))
  return { keys, rows: parts.staged.filter(({ entry }) => !gone.has(entry)), stillborn, drops }
}

/**
 * Of a key with many slots, where nothing ends: without a look at them all. Undefined where that is needed.
 */
function followedChange<T extends Staged>(
  key: string,
  staged: readonly T[],
  { winners, quarantine, horizon }: ChangeParts<T>,
): KeyChange | undefined {
  const before = winners.kept(key)
  if (before === undefined) return undefined
  const steps = staged.map(({ entry }) => ({ entry, old: winners.committedEntry(key, entry.slot) }))
  const followAll = (isTied: boolean): KeySummary | undefined =>
    steps.reduce<KeySummary | undefined>(
      (each, { entry, old }) => each && follow(each, old, entry, isTied),
      before,
    )
  const now = followAll(new Set(steps.map(({ entry }) => entry.version)).size < steps.length)
  const hasEnding = horizon !== undefined && now?.due !== undefined && now.due <= horizon
  // Reading what was replaced has found what is damaged.
  if (now === undefined || hasEnding || quarantine.isDamaged(key)) return undefined
  const after = (): KeySummary => {
    const known = followAll(false)
    assert(known !== undefined, 'signatures decide only which entry of a transaction is the greatest')
    return known
  }
  return { key, before, after }
}

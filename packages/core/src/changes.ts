/** What a batch changes, key by key, once what ends by its horizon and what is disowned has gone. */
import { endingsOf } from './endings.ts'
import type { Entry, VerifiedEntry } from './entry.ts'
import type { DamagedKeys, KeyChange } from './key-index.ts'
import type { NewRow, Row } from './ports.ts'
import type { Sequence, Version } from './units.ts'
import { storedEntry, type Winners } from './winners.ts'

/** A row on its way, as far as its place is concerned. */
interface Staged extends NewRow {
  readonly entry: VerifiedEntry
}

/** A committed row that goes without a successor. */
export interface DroppedRow extends Row {
  /** It was disowned: readers may have seen it until now. */
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
  readonly winners: Pick<Winners<T>, 'rowsOf' | 'slotsOf'>
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
  const { staged, newest, horizon, due, winners } = parts
  const disowned = new Set(parts.disowned.map(({ seq }) => seq))
  if (horizon === undefined) disowned.delete(newest)
  const gone = new Set<Entry>()
  const drops: DroppedRow[] = []
  const names = new Set([...[...staged, ...parts.disowned].map(({ key }) => key), ...due])
  const keys = [...names].map((key): KeyChange => {
    const rows = winners.rowsOf(key)
    const kept = disowned.size === 0 ? rows : rows.filter(({ seq }) => !disowned.has(seq))
    const joined = winners.slotsOf(key, kept)
    // Reading the rows has found what is damaged.
    const isEnding = horizon !== undefined && !parts.quarantine.isDamaged(key)
    const ended = isEnding ? endingsOf(joined).filter(({ at }) => at <= horizon) : []
    for (const { entry } of ended) gone.add(entry)
    const after = gone.size === 0 ? joined : joined.filter(entry => !gone.has(entry))
    if (rows.length === 0) return { key, before: [], after }
    const places = new Set(after.map(({ slot }) => slot))
    for (const row of rows) if (!places.has(row.slot)) drops.push({ ...row, wasAlive: disowned.has(row.seq) })
    return { key, before: rows.map(storedEntry), after }
  })
  const stillborn = staged.filter(({ entry }) => gone.has(entry))
  return { keys, rows: staged.filter(({ entry }) => !gone.has(entry)), stillborn, drops }
}

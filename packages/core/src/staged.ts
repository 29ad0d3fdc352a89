/** Entries on their way to the disk, and what became of them. */
import type { DroppedRow } from './changes.ts'
import type { VerifiedEntry } from './entry.ts'
import type { KeyChange } from './key-index.ts'
import type { NewRow } from './ports.ts'
import type { PathKind } from './units.ts'

/**
 * Where an entry came from. `disk`: found on this node's disk, where it lay without anything to vouch for it.
 * `copy`: a whole state as it once stood, whose horizon had ended there what it ends.
 */
export type Origin = PathKind | 'local' | 'disk' | 'copy'

/**
 * What became of an offered entry. `held`: known already, or beaten by what we have. `ended`: at or below the
 * horizon, and not held. `refused`: of an unknown author.
 */
export type Verdict = 'staged' | 'held' | 'ended' | 'deferred' | 'refused'

/** A row on its way to the disk. An own one has neither signature nor digests at first (signing.ts). */
export interface StagedRow extends NewRow {
  readonly entry: VerifiedEntry
  readonly origin: Origin
}

/** What a commit has changed. */
export interface Committed {
  readonly rows: readonly StagedRow[]
  /** Rows that have gone without a later one in their place. */
  readonly drops: readonly DroppedRow[]
  /** The keys of all these. */
  readonly keys: readonly KeyChange[]
}

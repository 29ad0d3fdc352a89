/**
 * The compaction horizon: up to which version everything is known everywhere, so that deletes may be
 * forgotten.
 *
 * It is an entry like any other, in a key that no client can name; its version is the horizon itself, so the
 * join picks the greatest. Its value names the members, and the lives of their stores, that held everything
 * at or below it. Why this is safe: docs/decisions/0007-compaction-horizon.md.
 */
import type { Entry, EntryContent } from './entry.ts'
import { futureToleranceMs, membersMax } from './limits.ts'
import type { HorizonReport } from './message.ts'
import { wholeKey } from './slot.ts'
import { isIncarnation, isNodeId, type Incarnation, type NodeId, type Version } from './units.ts'
import { decodeValue, encodeValue } from './value.ts'

/** Key of the horizon. Clients' keys hold no control characters, so nobody can write or read it. */
export const horizonKey = '\u0000horizon'

/**
 * A horizon younger than this waits, whoever wrote it: as far as clocks may differ, what is being written now
 * must not be called old.
 */
export const horizonAgeMinMs = futureToleranceMs

/** The members that held everything at or below a horizon, in that life of their store. */
export type Holders = ReadonlyMap<NodeId, Incarnation>

/** What a horizon says. */
export function horizonContent(horizon: Version, holders: Holders): EntryContent {
  const value = encodeValue(Object.fromEntries(holders))
  return { key: horizonKey, slot: wholeKey, value, base: 0n, version: horizon }
}

/** The members a horizon names; undefined where the entry is no horizon. */
export function holdersOf(entry: Pick<Entry, 'slot' | 'value' | 'base'>): Holders | undefined {
  const value = entry.value === undefined ? undefined : decodeValue(entry.value)
  if (entry.slot !== wholeKey || entry.base !== 0n) return undefined
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const holders = new Map<NodeId, Incarnation>()
  for (const [node, life] of Object.entries(value)) {
    if (!isNodeId(node) || typeof life !== 'string' || !isIncarnation(life)) return undefined
    holders.set(node, life)
  }
  return holders.size <= membersMax ? holders : undefined
}

/**
 * The horizon at or below which what a node offers has not ended; 0 while it has lost something, since what
 * it lost may be the delete that silenced what it offers.
 */
export function vouchedHorizon(report: HorizonReport | undefined): Version {
  return report === undefined || report.floor === 0n ? 0n : report.settled
}

/** What the simulator needs of the core to read entries on disks by itself. */
import { decodeValue, type Entry, type JsonValue } from '@lattice/core'

export {
  compareEntries,
  elementSlot,
  encodeValue,
  entrySignature,
  horizonKey,
  isLatticeError,
  parseEntry,
  toHex,
  wallOf,
} from '@lattice/core'
export type { Entry, Incarnation, JsonValue, Operation, Row, Version } from '@lattice/core'

/** The value an entry holds; undefined for a tombstone. */
export function storedValueOf(entry: Entry): JsonValue | undefined {
  return entry.value === undefined ? undefined : decodeValue(entry.value)
}

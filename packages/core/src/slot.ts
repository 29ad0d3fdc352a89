/**
 * Slots: what a key is follows from them (contract §5).
 *
 *   register  ''                                the value itself
 *   counter   01 | author 32 | incarnation 8    that author's running total in that life of its store
 *   set       02 | SHA-256 of the element 32    the element, present or removed
 */
import { toHex } from './bytes.ts'
import type { Hash } from './ports.ts'
import type { KeyType } from './status.ts'
import type { Incarnation, NodeId } from './units.ts'

const counterTag = '01'
const setTag = '02'
const counterLength = 2 + 64 + 16
const setLength = 2 + 64

/** The slot of a key as a whole: registers and tombstones live here. */
export const wholeKey = ''

/** The counter slot of one author in one incarnation. */
export function counterSlot(author: NodeId, incarnation: Incarnation): string {
  return counterTag + author + incarnation
}

/** The set slot of one element, given as canonical CBOR. */
export function elementSlot(element: Uint8Array, hash: Hash): string {
  return setTag + toHex(hash(element))
}

/** The type a slot belongs to. */
export function slotKind(slot: string): KeyType {
  if (slot === wholeKey) return 'register'
  return slot.startsWith(counterTag) ? 'counter' : 'set'
}

/** Who may write the slot: only one node (counters), anyone, or nobody because it is malformed. */
export function slotOwner(slot: string): NodeId | 'anyone' | 'malformed' {
  if (slot === wholeKey) return 'anyone'
  if (slot.startsWith(counterTag) && slot.length === counterLength) return slot.slice(2, 66) as NodeId
  return slot.startsWith(setTag) && slot.length === setLength ? 'anyone' : 'malformed'
}

/**
 * The scalar types that cross every seam.
 *
 * Plain aliases where a number or string is just that, brands where mixing two up would corrupt data.
 */

/** A node, named by its Ed25519 public key: 64 lower-case hex digits. The same on every path. */
export type NodeId = string & { readonly __brand: 'NodeId' }

/** One life of a store: 16 lower-case hex digits, drawn at random whenever a store starts empty. */
export type Incarnation = string & { readonly __brand: 'Incarnation' }

/** Position in the commit order of one incarnation. Whole, ≥ 0; 0 means "nothing yet". */
export type Sequence = number

/** Hybrid logical clock reading: 48 bits of Unix milliseconds, then 16 bits of counter. */
export type Version = bigint

/** The two lungs. */
export type PathKind = 'p2p' | 'http'

/** Both lungs, in the order of preference. */
export const pathKinds: readonly PathKind[] = ['p2p', 'http']

/**
 * What time it is, read once per event.
 *
 * `mono` counts milliseconds from an arbitrary origin and never goes back: for deadlines. `wall` is Unix time in
 * milliseconds and may jump: for stamps only.
 */
export interface Instant {
  readonly mono: number
  readonly wall: number
}

/** JSON as it crosses the REST boundary. Integers are exact within ±(2^53 − 1). */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue }

const nodeIdPattern = /^[0-9a-f]{64}$/
const incarnationPattern = /^[0-9a-f]{16}$/

/** Whether `text` is a well-formed node id. */
export function isNodeId(text: string): text is NodeId {
  return nodeIdPattern.test(text)
}

/** Whether `text` is a well-formed incarnation id. */
export function isIncarnation(text: string): text is Incarnation {
  return incarnationPattern.test(text)
}

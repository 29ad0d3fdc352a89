/** Reads single fields of decoded CBOR: what is not as specified throws, and the frame is malformed. */
import { toHex } from './bytes.ts'
import { isIncarnation, isNodeId, type Incarnation, type NodeId } from './units.ts'

/** Ends the reading of a frame. */
export function fail(what: string): never {
  throw new RangeError(`${what} is malformed`)
}

/** A 32-byte node id. */
export function readNode(value: unknown): NodeId {
  const id = toHex(bytes(value, 'node id', 32, 32))
  return isNodeId(id) ? id : fail('node id')
}

/** An 8-byte incarnation. */
export function readIncarnation(value: unknown): Incarnation {
  const id = toHex(bytes(value, 'incarnation', 8, 8))
  return isIncarnation(id) ? id : fail('incarnation')
}

/** A list of bounded length. */
export function list(value: unknown, what: string, lengthMax: number): unknown[] {
  return Array.isArray(value) && value.length <= lengthMax ? value : fail(what)
}

/** Bytes of bounded length. */
export function bytes(value: unknown, what: string, lengthMin: number, lengthMax: number): Uint8Array {
  const fits = value instanceof Uint8Array && value.length >= lengthMin && value.length <= lengthMax
  return fits ? value : fail(what)
}

/** A whole number, exact in a double. */
export function uint(value: unknown, what: string, max = Number.MAX_SAFE_INTEGER): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max
    ? value
    : fail(what)
}

/** A short text for people. */
export function text(value: unknown): string {
  return typeof value === 'string' && value.length <= 256 ? value : fail('info')
}

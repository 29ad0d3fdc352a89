/**
 * A batch as one block of memory, to hand to the writer thread.
 *
 * One transferred buffer costs a tenth of cloning thousands of small arrays, and copying into it leaves the
 * caller's memory alone. Layout, little-endian: row, fact and drop count (u32), then per row seq (f64),
 * lengths of key (u16), slot (u16), digest (u32) and bytes (u32), these, path and leaf; per fact the length
 * of the name (u32), of the value (i32, −1 removes), and these; per drop the seq (f64).
 */
import { assert, horizonKey, parseStored, type Batch } from '@lattice/core'

const headBytes = 12
const rowHeadBytes = 20
const factHeadBytes = 8
const dropBytes = 8
const pathBytes = 64
const leafBytes = 32
const nothing = Buffer.alloc(0)
const slotPattern = /^(?:[0-9a-f]{2})+$/

/** A row as the writer binds it; the arrays are views on the block. */
export interface PackedRow {
  readonly seq: number
  readonly key: Uint8Array
  readonly slot: Uint8Array
  readonly digest: Uint8Array
  readonly bytes: Uint8Array
  /** 64 bytes. */
  readonly path: Uint8Array
  /** 32 bytes. */
  readonly leaf: Uint8Array
}

/** A batch as the writer binds it. */
export interface PackedBatch {
  readonly rows: readonly PackedRow[]
  readonly facts: ReadonlyArray<readonly [name: Uint8Array, value: Uint8Array | undefined]>
  readonly drops: readonly number[]
}

/** Copies `batch` into one buffer of its own. Throws on what only our own bug can hold. */
export function packBatch(batch: Batch): Buffer<ArrayBuffer> {
  const facts = [...batch.facts].map(([name, value]) => [Buffer.from(name), value] as const)
  const block = Buffer.allocUnsafeSlow(sizeOf(batch, facts))
  const view = new DataView(block.buffer)
  view.setUint32(0, batch.rows.length, true)
  view.setUint32(4, facts.length, true)
  view.setUint32(8, batch.drops?.length ?? 0, true)
  let at = headBytes
  for (const { seq, key, slot, digest, bytes, path, leaf } of batch.rows) {
    assert(path.length === pathBytes && leaf.length === leafBytes, 'path and leaf have their lengths')
    assert(Number.isSafeInteger(seq) && seq > 0, `sequence ${seq} is not a whole number above 0`)
    assert(slot === '' || slotPattern.test(slot), `slot ${slot} is not lower-case hex`)
    const keyBytes = block.write(key, at + rowHeadBytes)
    assert(keyBytes <= 0xffff && slot.length <= 0x1ffff, 'key and slot are far beyond their limits')
    view.setFloat64(at, seq, true)
    view.setUint16(at + 8, keyBytes, true)
    view.setUint16(at + 10, slot.length / 2, true)
    view.setUint32(at + 12, digest.length, true)
    view.setUint32(at + 16, bytes.length, true)
    at += rowHeadBytes + keyBytes
    if (slot !== '') at += block.write(slot, at, 'hex')
    block.set(digest, at)
    block.set(bytes, at + digest.length)
    at += digest.length + bytes.length
    block.set(path, at)
    block.set(leaf, at + pathBytes)
    at += pathBytes + leafBytes
  }
  for (const [name, value] of facts) {
    view.setUint32(at, name.length, true)
    view.setInt32(at + 4, value === undefined ? -1 : value.length, true)
    at += factHeadBytes
    block.set(name, at)
    if (value) block.set(value, at + name.length)
    at += name.length + (value?.length ?? 0)
  }
  for (const seq of batch.drops ?? []) {
    view.setFloat64(at, seq, true)
    at += dropBytes
  }
  return block
}

function sizeOf(batch: Batch, facts: ReadonlyArray<readonly [Uint8Array, Uint8Array | undefined]>): number {
  let size = headBytes + dropBytes * (batch.drops?.length ?? 0)
  for (const { key, slot, digest, bytes } of batch.rows) {
    size += rowHeadBytes + Buffer.byteLength(key) + slot.length / 2 + digest.length + bytes.length
    size += pathBytes + leafBytes
  }
  for (const [name, value] of facts) size += factHeadBytes + name.length + (value?.length ?? 0)
  return Math.ceil(size)
}

/** Reads a block of `packBatch` without copying. */
export function unpackBatch(block: Uint8Array): PackedBatch {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  let at = headBytes
  const buffer = Buffer.from(block.buffer, block.byteOffset, block.byteLength)
  const take = (length: number): Buffer => (length === 0 ? nothing : buffer.subarray(at, (at += length)))
  const rows: PackedRow[] = []
  for (let count = view.getUint32(0, true); count > 0; count -= 1) {
    const head = at
    at += rowHeadBytes
    rows.push({
      seq: view.getFloat64(head, true),
      key: take(view.getUint16(head + 8, true)),
      slot: take(view.getUint16(head + 10, true)),
      digest: take(view.getUint32(head + 12, true)),
      bytes: take(view.getUint32(head + 16, true)),
      path: take(pathBytes),
      leaf: take(leafBytes),
    })
  }
  const facts: Array<readonly [Uint8Array, Uint8Array | undefined]> = []
  for (let count = view.getUint32(4, true); count > 0; count -= 1) {
    const nameBytes = view.getUint32(at, true)
    const valueBytes = view.getInt32(at + 4, true)
    at += factHeadBytes
    facts.push([take(nameBytes), valueBytes < 0 ? undefined : take(valueBytes)])
  }
  const dropCount = view.getUint32(8, true)
  const drops = Array.from({ length: dropCount }, (_, index) => view.getFloat64(at + index * dropBytes, true))
  return { rows, facts, drops }
}

const horizonName = Buffer.from(horizonKey)

/** Whether a block brings no value: deletes are to be possible on a full disk, and so is what ends them. */
export function frees(block: Uint8Array): boolean {
  return unpackBatch(block).rows.every(({ key, bytes, digest }) => {
    if (Buffer.compare(key, horizonName) === 0) return true
    const entry = parseStored(bytes, digest)
    return entry !== undefined && entry.value === undefined
  })
}

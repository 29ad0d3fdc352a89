/**
 * A bucket as bytes: 16 for each series, so that a year of a federation of three is 20 MB and not 200.
 *
 * Little-endian: id (2), count (2), minimum, mean and maximum as 32-bit floats. Seven digits are more than a
 * chart can show.
 */
import type { Bucket, Figure } from './rollup.ts'

const figureBytes = 16

/** The bytes of a bucket; `idOf` numbers the series from 0 up to 65535. */
export function packBucket(bucket: Bucket, idOf: (name: string) => number): Uint8Array {
  const bytes = new Uint8Array(bucket.size * figureBytes)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const [name, { count, min, mean, max }] of bucket) {
    view.setUint16(at, idOf(name), true)
    view.setUint16(at + 2, count, true)
    view.setFloat32(at + 4, min, true)
    view.setFloat32(at + 8, mean, true)
    view.setFloat32(at + 12, max, true)
    at += figureBytes
  }
  return bytes
}

/** Reads what `packBucket` wrote; ids that `nameOf` does not know are left out, and so is a torn end. */
export function unpackBucket(bytes: Uint8Array, nameOf: (id: number) => string | undefined): Bucket {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const bucket = new Map<string, Figure>()
  for (let at = 0; at + figureBytes <= bytes.byteLength; at += figureBytes) {
    const name = nameOf(view.getUint16(at, true))
    if (name === undefined) continue
    bucket.set(name, {
      count: view.getUint16(at + 2, true),
      min: view.getFloat32(at + 4, true),
      mean: view.getFloat32(at + 8, true),
      max: view.getFloat32(at + 12, true),
    })
  }
  return bucket
}

/**
 * What the reconcile benchmark measures of other libraries: the same entries, every byte both ways.
 *
 * They are installed into this folder on demand, so that nobody who only builds Lattice has to fetch them.
 */
/** A key and its value. */
export type KeyValue = readonly [key: string, value: Uint8Array]

/** What two sides hold in common, and what only one of them holds. */
export interface Difference {
  readonly common: readonly KeyValue[]
  readonly left: readonly KeyValue[]
  readonly right: readonly KeyValue[]
}

/** What it took until both sides held the same. */
export interface PeerCost {
  /** Both ways, the missing keys and values included. */
  readonly bytes: number
  readonly roundTrips: number
  readonly cpuMs: number
}

/** One library. */
export interface PeerBench {
  readonly name: string
  /** What is counted, and what a real exchange would add. */
  readonly note: string
  reconcile(difference: Difference): Promise<PeerCost>
}

/** A library of this folder; undefined where it is not installed. `T` says what is used of it. */
export async function loadPeer<T>(name: string): Promise<T | undefined> {
  try {
    return (await import(import.meta.resolve(name))) as T
  } catch {
    return undefined
  }
}

/** Bytes of keys and values. */
export function payloadOf(entries: readonly KeyValue[]): number {
  return entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0)
}

/** Runs `work`; the CPU milliseconds of this process meanwhile. */
export async function cpuOf(work: () => Promise<void> | void): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** Bytes that plain data takes as CBOR (RFC 8949): numbers, byte strings, null, and lists of them. */
export function cborSize(value: unknown): number {
  if (Array.isArray(value))
    return value.reduce<number>((sum, item) => sum + cborSize(item), headSize(value.length))
  if (value instanceof Uint8Array) return headSize(value.length) + value.length
  if (typeof value === 'bigint' || typeof value === 'number') return headSize(value)
  if (value === null) return 1
  throw new Error(`${typeof value} is not counted`)
}

/** Bytes of a head: the smallest that holds the number, or that of the same size below zero. */
function headSize(number: number | bigint): number {
  const size = number < 0 ? -1n - BigInt(number) : BigInt(number)
  const limits = [24n, 2n ** 8n, 2n ** 16n, 2n ** 32n, 2n ** 64n]
  return [1, 2, 3, 5, 9][limits.findIndex(limit => size < limit)] ?? 9
}

/** One page of the state, read from the store key by key. */
import type { KeyReading, Replica, Store } from '@lattice/core'
import type { StatePage } from './node.ts'

/** Most keys looked at in a row without finding one that can be read, before a page is given out as it is. */
const pageScanMax = 10_000

/** Keys ≥ `from` that start with `prefix` and can be read, ascending, at most `limit`. */
export function readPage(
  store: Pick<Store, 'keys'>,
  replica: Replica,
  { prefix, from, limit }: { prefix: string; from: string; limit: number },
): StatePage {
  const items: KeyReading[] = []
  let next: string | undefined = from
  for (let scanned = 0; next !== undefined && items.length < limit && scanned < pageScanMax;) {
    const wanted: number = limit - items.length
    const keys: readonly string[] = store.keys(prefix, next, wanted + 1)
    for (const key of keys.slice(0, wanted)) {
      const reading = replica.read(key)
      if (reading !== undefined) items.push(reading)
    }
    scanned += keys.length
    next = keys[wanted]
  }
  return next === undefined ? { items } : { items, next }
}

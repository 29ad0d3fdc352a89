/** One page of the state, read from the store key by key. */
import type { KeyReading, Replica, Store } from '@lattice/core'
import type { PageQuery, StatePage } from './node.ts'

/** Most keys looked at in a row without finding one that can be read, before a page is given out as it is. */
const pageScanMax = 10_000

/** Keys ≥ `from` that start with `prefix` and can be read, ascending: at most `limit`, or less where enough. */
export function readPage(
  store: Pick<Store, 'keys'>,
  replica: Replica,
  { prefix, from, limit, isEnough = () => false }: PageQuery,
): StatePage {
  const items: KeyReading[] = []
  let next: string | undefined = from
  for (let scanned = 0; next !== undefined && items.length < limit && scanned < pageScanMax;) {
    const wanted: number = limit - items.length
    const keys: readonly string[] = store.keys(prefix, next, wanted + 1)
    for (const [at, key] of keys.slice(0, wanted).entries()) {
      const reading = replica.read(key)
      if (reading === undefined) continue
      items.push(reading)
      if (isEnough(reading)) return pageOf(items, keys[at + 1])
    }
    scanned += keys.length
    next = keys[wanted]
  }
  return pageOf(items, next)
}

function pageOf(items: readonly KeyReading[], next: string | undefined): StatePage {
  return next === undefined ? { items } : { items, next }
}

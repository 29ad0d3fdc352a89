/** The clock of a store, also of one that has lost it: no version of a row may be given out once more. */
import { equalBytes, toHex } from './bytes.ts'
import { parseStored } from './entry.ts'
import { HybridClock } from './hlc.ts'
import type { Hash, Store } from './ports.ts'
import type { Version } from './units.ts'

/** Name of the fact that holds the clock's high-water mark. */
export const clockFact = 'clock'

/** Rows looked at together: what one read of a store brings at ease. */
const pageRows = 1_000

/** The clock as the store has kept it. */
export function clockOf(store: Pick<Store, 'after' | 'fact'>, hash: Hash): HybridClock {
  const highWater = store.fact(clockFact)
  return new HybridClock(
    highWater === undefined ? latestVersion(store, hash) : BigInt(`0x${toHex(highWater)}`),
  )
}

/** The greatest version of all rows; damaged ones do not count, since any number may stand there. */
function latestVersion(store: Pick<Store, 'after'>, hash: Hash): Version {
  let latest = 0n
  for (let page = store.after(0, pageRows); page.length > 0;) {
    for (const { bytes, digest } of page) {
      const version = equalBytes(hash(bytes), digest) ? (parseStored(bytes, digest)?.version ?? 0n) : 0n
      if (version > latest) latest = version
    }
    page = store.after(page.at(-1)?.seq ?? 0, pageRows)
  }
  return latest
}

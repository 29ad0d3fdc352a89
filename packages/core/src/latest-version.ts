/** The clock of a store that has lost its clock: no version that a row has may be given out once more. */
import { equalBytes } from './bytes.ts'
import { parseStored } from './entry.ts'
import type { Hash, Store } from './ports.ts'
import type { Version } from './units.ts'

/** Rows looked at together: what one read of a store brings at ease. */
const pageRows = 1_000

/** The greatest version of all rows; damaged ones do not count, since any number may stand there. */
export function latestVersion(store: Pick<Store, 'after'>, hash: Hash): Version {
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

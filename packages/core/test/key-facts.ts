/** What a store remembers of its keys beside their rows: as the rows say it, and as the facts do. */
import { formatVersion } from '@lattice/core'
import { dueOf, endingsOf } from '../src/endings.ts'
import { horizonKey } from '../src/horizon.ts'
import { readKey } from '../src/reading.ts'
import { storedEntry } from '../src/winners.ts'
import type { TestReplica } from './replicas.ts'

/** Worked out from all rows. */
export function saidByRows({ store }: TestReplica): unknown {
  const entries = store.after(0, 9_999).map(storedEntry)
  const keys = [...Map.groupBy(entries, ({ key }) => key)]
  const dues = keys.flatMap(([key, slots]) => {
    const due = dueOf(endingsOf(slots))
    return due === undefined ? [] : [`${formatVersion(due)} ${key}`]
  })
  return {
    keys: keys.filter(([key, slots]) => key !== horizonKey && readKey(key, slots) !== undefined).length,
    endings: keys.reduce((sum, [, slots]) => sum + endingsOf(slots).length, 0),
    dues: dues.sort(),
  }
}

/** The same as the replica and its facts say it. */
export function saidByFacts({ replica, store }: TestReplica): unknown {
  const dues = store.facts('due/', 9_999)
  return {
    keys: replica.keys.keyCount,
    endings: replica.keys.endingCount,
    dues: dues.map(([name, key]) => `${name.slice(4, 20)} ${Buffer.from(key).toString()}`).sort(),
  }
}

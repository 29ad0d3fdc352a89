/** Deletes end in a federation that lives on: horizons follow each other, and its disks stop growing. */
import { expect, it } from '@jest/globals'
import { tell } from './history.ts'

const minute = 60_000

/** Retention as short as horizons may be, so that many follow each other. */
const retentionMs = 11 * minute

it.each([
  ['in peace', new Map<string, number>()],
  [
    'with processes that stop and networks that break',
    new Map([
      ['restart', 5 * minute],
      ['cut-node', 7 * minute],
      ['crash', 9 * minute],
    ]),
  ],
])('deletes end %s, and no promise is broken', async (_, swarm) => {
  const { violations, coverage } = await tell({
    seed: 4_711,
    count: 3,
    faultsMs: 20 * minute,
    swarm,
    retentionMs,
  })
  expect(violations).toEqual([])
  expect(coverage.get('deletes-ended')).toBe(3)
})

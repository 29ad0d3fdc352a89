import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { tell } from './history.ts'

const minute = 60_000

interface Regression {
  readonly seed: number
  readonly minutes: number
  readonly found: string
}

const regressions = JSON.parse(
  readFileSync(new URL('./regressions.json', import.meta.url), 'utf8'),
) as Regression[]

const replay = (seed: number): string => `seed ${seed}; replay: npm run sim -- --replay ${seed} --trace`

describe('the simulator', () => {
  it.each([3, 21, 77])('tells seed %i the same way every time (G2)', async seed => {
    const once = await tell({ seed, faultsMs: 4 * minute })
    const again = await tell({ seed, faultsMs: 4 * minute })
    expect(again.digest).toBe(once.digest)
    expect(again.steps).toBe(once.steps)
  })

  it('tells other seeds another way', async () => {
    const [one, two] = [await tell({ seed: 1, faultsMs: minute }), await tell({ seed: 2, faultsMs: minute })]
    expect(one.digest).not.toBe(two.digest)
  })

  it('breaks no promise in 60 histories', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { violations } = await tell({ seed, faultsMs: 2 * minute })
      expect([replay(seed), ...violations]).toEqual([replay(seed)])
    }
  }, 60_000)

  it.each(regressions)('keeps what it found: seed $seed, $found', async ({ seed, minutes }) => {
    const { violations } = await tell({ seed, faultsMs: minutes * minute })
    expect([replay(seed), ...violations]).toEqual([replay(seed)])
  })
})

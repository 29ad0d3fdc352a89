import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { tell } from './history.ts'
import { planted, type Planted } from './planted.ts'
import { shrink } from './shrink.ts'

const minute = 60_000

interface Kept {
  readonly seed: number
  readonly minutes: number
  readonly found: string
}

const regressions = JSON.parse(readFileSync(new URL('./regressions.json', import.meta.url), 'utf8')) as Kept[]

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

  it('makes a failing history short', async () => {
    const { tamper } = planted[0] as Planted
    const found = await shrink(
      (faultsMs, only) => tell({ seed: 1, faultsMs, only, tamper }),
      4 * minute,
      () => {},
    )
    expect(found?.outcome.violations.join()).toContain('acknowledged before it was durable')
    expect(found?.faultsMs).toBeLessThan(2 * minute)
    expect(found?.only).toEqual([])
  })

  it('breaks no promise in 30 histories', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const { violations } = await tell({ seed, faultsMs: 2 * minute })
      expect([replay(seed), ...violations]).toEqual([replay(seed)])
    }
  }, 120_000)

  it.each(regressions)(
    'keeps what it found: seed $seed, $found',
    async ({ seed, minutes }) => {
      const { violations } = await tell({ seed, faultsMs: minutes * minute })
      expect([replay(seed), ...violations]).toEqual([replay(seed)])
    },
    120_000,
  )
})

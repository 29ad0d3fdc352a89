/** The simulator itself. What it tells of the product is `npm run sim:check`. */
import { describe, expect, it } from '@jest/globals'
import { tell } from './history.ts'
import { planted, type Planted } from './planted.ts'
import { shrink } from './shrink.ts'

const minute = 60_000

describe('the simulator', () => {
  it.each([3, 21])('tells seed %i the same way every time (G2)', async seed => {
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
})

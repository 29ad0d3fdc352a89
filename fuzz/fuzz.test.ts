/** Every kept input, and some hundred changed ones, against every target: no promise is broken. */
import { describe, expect, it } from '@jest/globals'
import { createSeededRandom, runsFromEnvironment } from '@lattice/core/testing'
import { readCorpus } from './corpus.ts'
import { mutate } from './mutate.ts'
import { seedsOf } from './seeds.ts'
import { targets } from './targets.ts'

/** Changed inputs per target; FC_RUNS asks for more. */
const { seed = 1, numRuns } = runsFromEnvironment(500)

describe('bytes from outside', () => {
  it.each(Object.keys(targets))('%s breaks no promise', async name => {
    const target = targets[name]
    const kept = [...readCorpus(name), ...seedsOf(name)]
    const random = createSeededRandom(seed)
    const pick = (): Uint8Array => kept[Math.floor(random.unit() * kept.length)] as Uint8Array
    const changed = Array.from({ length: numRuns }, () => mutate(pick(), pick(), random))
    expect(kept.length).toBeGreaterThan(0)
    for (const input of [...kept, ...changed]) {
      try {
        await target?.(input.slice())
      } catch (error) {
        const base64 = Buffer.from(input).toString('base64')
        throw new Error(`FC_SEED=${seed}, input ${base64}`, { cause: error })
      }
    }
  })
})

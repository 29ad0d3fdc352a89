/** The ladder of netcheck: each step ends in its time. */
import { expect, it } from '@jest/globals'
import { climb } from '../src/netcheck/steps.ts'

it('waits no longer than it was told, also for what does not listen to that', async () => {
  const deaf = new Promise<never>(() => undefined)
  const steps = await climb(
    [
      ['dns', () => deaf],
      ['tcp', () => ({ text: 'never tried' })],
    ],
    20,
  )
  expect(steps.map(({ outcome, text }) => [outcome, text])).toEqual([
    ['failed', 'nobody answered in time (0.02 s)'],
    ['not tested', 'an earlier step failed'],
  ])
})

/** A P2P that could not start is tried again, ever more rarely, until it runs. */
import { expect, it } from '@jest/globals'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { openEngine } from './engines.ts'
import { everybody } from './replicas.ts'

it('after 5 seconds, then half as often each time down to once a minute', () => {
  const engine = openEngine(createMemoryStore(), everybody, { p2pEnabled: true })
  let mono = 0
  const tries: number[] = []
  const step = (event: Parameters<typeof engine.step>[0]): void => {
    for (const { type } of engine.step(event, { mono, wall: testWall + mono }))
      if (type === 'restart-p2p') tries.push(mono)
  }
  const failed = { type: 'transport', path: 'p2p', started: false, reason: 'in use' } as const
  const pass = (ms: number): void => {
    for (const end = mono + ms; engine.wakeAt <= end;) {
      mono = engine.wakeAt
      const before = tries.length
      step({ type: 'tick' })
      // The answer takes a while.
      if (tries.length === before || tries.length === 6) continue
      mono += 1
      step(failed)
    }
  }
  step(failed)
  pass(400_000)
  // Nothing more before the sixth try has come to something.
  expect(tries).toEqual([5_000, 15_001, 35_002, 75_003, 135_004, 195_005])
  step({ type: 'transport', path: 'p2p', started: true })
  pass(400_000)
  expect(tries).toHaveLength(6)
  mono += 1
  step(failed)
  const again = mono + 5_000
  pass(6_000)
  expect(tries.at(-1)).toBe(again)
})

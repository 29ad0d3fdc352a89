/** What a node says of a process that stood still. */
import { expect, it } from '@jest/globals'
import { testWall } from '@lattice/core/testing'
import { openEngine } from './engines.ts'

it('a start that takes long is no pause, what stands still afterwards is', () => {
  const engine = openEngine()
  const logged = (mono: number): string[] =>
    engine
      .step({ type: 'tick' }, { mono, wall: testWall + mono })
      .flatMap(effect => (effect.type === 'log' ? [effect.message] : []))
  expect(logged(30_000)).toEqual([])
  expect(logged(engine.wakeAt)).toEqual([])
  expect(logged(engine.wakeAt + 30_000)).toEqual([expect.stringContaining('was paused')])
})

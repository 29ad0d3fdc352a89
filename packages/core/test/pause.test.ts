/** What a node says of a process that stood still. */
import { expect, it } from '@jest/globals'
import { defaultParams, Engine } from '@lattice/core'
import { createMemoryStore, createSeededRandom, testWall } from '@lattice/core/testing'
import { alice, sha256 } from './crypto.ts'
import { everybody } from './replicas.ts'

it('a start that takes long is no pause, what stands still afterwards is', () => {
  const engine = new Engine({
    info: { name: 'alice', role: 'node', software: 'test' },
    store: createMemoryStore(),
    hash: sha256,
    signer: alice,
    random: createSeededRandom(1),
    params: { ...defaultParams, p2pEnabled: false },
    members: everybody,
    at: { mono: 0, wall: testWall },
  })
  const logged = (mono: number): string[] =>
    engine
      .step({ type: 'tick' }, { mono, wall: testWall + mono })
      .flatMap(effect => (effect.type === 'log' ? [effect.message] : []))
  expect(logged(30_000)).toEqual([])
  expect(logged(engine.wakeAt)).toEqual([])
  expect(logged(engine.wakeAt + 30_000)).toEqual([expect.stringContaining('was paused')])
})

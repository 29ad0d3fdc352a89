/** Who leads a descent only after it has left the other the first word leads also while it is written to. */
import { expect, it } from '@jest/globals'
import { alice, bob, carol } from './crypto.ts'
import { EnginePair } from './engine-pair.ts'
import { entryOf } from './replicas.ts'

it('a node that alone can ask descends although its commits never cease', async () => {
  const pair = new EnginePair([
    { signer: alice, aheadMs: 0, dials: true },
    { signer: bob, aheadMs: 0, dials: false },
  ])
  expect(bob.nodeId < alice.nodeId).toBe(true)
  const [first, ...others] = Array.from({ length: 100 }, (_, tick) =>
    entryOf({ key: `key${tick}`, tick: tick + 1 }, carol),
  )
  await pair.announce(0, carol.nodeId, others)
  await pair.announce(
    1,
    carol.nodeId,
    [...others, first].flatMap(entry => entry ?? []),
  )
  await pair.start()
  const { engine } = pair.nodes[0]
  const lacks = (): boolean => first !== undefined && engine.replica.isNews(first)
  for (let turn = 0; turn < 100 && lacks(); turn++) {
    await pair.announce(0, carol.nodeId, [entryOf({ key: `late${turn}`, tick: 1 }, carol)])
    await pair.pass(100)
  }
  expect(lacks()).toBe(false)
})

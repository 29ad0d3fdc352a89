/** Two nodes that were apart for long go on by their journals: a descent would bring the same once more. */
import { expect, it } from '@jest/globals'
import { toHex } from '@lattice/core'
import { antiEntropyMs } from '../src/params.ts'
import { alice, bob, carol } from './crypto.ts'
import { EnginePair, type Place } from './engine-pair.ts'
import { entryOf } from './replicas.ts'

it('after a partition of half an hour no descent is begun', async () => {
  const plan = { aheadMs: 0, dials: true }
  const pair = new EnginePair([
    { signer: alice, ...plan },
    { signer: bob, ...plan },
  ])
  const write = async (name: string): Promise<void> => {
    for (const to of [0, 1] as const satisfies readonly Place[])
      await pair.announce(to, carol.nodeId, [entryOf({ key: `${name}/${to}`, tick: 1 }, carol)])
  }
  const roots = (): Set<string> => new Set(pair.nodes.map(({ engine }) => toHex(engine.replica.trie.root())))
  await pair.start()
  await write('before')
  await pair.pass(30_000)
  expect(roots().size).toBe(1)
  pair.isCut = true
  for (let turn = 0; turn < 30; turn++) {
    await write(`apart ${turn}`)
    await pair.pass(antiEntropyMs / 10)
  }
  expect(roots().size).toBe(2)
  const before = pair.nodes.map(({ asked }) => asked.length)
  pair.isCut = false
  await pair.pass(60_000)
  expect(roots().size).toBe(1)
  const asked = pair.nodes.flatMap((node, place) => node.asked.slice(before[place]))
  expect(asked.filter(({ compare }) => compare !== undefined)).toHaveLength(0)
})

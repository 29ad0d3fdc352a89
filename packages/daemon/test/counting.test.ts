/** Under which life a node counts: a provisional one until every other member has agreed with it. */
import { afterEach, expect, it } from '@jest/globals'
import { counterSlot } from '@lattice/core'
import { createFederation, rootsEqual, type Federation, type Member } from './federation.ts'

let federation: Federation | undefined
afterEach(() => federation?.stop())

async function count({ runtime }: Member): Promise<void> {
  const written = runtime.write([{ op: 'increment', key: 'n', by: 1 }])
  await federation?.settle()
  await written
}

it('counts anew while one member has not agreed, and on where its store was once all have', async () => {
  federation = await createFederation(3)
  const { members, p2p, http } = federation
  const [one, , three] = members as [Member, Member, Member]
  const slots = (): readonly string[] => one.store.slots('n').map(({ slot }) => slot)
  const own = counterSlot(one.id, one.image.incarnation)
  const increment = (): Promise<void> => count(one)

  for (const network of [p2p, http]) {
    federation.cut(network, 0, 2)
    federation.cut(network, 1, 2)
  }
  await increment()
  await federation.pass(60_000)
  await increment()
  expect(slots()).toHaveLength(1)
  expect(slots()).not.toContain(own)

  for (const network of [p2p, http]) {
    federation.heal(network, 0, 2)
    federation.heal(network, 1, 2)
  }
  await federation.until(() => three.runtime.read('n')?.value === 2, 120_000)
  await federation.pass(30_000)
  await increment()
  expect(slots()).toHaveLength(2)
  expect(slots()).toContain(own)
  expect(one.runtime.read('n')?.value).toBe(3)
})

it('loses no increment that waits at the others when its directory is put back', async () => {
  federation = await createFederation(3)
  const { members } = federation
  const [one, two, three] = members as [Member, Member, Member]
  await federation.pass(30_000)
  await count(one)
  await federation.pass(10_000)
  const backup = structuredClone(one.image)
  // Half an hour ahead: the others take it, and put it by.
  one.aheadMs = 1_800_000
  await count(one)
  await federation.pass(10_000)
  expect(two.runtime.read('n')?.value).toBe(1)

  one.aheadMs = 0
  await federation.restart(0, backup)
  await federation.pass(60_000)
  expect(rootsEqual(federation)).toBe(true)
  await count(one)
  await federation.pass(1_800_000)
  expect([one, two, three].map(({ runtime }) => runtime.read('n')?.value)).toEqual([3, 3, 3])
  await count(one)
  expect(one.store.slots('n')).toHaveLength(2)
})

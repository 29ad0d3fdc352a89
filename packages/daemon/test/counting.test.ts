/** Under which life a node counts: a provisional one until every other member has agreed with it. */
import { afterEach, expect, it } from '@jest/globals'
import { counterSlot } from '@lattice/core'
import { createFederation, type Federation, type Member } from './federation.ts'

let federation: Federation | undefined
afterEach(() => federation?.stop())

it('counts anew while one member has not agreed, and on where its store was once all have', async () => {
  federation = await createFederation(3)
  const { members, p2p, http } = federation
  const [one, , three] = members as [Member, Member, Member]
  const slots = (): readonly string[] => one.store.slots('n').map(({ slot }) => slot)
  const own = counterSlot(one.id, one.image.incarnation)
  const increment = async (): Promise<void> => {
    const written = one.runtime.write([{ op: 'increment', key: 'n', by: 1 }])
    await federation?.settle()
    await written
  }

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

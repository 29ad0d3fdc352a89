/** A member whose configuration lacks another one: what that one deletes must not come back from there. */
import { afterEach, expect, it } from '@jest/globals'
import { horizonKey, type Operation } from '@lattice/core'
import { createFederation, rootsEqual, type Federation, type Member } from './federation.ts'

const minuteMs = 60_000

/** As short as it may be. */
const tombstoneRetentionMs = 11 * minuteMs
/** By when a horizon is set where nobody is in its way. */
const dueMs = tombstoneRetentionMs + 5 * minuteMs

let federation: Federation | undefined
afterEach(() => federation?.stop())

const isHorizonSet = ({ store }: Member): boolean => store.slots(horizonKey).length > 0

it('no delete of an author ends while a member does not know him, and all do once it does', async () => {
  federation = await createFederation(3, { tombstoneRetentionMs })
  const { members, restart, settle, pass, until } = federation
  const [one, author, unaware] = members as [Member, Member, Member]
  unaware.strangers = [author.id]
  await restart(2, unaware.image)
  const write = async ({ runtime }: Member, operation: Operation): Promise<void> => {
    const written = runtime.write([operation])
    await settle()
    await written
  }
  const readings = (): unknown[] => members.map(({ runtime }) => runtime.read('k')?.value)

  await write(one, { op: 'put', key: 'k', value: 1 })
  await until(() => readings().every(value => value === 1), 5 * minuteMs)
  await write(author, { op: 'delete', key: 'k' })
  // A delete that it does know: from here on it tells how far it has come.
  await pass(minuteMs)
  await write(one, { op: 'delete', key: 'other' })
  await pass(dueMs)
  expect(readings()).toEqual([undefined, undefined, 1])
  expect([one, author].map(isHorizonSet)).toEqual([false, false])
  const warnings = (): unknown[] => unaware.runtime.status().warnings.map(({ code }) => code)
  expect(warnings()).toEqual(['unknown-authors'])

  unaware.strangers = []
  await restart(2, unaware.image)
  await until(() => members.every(isHorizonSet), dueMs)
  expect(readings()).toEqual([undefined, undefined, undefined])
  expect(rootsEqual(federation)).toBe(true)
  expect(warnings()).toEqual([])
})

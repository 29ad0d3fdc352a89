/** What lies on the disk with nothing to vouch for it is done with only once it is durable. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from '@jest/globals'
import type { Row } from '@lattice/core'
import { systemClock } from '../src/host/clock.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import { openLoneRuntime } from './lone-runtime.ts'

const { signer } = identityFromSeed(Buffer.alloc(32, 7), 'file')

it('not while a commit is to bring the same, which the disk refuses', async () => {
  const written = openLoneRuntime(signer)
  await written.runtime.write([{ op: 'put', key: 'a', value: 1 }])
  const { bytes } = written.store.after(0, 1)[0] as Row
  const { runtime, store } = openLoneRuntime(signer)
  store.hold()
  const first = runtime.readmit([bytes])
  while (store.waiting === 0) await nextTurn()
  const second = runtime.readmit([bytes])
  await nextTurn()
  store.failNext()
  store.release()
  expect(await Promise.all([first, second])).toEqual([false, false])
  expect([await runtime.readmit([bytes]), runtime.read('a')?.value]).toEqual([true, 1])
  await Promise.all([written.runtime.stop(), runtime.stop()])
})

it('also where it was written by a clock that was ahead: it does not wait in memory for its time', async () => {
  const yearMs = 365 * 24 * 3_600_000
  const now = (): ReturnType<typeof systemClock.now> => {
    const at = systemClock.now()
    return { ...at, wall: at.wall + yearMs }
  }
  const written = openLoneRuntime(signer, { clock: { ...systemClock, now } })
  await written.runtime.write([{ op: 'put', key: 'a', value: 1 }])
  const { bytes } = written.store.after(0, 1)[0] as Row
  const { runtime, store } = openLoneRuntime(signer)
  expect(await runtime.readmit([bytes])).toBe(true)
  expect(store.after(0, 1).map(row => row.bytes)).toEqual([bytes])
  await Promise.all([written.runtime.stop(), runtime.stop()])
})

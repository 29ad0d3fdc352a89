/** What is damaged here may wait in the memory of those that hold it, where no root tells of it. */
import { expect, it } from '@jest/globals'
import { futureToleranceMs, type Row } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import type { Intake } from '../src/intake.ts'
import { createPeer } from '../src/peers.ts'
import { StoreCare } from '../src/store-care.ts'
import { alice, bob } from './crypto.ts'
import { life, openReplica, rootOf, write } from './replicas.ts'

const aheadWall = testWall + 3 * futureToleranceMs

it('is not given up before the time of the last thing that its holders may wait for', async () => {
  const node = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
  const { replica, store } = node
  const care = new StoreCare({ replica, intake: { fetchAgain: () => {} } as unknown as Intake })
  await write(node, [{ op: 'increment', key: 'n', by: 5 }], aheadWall)
  const [row] = store.slots('n') as [Row]
  Object.assign(row, { bytes: row.bytes.map(byte => byte ^ 1) })

  const peer = createPeer(bob.nodeId, undefined, 0)
  peer.held = store.lastSeq
  const known = { at: 0, incarnation: life(2), seq: 0, count: 0, root: '', wall: testWall }
  peer.known = known
  expect(replica.read('n')).toBeUndefined()
  care.quarantine([peer], 1)
  const agree = (wall: number, at = 2): number => {
    const root = rootOf(node)
    peer.known = { ...known, at, root, wall }
    care.giveUp([peer], root)
    return replica.quarantine.places.length
  }
  expect(agree(testWall)).toBe(1)
  // Heard in the moment of the find: it may have been said before.
  expect(agree(aheadWall, 1)).toBe(1)
  // It would count anew, over what waits there.
  expect(() => replica.write([{ op: 'increment', key: 'n', by: 1 }], aheadWall)).toThrow('damaged')
  expect([0, 30_000].map(ms => agree(aheadWall - futureToleranceMs + ms))).toEqual([1, 0])
})

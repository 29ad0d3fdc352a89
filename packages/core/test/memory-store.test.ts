/** The memory store keeps the promises of the port, and its levers do what the simulator relies on. */
import { describe, expect, it } from '@jest/globals'
import { LatticeError, type Incarnation } from '@lattice/core'
import {
  contentOf,
  createMemoryImage,
  createMemoryStore,
  storeSuite,
  testBatch,
  testRow,
  type MemoryImage,
} from '@lattice/core/testing'

const images = new Map<string, MemoryImage>()

storeSuite('memory store', place => {
  const incarnation = images.size.toString(16).padStart(16, '0') as Incarnation
  const image = images.get(place) ?? createMemoryImage(incarnation)
  images.set(place, image)
  return Promise.resolve(createMemoryStore({ image }))
})

describe('memory store', () => {
  it('commits on a microtask, not within the call', async () => {
    const store = createMemoryStore()
    const committed = store.commit(testBatch([testRow(1, 'a')]))
    expect(store.lastSeq).toBe(0)
    await committed
    expect(store.lastSeq).toBe(1)
  })

  it('shows nothing of a held commit until it is released, one at a time or all', async () => {
    const store = createMemoryStore()
    store.hold()
    const commits = [1, 2, 3].map(seq => store.commit(testBatch([testRow(seq, `k${seq}`)])))
    await Promise.resolve()
    expect([store.waiting, store.after(0, 9)]).toEqual([3, []])
    store.release(1)
    await commits[0]
    expect([store.waiting, store.lastSeq]).toEqual([2, 1])
    store.release()
    await Promise.all(commits)
    await store.commit(testBatch([testRow(4, 'free')]))
    expect(store.lastSeq).toBe(4)
  })

  it('fails the next commit when told, and only that one', async () => {
    const store = createMemoryStore({ failNext: new LatticeError('STORE_CORRUPT') })
    await expect(store.commit(testBatch([testRow(1, 'a')]))).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    store.failNext()
    const [failed, good] = await Promise.allSettled([
      store.commit(testBatch([testRow(1, 'a')])),
      store.commit(testBatch([testRow(1, 'b')])),
    ])
    expect(failed).toMatchObject({ status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } })
    expect(good.status).toBe('fulfilled')
    expect(store.keys('', '', 9)).toEqual(['b'])
  })

  it('loses in a crash what was not committed, and nothing else', async () => {
    const store = createMemoryStore()
    await store.commit(testBatch([testRow(1, 'kept')]))
    store.hold()
    void store.commit(testBatch([testRow(2, 'lost')]))
    store.crash()
    store.release()
    const again = createMemoryStore({ image: store.image })
    expect(again.keys('', '', 9)).toEqual(['kept'])
    expect(contentOf(again)).toEqual(contentOf(store))
  })
})

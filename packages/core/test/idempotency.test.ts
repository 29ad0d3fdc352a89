/** A request that is repeated is applied once, and answered only for what the disk holds. */
import { beforeEach, expect, it } from '@jest/globals'
import { LatticeError, type Effect, type Operation } from '@lattice/core'
import { createMemoryStore, testWall } from '@lattice/core/testing'
import { CommitPipeline } from '../src/commits.ts'
import { alice, sha256 } from './crypto.ts'
import { openReplica, type TestReplica } from './replicas.ts'

const increment: Operation = { op: 'increment', key: 'n', by: 1 }
const dayMs = 86_400_000

let node: TestReplica
let commits: CommitPipeline
let id = 0

/** The request, at once or refused at once; what is told of it. */
function request(operations: readonly Operation[] = [increment], wall = testWall): Effect[] {
  const conditions = { idempotencyKey: 'retry' }
  return commits.write({ type: 'write', id: ++id, operations, conditions }, wall, () => undefined)
}

/** What is on its way to the disk, if anything is. */
function persists(): (Effect & { type: 'persist' }) | undefined {
  return commits.pump(() => '').find(effect => effect.type === 'persist')
}

/** The disk takes all there is; what is told meanwhile. */
async function settle(): Promise<Effect[]> {
  const told: Effect[] = []
  for (;;) {
    const effects = commits.pump(() => '')
    told.push(...effects)
    const persist = effects.find(effect => effect.type === 'persist')
    if (persist === undefined) return told
    await node.store.commit(persist.batch)
    told.push(...commits.committed(() => '').effects)
  }
}

const counted = (): unknown => node.replica.read('n')?.value

beforeEach(() => {
  node = openReplica()
  commits = new CommitPipeline(node.replica, node.store, sha256)
})

it.each([
  ['in the batch that is forming', 'forming'],
  ['in the batch on its way to the disk', 'sealed'],
  ['on the disk', 'durable'],
])('once, where the first is %s', async (_, where) => {
  expect(request()).toEqual([])
  const sealed = where === 'sealed' ? persists() : undefined
  const first = where === 'durable' ? await settle() : []
  expect(request()).toEqual([])
  if (sealed !== undefined) {
    await node.store.commit(sealed.batch)
    first.push(...commits.committed(() => '').effects)
  }
  const answers = [...first, ...(await settle())]
  const [one, other] = answers.filter(effect => effect.type === 'written')
  expect([one?.id, other?.id, one?.version]).toEqual([id - 1, id, other?.version])
  expect(counted()).toBe(1)
})

it('anew, where the disk has refused the first, whether it was on its way or forming behind', async () => {
  node.replica.write([{ op: 'put', key: 'other', value: 1 }], testWall)
  persists()
  request()
  commits.failed(new LatticeError('STORE_FULL'), testWall)
  request()
  persists()
  commits.failed(new LatticeError('STORE_FULL'), testWall)
  expect(counted()).toBeUndefined()
  request()
  const answers = (await settle()).filter(({ type }) => type === 'written')
  expect([answers.length, counted()]).toEqual([1, 1])
})

it('never for other operations under the same name', async () => {
  request()
  await settle()
  expect(request([{ ...increment, by: 2 }])).toMatchObject([
    { type: 'write-refused', error: { code: 'IDEMPOTENCY_CONFLICT' } },
  ])
})

it('for a day', async () => {
  commits.forget({ mono: 0, wall: testWall })
  request()
  await settle()
  const later = async (ms: number, mono: number): Promise<unknown> => {
    commits.forget({ mono, wall: testWall + ms })
    await settle()
    request([increment], testWall + ms)
    await settle()
    return counted()
  }
  expect([await later(dayMs, dayMs), await later(dayMs + 1, 2 * dayMs)]).toEqual([1, 2])
})

it('for a day by the clock that nobody sets: the other one forward, back, and by two steps', async () => {
  let mono = 0
  /** Time goes by while the wall clock is `aheadMs` ahead; how often the request has been applied then. */
  const after = async (ms: number, aheadMs: number): Promise<unknown> => {
    commits.forget({ mono, wall: testWall + mono + aheadMs })
    mono += ms
    commits.forget({ mono, wall: testWall + mono + aheadMs })
    await settle()
    request([increment], testWall + mono + aheadMs)
    await settle()
    return counted()
  }
  const hourMs = dayMs / 24
  expect(await after(hourMs, 0)).toBe(1)
  for (const aheadMs of [dayMs, -2 * dayMs, -dayMs, 365 * dayMs])
    expect(await after(4 * hourMs, aheadMs)).toBe(1)
  expect(await after(8 * hourMs, 0)).toBe(1)
  expect(await after(2 * dayMs, 0)).toBe(2)
  // Long ago it was ahead: what is new is remembered no longer for that.
  expect(await after(2 * hourMs, 0)).toBe(2)
  expect(await after(dayMs, 0)).toBe(3)
})

it('for a day by the clock that nobody sets, also where the other one is ahead at a start', async () => {
  request()
  await settle()
  const start = (): void => {
    node = openReplica(alice, createMemoryStore({ image: node.store.image }))
    commits = new CommitPipeline(node.replica, node.store, sha256)
  }
  /** The request once more; how often it has been applied then. */
  const again = async (mono: number, wall: number): Promise<unknown> => {
    commits.forget({ mono, wall })
    await settle()
    request([increment], wall)
    await settle()
    return counted()
  }
  for (const aheadMs of [dayMs + 1, 365 * dayMs]) {
    start()
    expect(await again(0, testWall + aheadMs)).toBe(1)
    expect(await again(dayMs, testWall + aheadMs + dayMs)).toBe(1)
    expect(await again(dayMs, testWall + dayMs)).toBe(1)
  }
  expect(await again(2 * dayMs, testWall + 2 * dayMs)).toBe(2)
})

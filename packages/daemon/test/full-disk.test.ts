/** What a node does on a full disk (reliability S3, S4), with the fault put in at the store's seam. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { LatticeError } from '@lattice/core'
import { createFederation, rootsEqual, type Federation, type Member } from './federation.ts'

let federation: Federation | undefined

afterEach(async () => {
  await federation?.stop()
  federation = undefined
})

const put = (key: string) => [{ op: 'put', key, value: 1 }] as const
const full = { code: 'STORE_FULL' }
const mib = 1024 ** 2

/** Two members, the first of which has just been refused a commit because its disk is full. */
async function filledUp(): Promise<Federation & { readonly first: Member; readonly second: Member }> {
  federation = await createFederation(2)
  const world = federation
  const [first, second] = world.members as [Member, Member]
  await world.until(() => second.runtime.status().p2pPeerCount === 1, 1_000)
  await first.runtime.write(put('before'))
  first.store.failNext(new LatticeError('STORE_FULL'))
  await expect(first.runtime.write(put('refused'))).rejects.toMatchObject(full)
  return { ...world, first, second }
}

describe('a node whose disk is full', () => {
  it('refuses further writes at once, takes deletes, and says so in one warning', async () => {
    const { first } = await filledUp()
    await expect(first.runtime.write(put('next'))).rejects.toMatchObject(full)
    const mixed = [{ op: 'delete', key: 'x' }, ...put('next')] as const
    await expect(first.runtime.write(mixed)).rejects.toMatchObject(full)
    await first.runtime.write([{ op: 'delete', key: 'before' }])
    expect([first.runtime.read('before'), first.runtime.read('refused')]).toEqual([undefined, undefined])
    const { warnings, fullSinceWall } = first.runtime.status()
    expect(warnings.map(({ code }) => code)).toEqual(['disk-full'])
    expect(fullSinceWall).toBeGreaterThan(0)
    expect(first.logs.filter(line => line.includes('STORE_FULL'))).toHaveLength(1)
  })

  it('answers the retry of a write that it holds as it did before', async () => {
    const world = await createFederation(1)
    federation = world
    const [first] = world.members as [Member]
    const transfer = [{ op: 'increment', key: 'account', by: 5 }] as const
    const { version } = await first.runtime.write(transfer, { idempotencyKey: 'pay-1' })
    first.store.failNext(new LatticeError('STORE_FULL'))
    await expect(first.runtime.write(put('refused'))).rejects.toMatchObject(full)
    expect(await first.runtime.write(transfer, { idempotencyKey: 'pay-1' })).toMatchObject({ version })
    await expect(first.runtime.write(transfer, { idempotencyKey: 'pay-2' })).rejects.toMatchObject(full)
    expect(first.runtime.read('account')?.value).toBe(5)
  })

  it('serves, and takes from its peers what still fits', async () => {
    const world = await filledUp()
    await world.second.runtime.write(put('elsewhere'))
    await world.until(() => world.first.runtime.read('elsewhere') !== undefined, 10_000)
    await world.until(() => rootsEqual(world), 10_000)
    expect(world.first.runtime.status().fullSinceWall).toBeDefined()
  })

  it.each([
    ['a tenth of a small disk', 100 * mib, 10 * mib],
    ['1 GiB of a large one', 1024 ** 4, 1024 * mib],
  ])('takes writes again by itself once %s is free, and not before', async (_, totalBytes, enough) => {
    const { first } = await filledUp()
    first.runtime.diskMeasured(enough - 1, totalBytes)
    await expect(first.runtime.write(put('early'))).rejects.toMatchObject(full)
    first.runtime.diskMeasured(enough, totalBytes)
    await first.runtime.write(put('after'))
    expect(first.runtime.status().warnings).toEqual([])
  })

  it('keeps the last MiB for deletes: it does not wait until a commit fails', async () => {
    federation = await createFederation(1)
    const [{ runtime }] = federation.members as [Member]
    runtime.diskMeasured(mib, 100 * mib)
    await runtime.write(put('fits'))
    runtime.diskMeasured(mib - 1, 100 * mib)
    await expect(runtime.write(put('too much'))).rejects.toMatchObject(full)
    await runtime.write([{ op: 'delete', key: 'fits' }])
  })

  it('says that it has not taken in what was found on the disk, and takes it when there is room', async () => {
    const world = await filledUp()
    for (const network of [world.p2p, world.http]) world.cut(network, 0, 1)
    await world.second.runtime.write(put('found'))
    const found = world.second.store.slots('found').map(({ bytes }) => bytes)
    world.first.store.failNext(new LatticeError('STORE_FULL'))
    expect(await world.first.runtime.readmit(found)).toBe(false)
    expect(await world.first.runtime.readmit(found)).toBe(true)
    expect(world.first.runtime.read('found')?.value).toBe(1)
  })

  it('tries each write where the disk refuses for another reason, and goes on when it does not', async () => {
    federation = await createFederation(1)
    const [{ runtime, store }] = federation.members as [Member]
    store.failNext()
    await expect(runtime.write(put('a'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await runtime.write(put('a'))
    expect(runtime.status().fullSinceWall).toBeUndefined()
  })
})

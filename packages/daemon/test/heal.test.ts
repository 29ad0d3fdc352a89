/**
 * Damage on one node's disk (reliability S7) is healed from its peers, by itself and soon, and never spreads.
 */
import { afterEach, describe, expect, it } from '@jest/globals'
import type { Incarnation, Row } from '@lattice/core'
import { createMemoryImage } from '@lattice/core/testing'
import { createIntegrityCheck } from '../src/host/integrity.ts'
import { createFederation, rootsEqual, type Federation, type Member } from './federation.ts'

let federation: Federation | undefined

afterEach(async () => {
  await federation?.stop()
  federation = undefined
})

const put = (key: string, value: number) => [{ op: 'put', key, value }] as const
const increment = (key: string, by: number) => [{ op: 'increment', key, by }] as const

/** Three members that agree on ten keys and a counter. */
async function settled(): Promise<Federation & { readonly first: Member }> {
  federation = await createFederation(3)
  const world = federation
  const [first] = world.members as [Member]
  await world.until(() => world.members.every(({ runtime }) => runtime.status().p2pPeerCount === 2), 1_000)
  for (let key = 0; key < 10; key++) await first.runtime.write(put(`k${key}`, key))
  await first.runtime.write(increment('n', 5))
  await world.until(() => agreed(world), 5_000)
  return { ...world, first }
}

const agreed = (world: Federation): boolean =>
  rootsEqual(world) && world.members.every(({ runtime }) => runtime.status().peers.every(p => p.ahead === 0))

/** Cuts a member off from the others on every path, or lets it back. */
function everyLink(world: Federation, how: 'cut' | 'heal', member: number): void {
  for (const network of [world.p2p, world.http])
    for (const other of world.members.keys()) if (other !== member) world[how](network, member, other)
}

function flip({ store }: Member, key: string): void {
  const row = store.slots(key)[0] as Row
  Object.assign(row, { bytes: row.bytes.map((byte, at) => (at === row.bytes.length >> 1 ? byte ^ 1 : byte)) })
}

describe('a damaged entry', () => {
  it('is refused to readers, fetched again from a peer, and then served as before', async () => {
    const world = await settled()
    const { runtime } = world.first
    flip(world.first, 'k3')
    expect([runtime.read('k3'), runtime.quarantine.isDamaged('k3')]).toEqual([undefined, true])
    await world.until(() => runtime.read('k3') !== undefined, 5_000)
    expect(runtime.read('k3')?.value).toBe(3)
    await world.until(() => agreed(world), 5_000)
    expect(runtime.status()).toMatchObject({
      keyCount: 11,
      damage: { lost: 0, unshared: 0, found: 1, healed: 1, keys: [] },
      warnings: [],
    })
    expect(world.members.map(({ runtime: each }) => each.read('k3')?.value)).toEqual([3, 3, 3])
    expect(world.first.logs.filter(line => line.includes('ENTRY_DAMAGED'))).toHaveLength(1)
  })

  it('is found by the scrub though nobody reads it, fetched again, and reported (S7, G12)', async () => {
    const world = await settled()
    const { runtime } = world.first
    const flips = ['k1', 'k4', 'k9', 'n']
    for (const key of flips) flip(world.first, key)
    const check = createIntegrityCheck({
      node: {
        scan: (after, limit) => runtime.scan(after, limit),
        readmit: signed => runtime.readmit(signed),
        damage: () => runtime.status().damage,
      },
      clock: world.clock,
    })
    await world.until(() => check.last().checked, 5_000)
    expect(check.last()).toMatchObject({ rows_checked: 11, rows_corrupt: 4 })
    // What is damaged is named, and never shown.
    expect(check.last().corrupt).toEqual(flips.map(key => ({ seq: expect.any(Number), key })))
    await world.until(() => check.last().healed === 4, 60_000)
    expect(check.last()).toMatchObject({ status: 'healthy', quarantined: 0, quarantined_here_only: 0 })
    await world.until(() => agreed(world), 5_000)
    expect(world.members.map(({ runtime: each }) => each.read('n')?.value)).toEqual([5, 5, 5])
    check.stop()
  })

  it('that no other node has yet stays lost, and is said to be: agreement with a peer does not hide it', async () => {
    const world = await settled()
    const { runtime } = world.first
    everyLink(world, 'cut', 0)
    await runtime.write(put('k3', 33))
    flip(world.first, 'k3')
    expect(runtime.read('k3')).toBeUndefined()
    everyLink(world, 'heal', 0)
    await world.until(
      () => runtime.status().peers.every(({ behind, path }) => behind === 0 && path !== 'none'),
      60_000,
    )
    await world.pass(30_000)
    expect([runtime.quarantine.isDamaged('k3'), runtime.status().damage.unshared]).toEqual([true, 1])
    await runtime.write([{ op: 'delete', key: 'k3' }])
    await runtime.write(put('k3', 34))
    await world.until(() => agreed(world), 10_000)
    expect(world.members.map(({ runtime: each }) => each.read('k3')?.value)).toEqual([34, 34, 34])
  })

  it('of the own counter is not written over before it is back: no increment is lost', async () => {
    const world = await settled()
    const { runtime } = world.first
    flip(world.first, 'n')
    await expect(runtime.write(increment('n', 1))).rejects.toMatchObject({ code: 'ENTRY_DAMAGED' })
    await world.until(() => !runtime.quarantine.isDamaged('n'), 5_000)
    await runtime.write(increment('n', 1))
    await world.until(() => agreed(world), 5_000)
    expect(world.members.map(({ runtime: each }) => each.read('n')?.value)).toEqual([6, 6, 6])
  })

  it('stays refused, and says so, while nobody can be asked; it heals once somebody can', async () => {
    const world = await settled()
    const { runtime } = world.first
    everyLink(world, 'cut', 0)
    flip(world.first, 'k5')
    expect(runtime.read('k5')).toBeUndefined()
    await world.pass(30_000)
    expect(runtime.status().damage).toEqual({ lost: 1, unshared: 0, found: 1, healed: 0, keys: ['k5'] })
    expect(runtime.status().warnings.map(({ code }) => code)).toContain('damaged-entries')
    await expect(runtime.write(put('other', 1))).resolves.toBeDefined()
    everyLink(world, 'heal', 0)
    await world.until(() => runtime.read('k5')?.value === 5, 30_000)
  })

  it('is not given up while a member that may hold it cannot be asked, whatever the others have lost', async () => {
    const world = await settled()
    const [first, second] = world.members as [Member, Member]
    everyLink(world, 'cut', 2)
    // From here on neither knows what the third has acknowledged.
    for (const [index, { image }] of [first, second].entries()) await world.restart(index, image)
    await world.until(() => first.runtime.status().peers.some(({ path }) => path === 'p2p'), 60_000)
    await world.pass(30_000)
    const readings = (): unknown =>
      [first, second].map(({ runtime }) => [runtime.read('k6')?.value, runtime.quarantine.isDamaged('k6')])
    for (const member of [first, second]) flip(member, 'k6')
    expect(readings()).toEqual(Array(2).fill([undefined, true]))
    await world.pass(120_000)
    expect(readings()).toEqual(Array(2).fill([undefined, true]))
    everyLink(world, 'heal', 2)
    await world.until(() => [first, second].every(({ runtime }) => runtime.read('k6')?.value === 6), 60_000)
    await world.until(() => agreed(world), 10_000)
  })

  it('that the other member refuses, whose author it does not know, is not taken for held there', async () => {
    const world = await settled()
    const [first, second, third] = world.members as [Member, Member, Member]
    second.strangers = [third.id]
    await world.restart(1, second.image)
    await third.runtime.write(put('k8', 88))
    await world.until(() => first.runtime.read('k8')?.value === 88, 10_000)
    await third.runtime.stop()
    first.former = [third.id]
    await world.restart(0, first.image)
    await world.until(() => first.runtime.status().peers[0]?.ahead === 0, 60_000)
    await world.pass(60_000)
    expect([first, second].map(({ runtime }) => runtime.read('k8')?.value)).toEqual([88, 8])

    flip(first, 'k8')
    expect(first.runtime.read('k8')).toBeUndefined()
    await world.pass(120_000)
    expect([first.runtime.read('k8'), first.runtime.quarantine.isDamaged('k8')]).toEqual([undefined, true])
    expect(first.runtime.status().damage).toMatchObject({ lost: 1, unshared: 1, keys: ['k8'] })
  })

  it('is not given up because those that had it begin anew on empty disks', async () => {
    const world = await settled()
    const { runtime } = world.first
    everyLink(world, 'cut', 0)
    flip(world.first, 'k2')
    expect(runtime.read('k2')).toBeUndefined()
    for (const other of [1, 2])
      await world.restart(other, createMemoryImage(`00000000000000f${other}` as Incarnation))
    everyLink(world, 'heal', 0)
    await world.until(() => rootsEqual(world) && runtime.status().entryCount === 10, 120_000)
    await world.pass(120_000)
    expect([runtime.read('k2'), runtime.quarantine.isDamaged('k2')]).toEqual([undefined, true])
    expect(runtime.read('k1')?.value).toBe(1)
  })

  it('heals although the others never stop writing', async () => {
    const world = await settled()
    const [first, second] = world.members as [Member, Member]
    flip(first, 'k7')
    first.runtime.read('k7')
    for (let round = 0; round < 40 && first.runtime.quarantine.isDamaged('k7'); round++) {
      await second.runtime.write(put('busy', round))
      await world.pass(100)
    }
    expect(first.runtime.read('k7')?.value).toBe(7)
  })
})

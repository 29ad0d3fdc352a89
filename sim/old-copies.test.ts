/** Machines are put back to old copies while another is cut off: what has ended meanwhile stays away. */
import { expect, it } from '@jest/globals'
import { pathKinds, type Operation } from '@lattice/core'
import type { Release } from './weather.ts'
import { World, type Member } from './world.ts'

const minute = 60_000

/** Retention as short as horizons may be. */
const retentionMs = 11 * minute

/** Three nodes that are one federation. */
class Trio {
  readonly world = new World({ seed: 1, count: 3, params: { tombstoneRetentionMs: retentionMs } })
  /** The first one sets the horizons. */
  readonly nodes = this.world.members.toSorted((a, b) => (a.id < b.id ? -1 : 1)) as [Member, Member, Member]

  async start(): Promise<void> {
    for (const member of this.world.members) this.world.boot(member)
    await this.pass(minute)
  }

  async pass(ms: number): Promise<void> {
    await this.world.timeline.run(this.world.now + ms)
  }

  cut({ index: a }: Member, { index: b }: Member): Release {
    const directions = [[a, b] as const, [b, a] as const]
    const releases = pathKinds.map(kind => this.world.weather.cut(kind, directions))
    return () => releases.forEach(release => release())
  }

  async write({ process }: Member, ...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.#apply(process, { op: 'put', key, value: 1 })
  }

  async delete({ process }: Member, key: string): Promise<void> {
    await this.#apply(process, { op: 'delete', key })
  }

  /** The machine goes off, and starts with less on its disk: by default with what was last backed up. */
  putBack(member: Member, lose = ({ disk }: Member): void => disk.rollBack()): void {
    member.downUntil = this.world.now + 1_000
    this.world.crash(member, false)
    lose(member)
  }

  /** Who reads a key. */
  readers(key: string): number[] {
    return this.nodes.flatMap(({ process }, at) => (process?.runtime.read(key) === undefined ? [] : at))
  }

  /** Where deletes have ended. */
  settled(): number[] {
    return this.nodes.flatMap(({ process }, at) =>
      process?.runtime.status().compaction.horizonWall === undefined ? [] : at,
    )
  }

  async #apply(process: Member['process'], operation: Operation): Promise<void> {
    const written = process?.runtime.write([operation])
    written?.catch(() => this.world.violate('a write was refused'))
    await this.pass(5_000)
  }
}

it('one alone, and who held the same at first learns of the delete only later', async () => {
  const trio = new Trio()
  const [first, second, third] = trio.nodes
  await trio.start()
  await trio.write(first, 'dead')
  second.disk.backUp()
  const apart = [trio.cut(first, third), trio.cut(second, third)] as const
  await trio.delete(first, 'dead')
  await trio.pass(minute)
  await trio.write(first, 'later')
  await trio.pass(retentionMs + minute)
  const lost = trio.cut(first, second)
  trio.putBack(second)
  apart[1]()
  await trio.pass(minute)
  expect(trio.readers('dead')).toEqual([1, 2])
  const alone = trio.cut(second, third)
  // So much that its journal is as long as it was.
  await trio.write(second, 'a', 'b', 'c')
  apart[0]()
  await trio.pass(10 * minute)
  expect([trio.settled(), trio.readers('dead')]).toEqual([[0, 2], [1]])
  for (const release of [lost, alone]) release()
  await trio.pass(10 * minute)
  expect([trio.settled(), trio.readers('dead'), trio.readers('a')]).toEqual([[0, 1, 2], [], [0, 1, 2]])
  expect(trio.world.violations).toEqual([])
  trio.world.end()
})

it('two at once, and they hold the same', async () => {
  const trio = new Trio()
  const [first, ...others] = trio.nodes
  await trio.start()
  await trio.write(first, 'dead')
  for (const { disk } of others) disk.backUp()
  await trio.delete(first, 'dead')
  await trio.pass(minute)
  await trio.write(first, 'later')
  await trio.pass(retentionMs + 10 * minute)
  expect(trio.settled()).toEqual([0, 1, 2])
  const lost = others.map(other => trio.cut(first, other))
  others.forEach(other => trio.putBack(other))
  await trio.pass(minute)
  await trio.write(others[0], 'a', 'b', 'c', 'd')
  expect([trio.settled(), trio.readers('dead')]).toEqual([[0], [1, 2]])
  for (const release of lost) release()
  await trio.pass(10 * minute)
  expect([trio.settled(), trio.readers('dead'), trio.readers('a')]).toEqual([[0, 1, 2], [], [0, 1, 2]])
  expect(trio.world.violations).toEqual([])
  trio.world.end()
})

it.each<[string, (member: Member) => void]>([
  ['do not know what they have lost', ({ disk }) => disk.beginLife()],
  ['are put back to old copies', ({ disk }) => disk.rollBack()],
  ['lose all', ({ disk }) => disk.replace(true)],
])('all at once %s, with nobody to vouch: deletes go on ending', async (_, lose) => {
  const trio = new Trio()
  const { nodes, world } = trio
  await trio.start()
  await trio.write(nodes[0], 'early')
  for (const { disk } of nodes) disk.backUp()
  await trio.delete(nodes[0], 'early')
  await trio.pass(retentionMs + 10 * minute)
  expect(trio.settled()).toEqual([0, 1, 2])
  for (const member of nodes) trio.putBack(member, lose)
  await trio.pass(minute)
  await trio.write(nodes[1], 'late')
  await trio.delete(nodes[2], 'late')
  await trio.pass(retentionMs + 10 * minute)
  const told = nodes.map(({ process }) => process?.runtime.status())
  expect(told.map(status => [status?.compaction.endingCount, status?.warnings])).toEqual(
    nodes.map(() => [0, []]),
  )
  expect(new Set(told.map(status => status?.root)).size).toBe(1)
  expect(world.violations).toEqual([])
  world.end()
})

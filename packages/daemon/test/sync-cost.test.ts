/**
 * What it costs two nodes to become equal, to the byte: whole nodes, every frame counted, from the moment
 * they can hear each other until both know that they are equal. Change a number here only with a reason.
 */
import { afterEach, describe, expect, it } from '@jest/globals'
import type { PathKind } from '@lattice/core'
import { bytesOf, rowsOf, SyncWorld, type Carried } from './sync-world.ts'

const base = rowsOf(3000, { authors: [0], valueBytes: 100 })

let world: SyncWorld

afterEach(() => world.stop())

/** Entries in frames of version 2 leave out the 32 bytes of their author: the sum can be less than theirs. */
interface Cost {
  readonly entryBytes: number
  readonly bytes: number
  readonly roundTrips: number
}

function works({ message }: Carried): boolean {
  const { rows, entries, want, compare, standing } = message
  return [rows, entries, want, compare, standing?.pull].some(section => section !== undefined)
}

/** Requests with their answers where either works; an announce that works counts half. */
function costOf(log: readonly Carried[]): Cost {
  const entries = log.flatMap(({ message }) => [...(message.rows?.entries ?? []), ...(message.entries ?? [])])
  const entryBytes = entries.reduce((sum, { length }) => sum + length, 0)
  const working = (as: Carried['as']): number => log.filter(frame => frame.as === as && works(frame)).length
  return {
    entryBytes,
    bytes: log.reduce((sum, { bytes }) => sum + bytes, 0),
    roundTrips: Math.max(working('request'), working('answer')) + working('announce') / 2,
  }
}

const knowEqual = (): boolean =>
  world.isEqual() &&
  world.nodes.every(({ runtime }) => {
    const { root, peers } = runtime.status()
    return peers.filter(peer => peer.root !== undefined).every(peer => peer.root === root)
  })

async function byCursor(differences: number): Promise<Cost> {
  world = new SyncWorld()
  const nodes = [await world.add(base), await world.add(base)]
  await world.until(knowEqual, 10_000)
  await world.pass(30_000)
  world.cut(0, 1)
  for (let at = 0; at < differences; at++) {
    const value = String(at).padStart(97, '.')
    void nodes[at % 2]?.runtime.write([{ op: 'put', key: `new ${at}`, value }])
    await world.settle()
  }
  await world.pass(90_000)
  world.log.length = 0
  world.heal(0, 1)
  await world.until(knowEqual, 600_000)
  return costOf(world.log)
}

async function byDescent(differences: number, kind: PathKind = 'p2p'): Promise<Cost> {
  const left = Math.ceil(differences / 2)
  const more = rowsOf(differences, { authors: [0], first: base.length, valueBytes: 100 })
  world = new SyncWorld(kind)
  await world.add([...base, ...more.slice(0, left)])
  await world.add([...base, ...more.slice(left)])
  await world.until(knowEqual, 600_000)
  return costOf(world.log)
}

describe('the cost of becoming equal', () => {
  it.each([
    [1, { entryBytes: 213, bytes: 252, roundTrips: 1 }],
    [100, { entryBytes: 21_390, bytes: 18_566, roundTrips: 1 }],
    [1000, { entryBytes: 214_890, bytes: 185_185, roundTrips: 1 }],
  ])('by cursor, with %i differences', async (differences, expected) => {
    expect(await byCursor(differences)).toEqual(expected)
  })

  it.each([
    [1, { entryBytes: 219, bytes: 599, roundTrips: 3 }],
    [100, { entryBytes: 21_900, bytes: 24_323, roundTrips: 3 }],
    [1000, { entryBytes: 21_9000, bytes: 205_325, roundTrips: 3 }],
  ])('by descent, with %i differences', async (differences, expected) => {
    expect(await byDescent(differences)).toEqual(expected)
  })

  it('over HTTP no long poll repeats a step of the descent: its answer would be thrown away', async () => {
    await byDescent(1000, 'http')
    const steps = world.log.filter(({ as, message }) => as === 'request' && message.compare !== undefined)
    expect(steps.length).toBeGreaterThan(0)
    expect(steps.filter(({ message }) => message.waitMs !== undefined)).toEqual([])
    expect(world.log.some(({ message }) => message.waitMs !== undefined)).toBe(true)
  })

  it('by snapshot, with one that holds nothing', async () => {
    world = new SyncWorld()
    await world.add(base)
    await world.add()
    await world.until(knowEqual, 600_000)
    expect(costOf(world.log)).toEqual({ entryBytes: bytesOf(base), bytes: 566_902, roundTrips: 7 })
  })
})

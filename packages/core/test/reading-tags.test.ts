/** What a caller knows a key by, where something older than its version comes after it. */
import { describe, expect, it } from '@jest/globals'
import { parseEntry, type Entry } from '@lattice/core'
import { isOneOf, readKey } from '../src/reading.ts'
import type { Operation } from '../src/status.ts'
import { testWall } from '@lattice/core/testing'
import { alice, bob, sha256 } from './crypto.ts'
import { openReplica } from './replicas.ts'

const add = (element: string): Operation => ({ op: 'add', key: 'k', element })
const increment = (by: number): Operation => ({ op: 'increment', key: 'k', by })

describe.each([
  ['counter', increment(5), increment(7)],
  ['set', add('early'), add('late')],
] as const)('a %s that gets an older write later', (_, early, late) => {
  it('has the same version and another mark, whatever came first', () => {
    const [there, here] = [openReplica(bob), openReplica(alice)]
    there.replica.write([early], testWall)
    here.replica.write([late], testWall + 1_000)
    const [theirs, ours] = [there, here].map(({ replica }) =>
      replica.seal().rows.flatMap(({ bytes }) => parseEntry(bytes, sha256) ?? []),
    ) as [Entry[], Entry[]]
    const before = readKey('k', ours)
    const after = readKey('k', [...ours, ...theirs])
    expect(after?.version).toBe(before?.version)
    expect(after?.mark).toMatch(/^[0-9a-f]{16}$/)
    expect(readKey('k', [...theirs, ...ours])?.mark).toBe(after?.mark)
    if (before === undefined || after === undefined) throw new Error('both are there')
    expect(isOneOf(after, [before])).toBe(false)
    expect(isOneOf(after, [before, after])).toBe(true)
    expect(isOneOf(after, [{ version: before.version }])).toBe(true)
  })
})

it('a register needs no mark', () => {
  const { replica } = openReplica()
  replica.write([{ op: 'put', key: 'k', value: 1 }], testWall)
  expect(replica.readStaged('k')).not.toHaveProperty('mark')
})

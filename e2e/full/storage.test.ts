/**
 * A node whose store was damaged, lost, or turned back in time while it was down: it says what happened, gets
 * everything back from its peers, and counts on where it was (reliability S7–S10, H4, goals G12 and G15).
 */
import { existsSync, readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { lattice } from '../command.ts'
import { World, type Daemon } from '../daemons.ts'
import {
  backUp,
  cutInHalf,
  flipBitsIn,
  loseDatabase,
  putBack,
  replaceContainer,
  spoilFacts,
  spoilPage,
} from '../disk-faults.ts'
import { eventually } from '../eventually.ts'
import { arrives, equalRoots, put, valueOf } from '../federation.ts'

/** Twice what a healed store may take (G12), for a machine that does other things too. */
const limitMs = 120_000

const world = new World()
let nodes: readonly [Daemon, Daemon]
let counted = 0

const count = async (node: Daemon, by: number): Promise<void> => {
  await node.client.transact({ body: { operations: [{ op: 'increment', key: 'count', by }] } })
  counted += by
}

/** Something of every kind, more than one page, on both. */
beforeAll(async () => {
  nodes = (await world.federation(2)) as [Daemon, Daemon]
  const [first] = nodes
  const operations = Array.from({ length: 300 }, (_, at) => {
    return { op: 'put' as const, key: `k${at}`, value: `value ${at} ${'x'.repeat(100)}` }
  })
  await first.client.transact({ body: { operations } })
  await put(first, 'canary', 'a canary that sings in the store')
  await count(first, 5)
  await equalRoots(nodes)
}, limitMs)

afterAll(() => world.close())

/** Stops the first node, lets `fault` happen to its store, starts it again, and holds it to everything. */
async function expectSurvival(fault: (node: Daemon) => void | Promise<void>): Promise<void> {
  const [first, second] = nodes
  await first.stop()
  await fault(first)
  await first.start()
  await arrives([first], 'count', counted)
  await count(first, 1)
  await count(second, 2)
  await arrives(nodes, 'count', counted)
  await equalRoots(nodes)
  expect(await valueOf(first, 'k299')).toBe(`value 299 ${'x'.repeat(100)}`)
  expect(await first.client.getState({ query: { summary: 'true' } })).toMatchObject({ entry_count: 302 })
  const { warnings } = await first.client.getP2pStatus()
  expect(warnings.map(({ code }) => code)).not.toContain('recovering')
}

describe('a store that was damaged while the node was down', () => {
  it(
    'in a value: refused to readers, never spread, fetched again, and reported (S7)',
    async () => {
      const [first, second] = nodes
      await expectSurvival(node => expect(flipBitsIn(node, 'canary that sings')).toBeGreaterThan(0))
      await arrives(nodes, 'canary', 'a canary that sings in the store')
      expect(await valueOf(second, 'canary')).toBe('a canary that sings in the store')
      expect(first.log).toContain('ENTRY_DAMAGED')
      const report = await eventually('the scrub has ended', async () => {
        const { code, stdout } = await lattice(['integrity', '--json', '--url', first.url])
        const found = JSON.parse(stdout) as Record<string, unknown>
        return found['checked'] === true && code === 0 && found
      })
      expect(report).toMatchObject({ status: 'healthy', quarantined: 0, healed: 1 })
    },
    limitMs,
  )

  const faults = [
    ['a page is garbage (S8)', spoilPage],
    ['half of it is gone (S9)', cutInHalf],
    ['it is missing (S9)', loseDatabase],
    ['the container was replaced (H4)', replaceContainer],
  ] as const
  it.each(faults)(
    'as a whole, because %s: recognised, kept, and rebuilt',
    async (_, fault) => {
      const [{ plan }] = nodes
      const aside = (): number =>
        readdirSync(plan.stateDir).filter(name => /damaged-\w+-\w+$/.test(name)).length
      const before = aside()
      await expectSurvival(fault)
      expect(aside()).toBe(before + (fault === spoilPage || fault === cutInHalf ? 1 : 0))
      expect(existsSync(plan.stateDir)).toBe(true)
    },
    limitMs,
  )
})

it(
  'a node alone tells nothing of its state while its damaged store is read back, and then all of it',
  async () => {
    const [alone] = (await world.federation(1)) as [Daemon]
    const keys = Array.from({ length: 4_000 }, (_, at) => `k${at}`)
    for (let at = 0; at < keys.length; at += 1_000) {
      const operations = keys.slice(at, at + 1_000).map(key => ({ op: 'put' as const, key, value: key }))
      await alone.client.transact({ body: { operations } })
    }
    await alone.stop()
    spoilFacts(alone)
    await alone.start()
    const told: string[] = []
    await eventually('the last key is back', async () => {
      const answer = await fetch(`${alone.url}/api/lattice/state/k3999`)
      const { code, value } = (await answer.json()) as { code?: string; value?: string }
      told.push(code ?? 'told')
      return value === 'k3999'
    })
    expect(told.filter(each => each !== 'NOT_READY')).toEqual(['told'])
    expect(await alone.client.getState({ query: { summary: 'true' } })).toMatchObject({ entry_count: 4_000 })
  },
  limitMs,
)

describe('a store that was turned back in time (S10)', () => {
  it.each(['database', 'directory'] as const)(
    'by an old copy of the %s: a new life, and nothing is counted twice or lost',
    async what => {
      const [first] = nodes
      const lives = (): number => new Set(first.log.match(/incarnation [0-9a-f]{16}/g)).size
      await first.stop()
      backUp(first)
      await first.start()
      await count(first, 10)
      await put(first, `written after the copy of the ${what}`, 1)
      await arrives(nodes, 'count', counted)
      const before = lives()
      await first.stop()
      putBack(first, what)
      await first.start()
      await count(first, 100)
      await arrives(nodes, 'count', counted, 60_000)
      await arrives(nodes, `written after the copy of the ${what}`, 1)
      await equalRoots(nodes)
      expect(lives()).toBe(before + 1)
    },
    limitMs,
  )
})

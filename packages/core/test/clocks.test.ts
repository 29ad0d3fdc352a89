/** What nodes say of each other's wall clocks. */
import { describe, expect, it } from '@jest/globals'
import { clockTroubleOf, type NodeStatus, type PeerStatus } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { alice, bob, carol } from './crypto.ts'
import { EnginePair } from './engine-pair.ts'
import { openEngine } from './engines.ts'
import { entryOf } from './replicas.ts'

/** More than a message takes here. */
const wayMs = 50

/**
 * Two nodes, the second with a clock that is `aheadMs` ahead, once `passedMs` have passed.
 * @param isDialled whether the first has an address, too
 */
async function apart(aheadMs: number, passedMs: number, isDialled = true) {
  const alone = { signer: alice, aheadMs: 0, dials: true }
  const pair = new EnginePair([alone, { signer: bob, aheadMs, dials: isDialled }])
  await pair.start()
  await pair.pass(passedMs)
  const statusAt = (place: 0 | 1, jumpedMs = 0): NodeStatus => {
    const at = { mono: passedMs, wall: testWall + passedMs + jumpedMs + (place === 1 ? aheadMs : 0) }
    const { engine } = pair.nodes[place]
    if (jumpedMs !== 0) engine.step({ type: 'tick' }, at)
    return engine.status(at)
  }
  const seenBy = (place: 0 | 1, jumpedMs = 0): number | undefined =>
    statusAt(place, jumpedMs).peers.find(({ nodeId }) => nodeId === pair.nodes[1 - place]?.signer.nodeId)
      ?.clockAheadMs
  return { statusAt, seenBy }
}

describe('the clock of a peer', () => {
  it.each([0, 3_000, -3_000, 90_000, -7_200_000])('that is %i ms ahead is told by both', async aheadMs => {
    const { seenBy } = await apart(aheadMs, 20_000)
    expect(seenBy(0)).toBeLessThanOrEqual(aheadMs)
    expect(seenBy(0)).toBeGreaterThan(aheadMs - wayMs)
    expect(seenBy(1)).toBeLessThanOrEqual(-aheadMs)
    expect(seenBy(1)).toBeGreaterThan(-aheadMs - wayMs)
  })

  it('is not taken for late because its moment is not told every time', async () => {
    const pair = new EnginePair([
      { signer: alice, aheadMs: 0, dials: true },
      { signer: bob, aheadMs: 0, dials: true },
    ])
    await pair.start()
    await pair.pass(20_000)
    const late: (number | undefined)[] = []
    for (let tick = 1; tick <= 40; tick++) {
      await pair.announce(0, carol.nodeId, [entryOf({ key: `k${tick}`, tick }, carol)])
      await pair.pass(900)
      const mono = 20_000 + 900 * tick
      const { peers } = pair.nodes[1].engine.status({ mono, wall: testWall + mono })
      late.push(peers.find(({ nodeId }) => nodeId === alice.nodeId)?.clockAheadMs)
    }
    expect(late.filter(ms => ms === undefined || ms < -wayMs)).toEqual([])
  })

  it('is told by answers as well as by questions', async () => {
    const { seenBy } = await apart(3_000, 20_000, false)
    expect([seenBy(0), seenBy(1)].map(ms => Math.round((ms ?? 0) / 1000))).toEqual([3, -3])
  })

  it('is not known any more once this one has jumped, which it does where a machine was asleep', async () => {
    const { seenBy } = await apart(0, 20_000)
    expect(seenBy(0, 3_600_000)).toBeUndefined()
  })

  it('is in the warnings of who sees it ahead, and of both where it is far off', async () => {
    const codes = ({ warnings }: NodeStatus) =>
      warnings.flatMap(({ code, severity }) => (code === 'clocks-differ' ? [severity] : []))
    const warningsOf = async (aheadMs: number) => {
      const { statusAt } = await apart(aheadMs, 20_000)
      return [codes(statusAt(0)), codes(statusAt(1))]
    }
    expect(await warningsOf(900)).toEqual([[], []])
    expect(await warningsOf(3_000)).toEqual([['low'], []])
    expect(await warningsOf(90_000)).toEqual([['medium'], ['medium']])
  })
})

describe('the clock of this node', () => {
  const engine = openEngine()
  engine.step(
    { type: 'write', id: 1, operations: [{ op: 'put', key: 'k', value: 1 }], conditions: {} },
    {
      mono: 1,
      wall: testWall + 5_000,
    },
  )
  const statusAt = (wall: number): NodeStatus => engine.status({ mono: 2, wall })

  it('is compared with the newest stamp', () => {
    expect(statusAt(testWall + 5_000).clockLeadMs).toBe(0)
    expect(statusAt(testWall + 9_000).clockLeadMs).toBe(0)
    expect(statusAt(testWall).clockLeadMs).toBe(5_000)
    expect(statusAt(testWall).warnings).toContainEqual(
      expect.objectContaining({
        code: 'clocks-differ',
        text: expect.stringMatching(/^The newest stamp here is 5 s ahead of this clock, which was set back/),
      }),
    )
  })

  it('is not doubted by its own stamps where a peer is known to be ahead', () => {
    const ahead = (name: string | undefined, clockAheadMs: number) =>
      ({ nodeId: 'ab'.repeat(32), name, clockAheadMs }) as PeerStatus
    const textOf = (...peers: PeerStatus[]) => clockTroubleOf({ peers, clockLeadMs: 4_000 })?.text
    expect(textOf(ahead('node2', 4_000))).toBe('The clock of node2 is 4 s ahead of this one')
    expect(textOf(ahead('node2', 600_000), ahead('node3', -3), ahead(undefined, -86_400_000))).toBe(
      'The clock of node2 is 10 min ahead of this one. The clock of abababab is 24 h behind this one',
    )
    expect(textOf(ahead('node2', 900))).toMatch(/^The newest stamp here/)
  })
})

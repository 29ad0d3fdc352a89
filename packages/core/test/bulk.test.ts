/** From whom a state is taken over, when others stand in between. */
import { expect, it } from '@jest/globals'
import { defaultParams, encodeValue, signEntry, type Incarnation, type NodeId } from '@lattice/core'
import { noteBrought, settleBulk } from '../src/bulk.ts'
import { wantsOnly } from '../src/descent.ts'
import { antiEntropyMs } from '../src/params.ts'
import { createPeer, type Known, type Peer } from '../src/peers.ts'
import type { Standing } from '../src/sync-plan.ts'
import { testWall } from '@lattice/core/testing'
import { bob, sha256 } from './crypto.ts'
import { TalkingEngine, type Ask } from './engines.ts'

const bobsLife = 'bb'.repeat(8) as Incarnation

const own: Standing = {
  nodeId: 'a'.repeat(64) as NodeId,
  incarnation: '00000000000000aa' as Incarnation,
  seq: 10,
  count: 10,
  root: 'ours',
  horizon: 0n,
  settled: true,
  uncoveredSince: () => undefined,
}

/** A peer that holds far more than we do. */
function openPeer(letter: string, isUp: boolean): Peer {
  const incarnation = letter.repeat(16) as Incarnation
  const peer = createPeer(letter.repeat(64) as NodeId, undefined, 0)
  peer.known = { at: 0, incarnation, seq: 5_000, root: letter, count: 5_000, wall: 0 }
  peer.links.http.up = isUp
  return peer
}

it.each([
  [true, undefined],
  [false, 'c'.repeat(64)],
])('waits for a descent with a peer that can be reached (%s)', (isUp, bulkFrom) => {
  const [descending, able] = [openPeer('b', isUp), openPeer('c', true)]
  descending.descent = { ...wantsOnly, fromRoot: true }
  const members = new Map([descending, able].map(peer => [peer.id, peer]))
  const standing = settleBulk(members, own, 0, { phase: 'HTTP', since: 0, holdUntil: 0 }, defaultParams)
  expect(standing.bulkFrom).toBe(bulkFrom)
})

it('is no reason to let others wait for ever: one transfer after the other counts as one', () => {
  const [liar, honest] = [openPeer('b', true), openPeer('c', true)]
  liar.known = { ...(liar.known as Known), seq: 200, count: 1_000_000 }
  liar.cursor = { incarnation: liar.known.incarnation, seq: 1 }
  const members = new Map([liar, honest].map(peer => [peer.id, peer]))
  const waited: number[] = []
  for (let now = 0; now <= 2 * antiEntropyMs; now += 5_000) {
    // It brings a word each time, and once it has told all there is more.
    const seq: number = liar.cursor.seq
    liar.cursor = { ...liar.cursor, seq: seq + 10 }
    liar.known = { ...liar.known, seq: Math.max(liar.known.seq, seq + 11) }
    noteBrought(liar)
    const at = { phase: 'HTTP', since: 0, holdUntil: 0 } as const
    if (settleBulk(members, own, now, at, defaultParams).bulkFrom === liar.id) waited.push(now)
  }
  expect(waited).not.toEqual([])
  expect(Math.max(...waited)).toBeLessThan(antiEntropyMs)
})

it.each(['were forged', 'found no room on the disk'])(
  'goes back at once to rows that came and %s, whatever else is on its way',
  async fate => {
    const { node, beat, next, comes } = await taker()
    const first = await next()
    await comes(first)
    const second = await next()
    await comes(second)
    expect([first, second].map(({ message }) => message.pull?.after)).toEqual([0, 100])
    const third = await next()
    if (fate === 'were forged') await node.step({ type: 'ask-failed', id: first.id, reason: fate })
    else {
      node.isFull = true
      const version = BigInt(testWall) * 65_536n
      const entry = signEntry({ key: 'k', slot: '', value: encodeValue(1), base: 0n, version }, bob, sha256)
      const message = { version: 1, beat, rows: rowsOf(first) } as const
      await node.step({ type: 'answer', id: first.id, message, entries: [entry] })
    }
    await node.step({ type: 'answer', id: third.id, message: { version: 1, beat }, entries: [] })
    expect((await next()).message.pull?.after).toBe(0)
  },
)

/** A hundred rows of the journal, as an answer to a pull has them. */
function rowsOf({ message: { pull } }: Ask) {
  const { after = 0 } = pull ?? {}
  return { incarnation: bobsLife, after, upTo: after + 100, entries: [], locators: [] }
}

/** Alice, whom bob's state is to fill: her next pull, and the arrival of what it brings. */
async function taker() {
  const node = new TalkingEngine()
  const root = new Uint8Array(32).fill(7)
  const beat = { incarnation: bobsLife, seq: 5_000, count: 5_000, root, wall: testWall, heardMs: { http: 0 } }
  const next = async (): Promise<Ask> => {
    for (let turns = 0; turns < 20; turns++) {
      await node.until(() => node.asked.length > 0)
      const ask = node.asked.shift() as Ask
      if (ask.message.pull?.full === true) return ask
      await node.step({ type: 'answer', id: ask.id, message: { version: 1, beat }, entries: [] })
    }
    throw new Error('nothing was pulled')
  }
  const comes = (ask: Ask): Promise<void> =>
    node.step({ type: 'received', id: ask.id, message: { beat, rows: rowsOf(ask) } })
  await node.step({ type: 'transport', path: 'http', started: true })
  await node.step({ type: 'peer-up', path: 'http', peer: bob.nodeId })
  return { node, beat, next, comes }
}

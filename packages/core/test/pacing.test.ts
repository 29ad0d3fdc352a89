/** How often a node repeats what the other cannot take, and how long it waits for answers. */
import { describe, expect, it } from '@jest/globals'
import {
  encodeValue,
  signEntry,
  type ErrorCode,
  type Incarnation,
  type Signer,
  type VerifiedEntry,
} from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { antiEntropyMs } from '../src/params.ts'
import { alice, bob, carol, sha256 } from './crypto.ts'
import { EnginePair, type PairedPlan } from './engine-pair.ts'
import { TalkingEngine, type Ask } from './engines.ts'

const hourMs = 3_600_000
const incarnation = '00000000000000bb' as Incarnation

/** More than a frame holds, of a third author, stamped an hour ahead of true time. */
const fromTheFuture = Array.from({ length: 20 }, (_, index): VerifiedEntry => {
  const version = BigInt(testWall + hourMs) * 65_536n + BigInt(index)
  const value = encodeValue('x'.repeat(60_000))
  return signEntry({ key: `k${index}`, slot: '', value, base: 0n, version }, carol, sha256)
})

/**
 * Pauses between fruitless exchanges grow to 10 s; each is a question and what was wanted in the answer.
 * Without them it is ten a second.
 */
const perMinuteMax = 24

describe('the time for an exchange', () => {
  it('doubles with each that ran out of it, up to four times, and returns once less is enough', async () => {
    const node = new TalkingEngine()
    const root = new Uint8Array(32).fill(7)
    const beat = { incarnation, seq: 500, count: 500, root, wall: testWall, heardMs: { http: 0 } }
    /** Lets the next question that `isMeant` end so; the others are answered. How long it was given. */
    const end = async (isMeant: (ask: Ask) => boolean, code?: ErrorCode): Promise<number> => {
      for (let turns = 0; turns < 100; turns++) {
        await node.until(() => node.asked.length > 0)
        const ask = node.asked.shift() as Ask
        const isIt = isMeant(ask)
        if (isIt && code !== undefined)
          await node.step({ type: 'ask-failed', id: ask.id, reason: code, code })
        else await node.step({ type: 'answer', id: ask.id, message: { version: 1, beat }, entries: [] })
        if (isIt) return ask.timeoutMs
      }
      throw new Error('it was not asked')
    }
    const isExchange = ({ message: { pull, compare, waitMs } }: Ask): boolean =>
      (pull ?? compare) !== undefined && waitMs === undefined
    await node.step({ type: 'transport', path: 'http', started: true })
    await node.step({ type: 'peer-up', path: 'http', peer: bob.nodeId })
    const times: number[] = []
    for (let turn = 0; turn < 4; turn++) times.push(await end(isExchange, 'PEER_TIMEOUT'))
    expect(times).toEqual([10_000, 20_000, 40_000, 40_000])
    expect(await end(isExchange, 'PEER_UNREACHABLE')).toBe(40_000)
    const returning: number[] = []
    for (let turn = 0; turn < 3; turn++) returning.push(await end(isExchange))
    expect(returning).toEqual([40_000, 20_000, 10_000])
  })
})

describe('entries that a peer has to defer', () => {
  it.each([
    ['the lesser', 0],
    ['the greater', 1],
  ] as const)(
    'are offered at a growing distance: %s node id holds them, and only it can dial',
    async (_, holder) => {
      const signers = [alice, bob].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)) as [Signer, Signer]
      const plan = (place: 0 | 1): PairedPlan => {
        const holds = place === holder
        return { signer: signers[place], aheadMs: holds ? hourMs : 0, dials: holds }
      }
      const pair = new EnginePair([plan(0), plan(1)])
      const [giver, taker] = [pair.nodes[holder], pair.nodes[holder === 0 ? 1 : 0]]
      await pair.start()
      await pair.pass(2_000)
      await pair.announce(holder, carol.nodeId, fromTheFuture)
      await pair.pass(30_000)
      expect(taker.engine.replica.deferred.count).toBeGreaterThan(0)
      const before = giver.asked.length
      await pair.pass(60_000)
      expect(giver.asked.length - before).toBeGreaterThan(1)
      expect(giver.asked.length - before).toBeLessThanOrEqual(perMinuteMax)
    },
  )
})

describe('entries that a node has to defer, and is told of by locator', () => {
  /** Small ones of a third author, stamped `aheadMs` ahead of true time. */
  const entries = (aheadMs: number, from: number, count: number): VerifiedEntry[] =>
    Array.from({ length: count }, (_, at): VerifiedEntry => {
      const version = BigInt(testWall + aheadMs) * 65_536n + BigInt(from + at)
      const content = { key: `k${from + at}`, slot: '', value: encodeValue(at), base: 0n, version }
      return signEntry(content, carol, sha256)
    })

  it('are asked for once: the cursor passes them, and the next poll waits for news', async () => {
    const pair = new EnginePair([
      { signer: alice, aheadMs: hourMs, dials: false },
      { signer: bob, aheadMs: 0, dials: true },
    ])
    const [giver, taker] = pair.nodes
    const shared = entries(0, 0, 1)
    await pair.start()
    await pair.announce(0, carol.nodeId, shared)
    await pair.announce(1, carol.nodeId, shared)
    await pair.pass(5_000)
    // The others come while the taker asks for the first: its answer tells of them too.
    await pair.announce(0, carol.nodeId, entries(hourMs, 1, 1))
    await pair.pass(7)
    await pair.announce(0, carol.nodeId, entries(hourMs, 2, 9))
    const before = taker.asked.length
    await pair.pass(60_000)
    const asked = taker.asked.slice(before)
    expect(taker.engine.replica.deferred.count).toBe(10)
    expect(asked.at(-1)?.standing?.ack).toBe(giver.engine.replica.committedSeq)
    expect(asked.length).toBeLessThanOrEqual(perMinuteMax)
    expect(asked.filter(({ want, waitMs }) => want !== undefined && waitMs !== undefined)).toEqual([])
  })
})

describe('replicas that differ for long, and are written to meanwhile', () => {
  /** A third author's word at true time `ms`. */
  const word = (key: string, ms: number, text: string): VerifiedEntry => {
    const version = BigInt(testWall + ms) * 65_536n
    return signEntry({ key, slot: '', value: encodeValue(text), base: 0n, version }, carol, sha256)
  }

  it('descend all the same, at a growing distance: journals bring what is new', async () => {
    const plan = (signer: Signer, aheadMs: number): PairedPlan => ({ signer, aheadMs, dials: true })
    // No pause between commits is as long as the wait for the other's first word; descents span some.
    const pair = new EnginePair([plan(alice, hourMs), plan(bob, 0)], 50)
    let time = 0
    const write = async (ms: number): Promise<void> => {
      for (const end = time + ms; time < end; time += 200) {
        await pair.announce(1, carol.nodeId, [word(`k${time % 1000}`, time, `${time}`)])
        await pair.pass(200)
      }
    }
    const descents = (): number =>
      pair.nodes.flatMap(({ asked }) => asked.filter(({ compare }) => compare !== undefined)).length
    await pair.start()
    await pair.pass(2_000)
    await pair.announce(0, carol.nodeId, [word('early', hourMs, 'x'.repeat(60_000))])
    await pair.pass(antiEntropyMs)
    await write(60_000)
    const before = descents()
    await write(60_000)
    expect(descents() - before).toBeGreaterThan(0)
    expect(descents() - before).toBeLessThanOrEqual(6)
    expect(pair.nodes[1].engine.replica.deferred.count).toBe(1)
  })
})

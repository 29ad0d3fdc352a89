/** What a message changes of what is known of its sender, and what it must not change. */
import { beforeEach, describe, expect, it, jest } from '@jest/globals'
import { defaultParams, encodeValue, LatticeError, versionAt } from '@lattice/core'
import type { Beat, Effect, Message, NodeId, Row, Rows, VerifiedEntry } from '@lattice/core'
import { createMemoryStore, createSeededRandom, testWall } from '@lattice/core/testing'
import { CommitPipeline } from '../src/commits.ts'
import { beginDescent, type Descent } from '../src/descent.ts'
import { Dialect } from '../src/dialect.ts'
import { Composer } from '../src/exchange.ts'
import { Intake } from '../src/intake.ts'
import { Outbox } from '../src/outbox.ts'
import { createPeer, type Peer } from '../src/peers.ts'
import { storedEntry } from '../src/winners.ts'
import { alice, bob, sha256 } from './crypto.ts'
import { entryOf, life, openReplica, write, type TestReplica } from './replicas.ts'

const at = { mono: 1, wall: testWall }
const info = { name: 'bob', role: 'node', software: 'test' }

let node: TestReplica
let peer: Peer
let intake: Intake
let commits: CommitPipeline
let told: Effect[]

/** Alice's intake over what she holds by now. */
function open(): void {
  const { replica, store } = node
  const [self, params] = [alice.nodeId, defaultParams]
  commits = new CommitPipeline(replica, store, sha256)
  const composer = new Composer({ self, info, hash: sha256, store, replica })
  const dialect = new Dialect(self, store.incarnation)
  peer = createPeer(bob.nodeId, undefined, 0)
  const peers = new Map<NodeId, Peer>([[bob.nodeId, peer]])
  const outbox = new Outbox({ params, random: createSeededRandom(1), composer, dialect, peers })
  told = []
  const tell = (...effects: readonly Effect[]): void => void told.push(...effects)
  const root = (): string => composer.rootHex()
  const others = new Set(peers.keys())
  const startWall = testWall
  intake = new Intake({ self, others, store, replica, commits, composer, outbox, root, startWall, tell })
}

/** What is staged goes to the disk, which takes it or refuses. */
async function settle(isRefused = false): Promise<void> {
  for (const effect of commits.pump(() => ''))
    if (effect.type === 'persist' && isRefused)
      commits.failed(new LatticeError('STORE_UNAVAILABLE'), testWall)
    else if (effect.type === 'persist') {
      await node.store.commit(effect.batch)
      commits.committed(() => '')
    }
}

function beatOf(seq: number, rest: Partial<Beat> = {}): Beat {
  const root = new Uint8Array(32).fill(7)
  return { incarnation: life(2), seq, root, count: seq, wall: testWall, heardMs: {}, ...rest }
}

function hear(message: Message): void {
  intake.absorb(peer, message, 'http', at)
}

function take(message: Message, entries: readonly VerifiedEntry[] = []): void {
  intake.takeIn(peer, { message, entries }, 'http', at)
}

/** Rows of bob's journal that hold nothing new. */
function rowsOf(after: number, upTo: number, locators: Rows['locators'] = []): Message {
  return { rows: { incarnation: life(2), after, upTo, entries: [], locators } }
}

beforeEach(async () => {
  node = openReplica(alice, createMemoryStore({ incarnation: life(1) }))
  for (const key of ['a', 'b']) await write(node, [{ op: 'put', key, value: 1 }])
  open()
})

it('after the last step of a descent one more request is due, which says how this node stands', () => {
  const answered = (askedDescent: Descent | undefined): Descent | undefined => {
    peer.descent = askedDescent
    const how = {
      path: 'p2p',
      sentAt: 0,
      isPoll: false,
      isWork: true,
      inFull: false,
      isReceived: true,
    } as const
    const told = { cursor: undefined, root: undefined, askedFetch: undefined, hasBrought: false }
    intake.followUp({ peer, ...how, ...told, askedDescent }, {}, true, 0, at)
    return peer.descent
  }
  const last = { ...beginDescent(node.replica.trie, '', 3), reads: 1024 }
  const closing = answered(last)
  expect(closing).toMatchObject({ fromRoot: true, next: undefined, push: [], want: [] })
  expect(answered(closing)).toBeUndefined()
})

it('what a peer held in an earlier life it holds no more', () => {
  hear({ beat: beatOf(1), ack: { incarnation: life(1), seq: 2 } })
  expect(peer.held).toBe(2)
  hear({ beat: beatOf(1, { incarnation: life(3) }) })
  expect(peer.held).toBe(0)
})

describe('what a peer says of horizons', () => {
  const direct = {
    beat: beatOf(1),
    ack: { incarnation: life(1), seq: 1 },
    horizon: { settled: 0n, floor: 5n },
  }

  it('outlasts its announces, which make no acknowledgement count beside it', () => {
    hear(direct)
    hear({ beat: beatOf(2), acks: [{ node: alice.nodeId, incarnation: life(1), seq: 2 }] })
    expect([peer.stated, peer.statedAcked?.seq, peer.acked?.seq]).toEqual([direct.horizon, 1, 2])
  })

  it('is not what a step of a descent says, which acknowledges nothing and may have been overtaken', () => {
    hear(direct)
    hear({ horizon: { settled: 0n, floor: 9n } })
    expect([peer.stated, peer.statedAcked?.seq]).toEqual([direct.horizon, 1])
  })

  it('is nothing yet where it has begun anew', () => {
    hear(direct)
    hear({ beat: beatOf(2, { incarnation: life(9) }), acks: [] })
    expect(peer.stated).toBeUndefined()
  })
})

describe('an acknowledgement of more than there is', () => {
  const beyond = { beat: beatOf(1), ack: { incarnation: life(1), seq: 9 } }

  it('acknowledges nothing', () => {
    hear(beyond)
    expect([peer.acked, peer.statedAcked, node.replica.isRecovering]).toEqual([undefined, undefined, true])
  })

  it('is believed, also where the disk has refused to remember it', async () => {
    hear(beyond)
    await settle(true)
    expect(node.replica.isRecovering).toBe(true)
  })

  it.each([
    ['is a new life, also by words of its own below the horizon', true, 1],
    ['and what has ended comes back to whoever merely recovers', false, 0],
  ])('%s', async (_, isOld, lives) => {
    node.replica.propose(versionAt(testWall - 1), new Map([[alice.nodeId, life(1)]]))
    await settle()
    open()
    if (isOld) hear(beyond)
    else node.replica.recover()
    const own = entryOf({ key: 'own', tick: -65_536 * 1_000, value: encodeValue(1) }, alice)
    take({ entries: [own.bytes] }, [own])
    expect(told.filter(({ type }) => type === 'distrust-store')).toHaveLength(lives)
  })
})

it('an own entry that comes back to where it was damaged is no sign of another life', () => {
  const row = node.store.slots('a')[0] as Row
  const entry = { ...storedEntry(row), bytes: row.bytes.slice() }
  Object.assign(row, { bytes: row.bytes.map((byte, index) => (index === 90 ? byte ^ 1 : byte)) })
  expect(node.replica.read('a')).toBeUndefined()
  node.replica.quarantine.take()
  take({ entries: [entry.bytes] }, [entry])
  expect([node.replica.hasForming, told]).toEqual([true, []])
})

it('nor is one that was damaged, and comes back only after its key was deleted', async () => {
  await write(node, [{ op: 'add', key: 'set', element: 1 }], testWall + 60_000)
  const row = node.store.slots('set')[0] as Row
  const entry = { ...storedEntry(row), bytes: row.bytes.slice() }
  Object.assign(row, { bytes: row.bytes.map(byte => byte ^ 1) })
  node.replica.read('set')
  node.replica.quarantine.take()
  await write(node, [{ op: 'delete', key: 'set' }], testWall + 61_000)
  take({ entries: [entry.bytes] }, [entry])
  expect([told, intake.own.clonedWall]).toEqual([[], undefined])
})

describe('equal roots', () => {
  it('acknowledge all that is here, and count on once the peer has said who it is', () => {
    const countOn = jest.spyOn(node.replica, 'countOn')
    const beat = beatOf(3, { root: node.replica.trie.root() })
    hear({ beat })
    expect([peer.acked, peer.cursor]).toEqual([
      { incarnation: life(1), seq: 2 },
      { incarnation: life(2), seq: 3 },
    ])
    hear({ beat, info })
    expect(countOn).not.toHaveBeenCalled()
    hear({ beat })
    expect(countOn).toHaveBeenCalled()
  })
})

describe('the cursor', () => {
  beforeEach(() => hear({ beat: beatOf(20) }))

  it('passes no row that the disk has refused', async () => {
    const entry = entryOf({ key: 'c', tick: 1 }, bob)
    const message = { rows: { ...(rowsOf(0, 3).rows as Rows), entries: [entry.bytes] } }
    take(message, [entry])
    await settle(true)
    expect(peer.cursor).toBeUndefined()
    take(message, [entry])
    expect(peer.cursor).toBeUndefined()
    await settle()
    expect(peer.cursor?.seq).toBe(3)
  })

  it('passes rows that came before their time once it gets there, and no gap', () => {
    take(rowsOf(0, 3))
    take(rowsOf(5, 7))
    take(rowsOf(3, 4))
    expect(peer.cursor?.seq).toBe(4)
    take(rowsOf(4, 5))
    expect(peer.cursor?.seq).toBe(7)
  })

  it('passes none of them that were told by locator', () => {
    take(rowsOf(0, 3))
    take(rowsOf(4, 9, [{ path: new Uint8Array(4), digest: new Uint8Array(6) }]))
    take(rowsOf(3, 4))
    expect(peer.cursor?.seq).toBe(4)
  })

  it('passes none of them where the journal has been shorter since', () => {
    take(rowsOf(0, 3))
    take(rowsOf(5, 9))
    hear({ beat: beatOf(8) })
    hear({ beat: beatOf(20) })
    take(rowsOf(3, 5))
    expect(peer.cursor?.seq).toBe(5)
  })
})

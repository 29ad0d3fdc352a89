/** Short frames: what is left out is put back exactly, and never taken for another life of either side. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { decodeMessage, encodeMessage, encodeValue, type Incarnation, type Message } from '@lattice/core'
import { anyMessage, assertProperty } from '@lattice/core/testing'
import { abbreviate, spellOut, type Acquaintance } from '../src/abbreviation.ts'
import { Dialect } from '../src/dialect.ts'
import { createPeer, type Peer } from '../src/peers.ts'
import { alice, bob, carol, sha256 } from './crypto.ts'
import { entryOf, life } from './replicas.ts'

const lives = fc
  .bigInt({ min: 0n, max: 2n ** 64n - 1n })
  .map(id => id.toString(16).padStart(16, '0') as Incarnation)
const pairs = fc.tuple(lives, lives)

/** What a node at `own` can say to one at `theirs`: positions belong to the two. */
function sayable(message: Message, own: Incarnation, theirs: Incarnation, seq: number): Message {
  const { beat, rows, pull, acks: _, ...rest } = message
  const after = Math.min(seq, rows?.after ?? 0)
  return {
    ...rest,
    ...(beat === undefined ? {} : { beat: { ...beat, incarnation: own, seq, heardMs: { p2p: seq } } }),
    ...(beat === undefined || pull === undefined
      ? {}
      : {
          ack: { incarnation: theirs, seq: 7 },
          pull: { ...pull, incarnation: theirs, after: 7 + (pull.after % 2 ** 40) },
        }),
    ...(beat === undefined || rows === undefined
      ? {}
      : { rows: { ...rows, incarnation: own, after, upTo: Math.max(after, Math.min(seq, rows.upTo)) } }),
  }
}

function carried(message: Message): Message {
  return decodeMessage(encodeMessage(message, alice.nodeId), alice.nodeId) as Message
}

const someMessage = anyMessage([alice, bob, carol], sha256)

describe('a short message', () => {
  it('says all that the long one says, in full and by tag', () => {
    assertProperty(
      fc.property(someMessage, pairs, fc.nat(100_000), fc.boolean(), (any, [own, theirs], seq, inFull) => {
        const message = carried(sayable(any, own, theirs, seq))
        const sent = carried(abbreviate(message, { self: alice.nodeId, own, theirs }, { inFull }))
        const { count, wall } = message.beat ?? { count: 0, wall: 0 }
        const receiver: Acquaintance = { self: bob.nodeId, own: theirs, theirs: own }
        expect(spellOut(sent, receiver, { count, wall })).toEqual({ message, isForeign: false })
      }),
      300,
    )
  })

  it('is of no journal to whoever knows another life of either side; its entries are still taken', () => {
    const entry = entryOf({ tick: 1, value: encodeValue(1) }, alice).bytes
    assertProperty(
      fc.property(pairs, pairs, ([own, theirs], [ownKnown, theirsKnown]) => {
        const same = Number(`0x${own.slice(8)}`) ^ Number(`0x${theirs.slice(8)}`)
        fc.pre(same !== (Number(`0x${ownKnown.slice(8)}`) ^ Number(`0x${theirsKnown.slice(8)}`)))
        const beat = { incarnation: own, seq: 9, root: new Uint8Array(32), count: 1, wall: 1, heardMs: {} }
        const rows = { incarnation: own, after: 8, upTo: 9, entries: [entry], locators: [] }
        const message: Message = { beat, rows, pull: { incarnation: theirs, after: 0, full: true } }
        const sent = carried(abbreviate(message, { self: alice.nodeId, own, theirs }, { inFull: false }))
        const receiver: Acquaintance = { self: bob.nodeId, own: theirsKnown, theirs: ownKnown }
        expect(spellOut(sent, receiver, undefined)).toEqual({
          message: { entries: [entry] },
          isForeign: true,
        })
      }),
      100,
    )
  })

  it('in full to a former life of the receiver keeps its own position, and nothing of the receiver', () => {
    const beat = { incarnation: life(1), seq: 9, root: new Uint8Array(32), count: 1, wall: 1, heardMs: {} }
    const message: Message = {
      beat,
      ack: { incarnation: life(2), seq: 5 },
      pull: { incarnation: life(2), after: 5, full: false },
    }
    const sent = carried(
      abbreviate(message, { self: alice.nodeId, own: life(1), theirs: life(2) }, { inFull: true }),
    )
    const receiver: Acquaintance = { self: bob.nodeId, own: life(3), theirs: undefined }
    expect(spellOut(sent, receiver, undefined)).toEqual({ message: { beat }, isForeign: false })
  })

  it('of acknowledgements tells each receiver those of its present life', () => {
    const acks = [life(1), life(2)].flatMap((incarnation, seq) =>
      [bob, carol].map(({ nodeId: node }) => ({ node, incarnation, seq })),
    )
    const who: Acquaintance = { self: alice.nodeId, own: life(5), theirs: undefined }
    const sent = carried(abbreviate({ acks }, who, { inFull: true }))
    const receiver: Acquaintance = { self: bob.nodeId, own: life(2), theirs: life(5) }
    expect(spellOut(sent, receiver, undefined).message.acks).toEqual([
      { node: bob.nodeId, incarnation: life(2), seq: 1 },
    ])
  })

  it('that speaks of "the same root" means the one that was asked with, and nothing without a question', () => {
    const root = new Uint8Array(32).fill(5)
    const beat = { incarnation: life(1), seq: 9, root, count: 1, wall: 1, heardMs: {} }
    const who: Acquaintance = { self: alice.nodeId, own: life(1), theirs: life(2) }
    const sent = carried(abbreviate({ beat }, who, { inFull: false, requestRoot: root }))
    expect(encodeMessage(sent).length).toBeLessThan(16)
    const receiver: Acquaintance = { self: bob.nodeId, own: life(2), theirs: life(1) }
    expect(spellOut(sent, receiver, beat, root).message.beat?.root).toEqual(root)
    expect(spellOut(sent, receiver, beat)).toEqual({ message: {}, isForeign: true })
  })
})

describe('a dialect', () => {
  const dialect = new Dialect(alice.nodeId, life(1))
  const other = new Dialect(bob.nodeId, life(2))
  const link = { path: 'p2p', sentAt: 0 } as const
  const beat = { incarnation: life(1), seq: 9, root: new Uint8Array(32), count: 1, wall: 1, heardMs: {} }
  const peerOf = (): Peer => createPeer(bob.nodeId, undefined, 0)

  it('begins with the newest version, and goes back to what the peer speaks', () => {
    const peer = peerOf()
    expect(dialect.versionFor(peer)).toBe(2)
    expect(dialect.agreeOn(peer, [1, 1], link, 5)).toBe(true)
    expect(dialect.versionFor(peer)).toBe(1)
    expect(dialect.phrase({ beat }, peer, { version: 1 })).toEqual({ beat, speaks: 2 })
    expect(dialect.phraseForAll({ beat }, [peer, peerOf()])).toEqual({ beat, speaks: 2 })
  })

  it('does not try again what the peer has refused, nor what we do not speak ourselves', () => {
    for (const range of [
      [2, 2],
      [3, 9],
      [0, 0],
    ] as const)
      expect([range, dialect.agreeOn(peerOf(), range, link, 5)]).toEqual([range, false])
  })

  it('takes up version 2 again when the peer shows that it speaks it', () => {
    const peer = peerOf()
    peer.speaks = 1
    dialect.understand(peer, { beat, speaks: 2 })
    expect(dialect.versionFor(peer)).toBe(2)
    dialect.understand(peer, { beat })
    expect(dialect.versionFor(peer)).toBe(1)
  })

  it('names both lives until the peer has shown that it knows them, and again when it does not any more', () => {
    const [toBob, toAlice] = [peerOf(), createPeer(alice.nodeId, undefined, 0)]
    const first = dialect.phrase({ beat }, toBob, { version: 2 })
    expect(first.standing?.lives).toEqual({ own: life(1) })
    toAlice.known = { ...beat, at: 0, root: '', incarnation: life(1) }
    const { manner } = other.understand(toAlice, first)
    expect(manner).toEqual({ version: 2, greets: true })
    const answer = other.phrase({ beat: { ...beat, incarnation: life(2) } }, toAlice, manner)
    const { message } = dialect.understand(toBob, answer, { root: beat.root, inFull: true })
    expect(message.beat?.incarnation).toBe(life(2))
    toBob.known = { ...beat, at: 0, root: '', incarnation: life(2) }
    const second = dialect.phrase({ beat }, toBob, { version: 2 })
    expect(second.standing?.lives).toHaveProperty('tag')
    const reborn = new Dialect(bob.nodeId, life(3)).understand(toAlice, second)
    expect(reborn.message).toEqual({})
    expect(toAlice.knowsUs).toBe(false)
  })

  it('names both lives to a peer that has begun anew and only asks, whatever its former life knew', () => {
    const [toBob, toAlice] = [peerOf(), createPeer(alice.nodeId, undefined, 0)]
    toBob.cursor = { incarnation: life(2), seq: 4 }
    other.understand(toAlice, dialect.phrase({ beat, ack: toBob.cursor }, toBob, { version: 2 }))
    other.understand(toAlice, dialect.phraseForAll({ beat, acks: [] }, []))
    expect(toAlice.knowsUs).toBe(true)
    const reborn = new Dialect(alice.nodeId, life(3))
    const asked = reborn.phrase({ beat: { ...beat, incarnation: life(3) } }, peerOf(), { version: 2 })
    const { message, manner } = other.understand(toAlice, asked)
    toAlice.known = { ...beat, at: 0, root: '', incarnation: life(3) }
    const answer = other.phrase({ beat: { ...beat, incarnation: life(2) } }, toAlice, manner)
    const heard = reborn.understand(peerOf(), answer, { root: message.beat?.root, inFull: true })
    expect(heard.message.beat?.incarnation).toBe(life(2))
  })
})

/** The bounds of vectors/: at each of them everything is taken, and just beyond it nothing. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import {
  admit,
  decodeMessage,
  decodeValue,
  entrySignature,
  fromHex,
  isMalformed,
  parseEntry,
  type Entry,
} from '@lattice/core'
import { piecesToHex } from '@lattice/core/testing'
import { alice, sha256, verifies } from './crypto.ts'
import { openReplica } from './replicas.ts'

interface Bound {
  readonly bound: string
  readonly accepted: string
  readonly refused: string
}

const file = join(import.meta.dirname, '../../../vectors/bounds.json')
const { values, entries, frames, clock } = JSON.parse(readFileSync(file, 'utf8')) as {
  values: Bound[]
  entries: Bound[]
  frames: Bound[]
  clock: { wall: number; taken: string[]; waits: string[] }
}

const bytesOf = (pieces: string): Uint8Array => fromHex(piecesToHex(pieces)) as Uint8Array

describe.each<[what: string, bounds: Bound[], accepts: (bytes: Uint8Array) => boolean]>([
  ['values', values, bytes => decodeValue(bytes) !== undefined],
  ['entries', entries, bytes => parseEntry(bytes, sha256) !== undefined],
  ['frames', frames, bytes => !isMalformed(decodeMessage(bytes, alice.nodeId))],
])('%s', (_, bounds, accepts) => {
  it.each(bounds)('$bound', ({ accepted, refused }) => {
    expect([accepts(bytesOf(accepted)), accepts(bytesOf(refused))]).toEqual([true, false])
  })
})

it('entries beyond a bound bear a good signature: they are refused for what they say', () => {
  for (const { bound, accepted, refused } of entries)
    for (const bytes of [accepted, refused].map(bytesOf)) {
      const end = bytes.length - 64
      const message = Buffer.concat([Buffer.from('lattice/entry/v1\0'), bytes.subarray(0, end)])
      const claim = { author: alice.nodeId, message, signature: bytes.subarray(end) }
      expect([bound, verifies(claim)]).toEqual([bound, true])
    }
})

it('what is ahead of the clock waits, and what is not is taken', () => {
  const verdictOf = (hex: string): unknown => {
    const entry = parseEntry(bytesOf(hex), sha256) as Entry
    expect(verifies(entrySignature(entry))).toBe(true)
    return openReplica().replica.offer([admit(entry)], 'p2p', clock.wall)
  }
  expect(clock.taken.map(verdictOf)).toEqual(clock.taken.map(() => ['staged']))
  expect(clock.waits.map(verdictOf)).toEqual(clock.waits.map(() => ['deferred']))
})

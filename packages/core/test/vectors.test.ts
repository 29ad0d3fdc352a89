/**
 * The vectors are what the code does: a change of the protocol has to show in vectors/ and in
 * docs/protocol.md.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import {
  checkProof,
  decodeMessage,
  decodeValue,
  encodeMessage,
  entrySignature,
  fromHex,
  isMalformed,
  isUnsound,
  parseEntry,
  toHex,
  type KeyProof,
  type Message,
  type NodeId,
} from '@lattice/core'
import { vectorFiles } from '@lattice/core/testing'
import { readingInWords } from '../src/testing/vector-readings.ts'
import { alice, bob, sha256, sha512, verifies } from './crypto.ts'

const folder = join(import.meta.dirname, '../../../vectors')
const bytesOf = (hex: string): Uint8Array => fromHex(hex) as Uint8Array

function read<T>(name: string): T {
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as T
}

const files = vectorFiles({ hash: sha256, wideHash: sha512, alice, bob })

describe('vectors', () => {
  it.each([...files.keys()])('%s is what the code makes of the same input', name => {
    expect(readFileSync(join(folder, name), 'utf8')).toBe(files.get(name))
  })

  it('good entries are accepted, refused ones are not', () => {
    const isAccepted = (hex: string): boolean => {
      const entry = parseEntry(bytesOf(hex), sha256)
      return entry !== undefined && verifies(entrySignature(entry))
    }
    const { valid, refused } = read<{
      valid: { bytes: string }[]
      refused: { reason: string; bytes: string }[]
    }>('entries.json')
    expect(valid.map(({ bytes }) => isAccepted(bytes))).toEqual(valid.map(() => true))
    for (const { reason, bytes } of refused) expect([reason, isAccepted(bytes)]).toEqual([reason, false])
  })

  it('good values are read, refused ones are not', () => {
    const { valid, refused } = read<{
      valid: { json: string; cbor: string }[]
      refused: { reason: string; cbor: string }[]
    }>('values.json')
    for (const { json, cbor } of valid) expect(decodeValue(bytesOf(cbor))).toEqual(JSON.parse(json))
    for (const { reason, cbor } of refused)
      expect([reason, decodeValue(bytesOf(cbor))]).toEqual([reason, undefined])
  })

  it('good proofs lead to the root, refused ones prove nothing', () => {
    type Told = { name: string; reason: string; root: string; reading: object | null; proof: KeyProof }
    const { held, absent, refused } = read<Record<'held' | 'absent' | 'refused', Told[]>>('proofs.json')
    const judge = ({ root, proof }: Told): unknown => {
      const proven = checkProof(proof, sha256)
      if (isUnsound(proven) || proven.root !== root || !proven.signatures.every(verifies)) return 'refused'
      return readingInWords(proven.reading)
    }
    for (const each of [...held, ...absent])
      expect([each.name, judge(each)]).toEqual([each.name, each.reading])
    for (const each of refused) expect([each.reason, judge(each)]).toEqual([each.reason, 'refused'])
    expect(held.filter(({ reading }) => reading === null)).toHaveLength(1)
    expect(absent.filter(({ reading }) => reading !== null)).toEqual([])
  })

  it('good frames are read and written alike, refused ones are malformed', () => {
    const { sender, valid, refused, skipped } = read<{
      sender: NodeId
      valid: { frame: string }[]
      refused: { reason: string; frame: string }[]
      skipped: { reason: string; frame: string; sameAs: string }[]
    }>('frames.json')
    for (const { frame } of valid)
      expect(toHex(encodeMessage(decodeMessage(bytesOf(frame), sender) as Message, sender))).toBe(frame)
    for (const { reason, frame } of refused)
      expect([reason, isMalformed(decodeMessage(bytesOf(frame), sender))]).toEqual([reason, true])
    for (const { reason, frame, sameAs } of skipped) {
      const read = [frame, sameAs].map(each => decodeMessage(bytesOf(each), sender) as Message)
      expect([reason, ...read]).toEqual([reason, read[1], read[1]])
      expect([reason, read.some(isMalformed)]).toEqual([reason, false])
    }
  })
})

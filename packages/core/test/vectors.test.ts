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
  parseEntry,
  toHex,
  type KeyProof,
  type Message,
  type NodeId,
} from '@lattice/core'
import { vectorFiles } from '@lattice/core/testing'
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

  it('good proofs lead to the root, refused ones do not', () => {
    const { root, held, absent, refused } = read<{
      root: string
      held: KeyProof[]
      absent: KeyProof[]
      refused: { reason: string; proof: KeyProof }[]
    }>('proofs.json')
    for (const proof of [...held, ...absent]) expect(checkProof(proof, sha256)).toMatchObject({ root })
    for (const { reason, proof } of refused)
      expect([reason, checkProof(proof, sha256)]).not.toMatchObject([reason, { root }])
  })

  it('good frames are read and written alike, refused ones are malformed', () => {
    const { sender, valid, refused, skipped } = read<{
      sender: NodeId
      valid: { frame: string }[]
      refused: { reason: string; frame: string }[]
      skipped: { frame: string; sameAs: string }
    }>('frames.json')
    for (const { frame } of valid)
      expect(toHex(encodeMessage(decodeMessage(bytesOf(frame), sender) as Message, sender))).toBe(frame)
    for (const { reason, frame } of refused)
      expect([reason, isMalformed(decodeMessage(bytesOf(frame), sender))]).toEqual([reason, true])
    expect(decodeMessage(bytesOf(skipped.frame))).toEqual(decodeMessage(bytesOf(skipped.sameAs)))
  })
})

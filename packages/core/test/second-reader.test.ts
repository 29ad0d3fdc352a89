/** The vectors, read by a second reader that was written from docs/protocol.md alone. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { decodeMessage, type KeyProof, type Message, type NodeId } from '@lattice/core'
import * as curve from '../src/testing/edwards.ts'
import { readFrame } from './second-frames.ts'
import { follow } from './second-prover.ts'
import {
  floorOf,
  hex64,
  isSigned,
  readCbor,
  readEntry,
  readKey,
  rootOf,
  sha256,
  winnersOf,
  writeCbor,
  type Reading,
} from './second-reader.ts'

const unhex = (hex: string): Buffer => Buffer.from(hex, 'hex')

function read<T>(name: string): T {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../../../vectors', name), 'utf8')) as T
}

interface ToldEntry {
  readonly key: string
  readonly slot: string
  readonly value: string | null
  readonly base: string
  readonly version: string
  readonly author: string
  readonly bytes: string
  readonly digest: string
  readonly path: string
}

describe('a second reader', () => {
  it('reads the same from the bytes of entries', () => {
    for (const told of read<{ valid: ToldEntry[] }>('entries.json').valid) {
      const bytes = unhex(told.bytes)
      const entry = readEntry(bytes)
      expect({
        key: entry.key.toString('utf8'),
        slot: entry.slot.toString('hex'),
        value: entry.value.length === 0 ? null : entry.value.toString('hex'),
        base: hex64(entry.base),
        version: hex64(entry.version),
        author: entry.author.toString('hex'),
        digest: entry.digest.toString('hex'),
        path: entry.path.toString('hex'),
      }).toEqual({ ...told, name: undefined, bytes: undefined })
      expect(isSigned(bytes)).toBe(true)
    }
  })

  it('has the same CBOR of values', () => {
    for (const { json, cbor } of read<{ valid: { json: string; cbor: string }[] }>('values.json').valid) {
      expect(writeCbor(JSON.parse(json)).toString('hex')).toBe(cbor)
      expect(readCbor(unhex(cbor))).toEqual(JSON.parse(json))
    }
  })

  it('comes to the same roots', () => {
    const { byEntries, byPaths } = read<{
      byEntries: { entries: string[]; root: string }[]
      byPaths: { leaves: { path: string; digest: string }[]; root: string }[]
    }>('merkle.json')
    for (const { entries, root } of byEntries)
      expect(rootOf(entries.map(hex => readEntry(unhex(hex)))).toString('hex')).toBe(root)
    for (const { leaves, root } of byPaths) {
      const placed = leaves.map(({ path, digest }) => ({ path: unhex(path), digest: unhex(digest) }))
      expect(rootOf(placed).toString('hex')).toBe(root)
    }
  })

  it('finds the same winners, floors and readings', () => {
    type Told = Omit<Reading, 'value'> & { json: string }
    const cases = read<
      {
        name: string
        entries: string[]
        held: number[]
        root: string
        floor: string
        reading: Told | null
      }[]
    >('readings.json')
    for (const { name, entries, held, root, floor, reading } of cases) {
      const winners = winnersOf(entries.map(hex => readEntry(unhex(hex))))
      const found = readKey(winners)
      const told =
        found === undefined ? null : { ...found, value: undefined, json: JSON.stringify(found.value) }
      expect([name, told]).toEqual([name, reading])
      expect([name, rootOf(winners).toString('hex')]).toEqual([name, root])
      expect([name, hex64(floorOf(winners))]).toEqual([name, floor])
      const digests = held.map(at => sha256(unhex(entries[at] as string)).toString('hex'))
      expect(new Set(winners.map(({ digest }) => digest.toString('hex')))).toEqual(new Set(digests))
    }
  })
})

it('a second reader takes the same from frames', () => {
  const { sender, valid } = read<{ sender: NodeId; valid: { name: string; frame: string }[] }>('frames.json')
  for (const { name, frame } of valid) {
    const { rows, ...rest } = decodeMessage(unhex(frame), sender) as Message
    // In version 2 the life of rows is told by the standing; what stands for it until then is our own affair.
    const { incarnation, ...placed } = rows ?? { incarnation: undefined }
    const kept = rest.version === 2 ? placed : { incarnation, ...placed }
    const message = rows === undefined ? rest : { ...rest, rows: kept }
    expect([name, asText(readFrame(unhex(frame), sender))]).toEqual([name, asText(message)])
  }
})

/** Bytes and versions as text, whatever holds them. */
function asText(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (typeof value === 'bigint') return hex64(value)
  if (Array.isArray(value)) return value.map(asText)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, asText(each)]))
}

it('a second reader follows proofs to the same roots, and the same ones nowhere', () => {
  type Told = { name?: string; reason?: string; root: string; proof: KeyProof; reading?: object | null }
  const { held, absent, refused } = read<Record<'held' | 'absent' | 'refused', Told[]>>('proofs.json')
  for (const { name, root, proof, reading } of [...held, ...absent]) {
    expect([name, follow(proof)]).toEqual([name, root])
    const found = readKey(proof.entries.map(hex => readEntry(unhex(hex))))
    const told =
      found === undefined ? null : { ...found, value: undefined, json: JSON.stringify(found.value) }
    expect([name, told]).toEqual([name, reading])
  }
  for (const { reason, root, proof } of refused)
    expect([reason, follow(proof) === root]).toEqual([reason, false])
})

describe('the rule for signatures, word for word', () => {
  const smallOrder = readFileSync(join(import.meta.dirname, '../../../docs/protocol.md'), 'utf8')
    .split('\n')
    .filter(line => /^ {4}[0-9a-f]{64}$/.test(line))
    .map(line => line.trim())

  const isSmall = (point: Buffer): boolean => {
    const cleared = Buffer.from(point)
    cleared[31] = (cleared[31] as number) & 127
    return smallOrder.includes(cleared.toString('hex'))
  }

  function isGood(author: Buffer, message: Buffer, signature: Buffer): boolean {
    const [r, s] = [signature.subarray(0, 32), curve.numberOf(signature.subarray(32))]
    const point = author.length === 32 && signature.length === 64 ? curve.decodePoint(author) : undefined
    if (point === undefined || s >= curve.groupOrder || isSmall(author) || isSmall(r)) return false
    const digest = createHash('sha512').update(r).update(author).update(message).digest()
    const hash = curve.numberOf(digest) % curve.groupOrder
    const left = curve.times(curve.basePoint, s)
    return r.equals(curve.encodePoint(curve.add(left, curve.opposite(curve.times(point, hash)))))
  }

  it('gives the verdicts of the vectors', () => {
    expect(smallOrder).toHaveLength(7)
    type Claim = Record<'name' | 'reason' | 'publicKey' | 'message' | 'signature', string>
    const { valid, refused } = read<Record<'valid' | 'refused', Claim[]>>('signatures.json')
    for (const each of [...valid, ...refused])
      expect([each, isGood(unhex(each.publicKey), unhex(each.message), unhex(each.signature))]).toEqual([
        each,
        valid.includes(each),
      ])
  })
})

/**
 * One verdict on every signature, whoever gives it: two nodes that disagree on one would never be equal
 * again. The signatures are those of vectors/, made to show how verifiers differ.
 */
import { webcrypto } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import type { NodeId, SignedMessage } from '@lattice/core'
import { createVerifier } from '../src/host/crypto.ts'
import { createEd25519, isSmallOrder } from '../src/host/ed25519.ts'

interface Claim {
  readonly name?: string
  readonly reason?: string
  readonly publicKey: string
  readonly message: string
  readonly signature: string
}

const file = join(import.meta.dirname, '../../../vectors/signatures.json')
const { valid, refused } = JSON.parse(readFileSync(file, 'utf8')) as Record<'valid' | 'refused', Claim[]>
const cases = [...valid, ...refused]
const titleOf = ({ name, reason }: Claim): string => name ?? reason ?? ''
const expected = cases.map(each => [titleOf(each), valid.includes(each)])

const items = cases.map(({ publicKey, message, signature }): SignedMessage => ({
  author: publicKey as NodeId,
  message: Buffer.from(message, 'hex'),
  signature: Buffer.from(signature, 'hex'),
}))
const named = (verdicts: readonly boolean[]): unknown =>
  cases.map((each, at) => [titleOf(each), verdicts[at]])

interface Sodium {
  crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
}

describe('of the signatures of vectors/ the same ones are taken', () => {
  const verifier = createVerifier()

  it('at once', () => {
    const { verifyOne } = verifier
    expect(named(items.map(each => verifyOne(each.author, each.message, each.signature)))).toEqual(expected)
  })

  it('by the threads', async () => {
    const shares = Array.from({ length: 4 }, () => items).flat()
    const verdicts = await verifier.verify(shares)
    for (let at = 0; at < shares.length; at += items.length)
      expect(named(verdicts.slice(at, at + items.length))).toEqual(expected)
  })

  it('by WebCrypto, as whoever checks proofs in a browser may', async () => {
    const verdicts = items.map(async ({ author, message, signature }) => {
      const point = Buffer.from(author, 'hex')
      if (point.length !== 32) return false
      const key = await webcrypto.subtle.importKey('raw', point, 'Ed25519', false, ['verify'])
      return webcrypto.subtle.verify('Ed25519', key, signature, message)
    })
    expect(named(await Promise.all(verdicts))).toEqual(expected)
  })

  it('by libsodium, which an implementation in another language may have', () => {
    const sodium = createRequire(import.meta.url)('sodium-native') as Sodium
    const verdicts = items.map(({ author, message, signature }) => {
      const point = Buffer.from(author, 'hex')
      const fits = point.length === 32 && signature.length === 64
      return fits && sodium.crypto_sign_verify_detached(signature, message, point)
    })
    expect(named(verdicts)).toEqual(expected)
  })
})

describe('points of small order', () => {
  const ofSmallOrder = /^R is the neutral|^R of order|^key of order|^key and R of order/

  it('are taken neither as key nor as R, whatever OpenSSL makes of them', () => {
    const verifyOne = createEd25519(() => true)
    const small = items.filter((_, at) => ofSmallOrder.test(titleOf(cases[at] as Claim)))
    const taken = small.filter(({ author, message, signature }) => verifyOne(author, message, signature))
    expect([small.length, taken]).toEqual([21, []])
  })

  it('are all known, and nothing else is held for one', () => {
    for (const each of cases) {
      const isKey = isSmallOrder(Buffer.from(each.publicKey, 'hex'))
      const isR = isSmallOrder(Buffer.from(each.signature, 'hex'))
      expect([titleOf(each), isKey || isR]).toEqual([titleOf(each), ofSmallOrder.test(titleOf(each))])
    }
  })
})

/**
 * The signatures of vectors/: what verifiers of different make disagree on, and the one verdict of all nodes
 * (docs/protocol.md §3).
 */
import { concatBytes, toHex, toUtf8 } from '../bytes.ts'
import type { Hash } from '../ports.ts'
import {
  add,
  basePoint,
  bytesOf,
  encodePoint,
  fieldPrime,
  groupOrder,
  numberOf,
  opposite,
  secretNumber,
  times,
  torsionPoint,
} from './edwards.ts'

/** A signature and what it claims to be. */
interface Claim {
  readonly publicKey: Uint8Array
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** Which R and S to sign with, once the hash is known. */
interface Pair {
  readonly r: Uint8Array
  readonly s: (hash: bigint) => bigint
  /** Whether the hash is one that shows what is to be shown; another message is tried otherwise. */
  readonly suits?: (hash: bigint) => boolean
}

/** The number behind R, where it is an honest one. */
const spare = 12_345n
const highestBit = 1n << 255n

const small = (multiple: number): Uint8Array => encodePoint(times(torsionPoint, BigInt(multiple)))
const raised = (bytes: Uint8Array, by: bigint): Uint8Array => bytesOf(numberOf(bytes) + by)
const rest = (hash: bigint, by = 8): number => Number((hash % groupOrder) % BigInt(by))

/** Every spelling of a point of small order, and its order: as a key, anybody can sign for it. */
const smallKeys = (): readonly (readonly [spelling: string, order: number, key: Uint8Array])[] => [
  ['', 1, small(0)], ['', 2, small(4)], ['', 4, small(2)], ['', 4, small(6)],
  ['', 8, small(1)], ['', 8, small(3)], ['', 8, small(5)], ['', 8, small(7)],
  [', sign of a zero', 1, raised(small(0), highestBit)], [', sign of a zero', 2, raised(small(4), highestBit)],
  [', y + p', 1, raised(small(0), fieldPrime)], [', y + p and sign of a zero', 1, raised(small(0), fieldPrime + highestBit)],
  [', y + p', 4, bytesOf(fieldPrime)], [', y + p', 4, bytesOf(fieldPrime + highestBit)],
] // prettier-ignore

/** Makes claims with SHA-512 and the seed of alice. */
class Forge {
  readonly honest: Uint8Array
  /** The key of alice and a point of order 8. */
  readonly mixed: Uint8Array
  /** R, where it is an honest one. */
  readonly free = encodePoint(times(basePoint, spare))
  readonly #secret: bigint
  readonly #sha512: Hash

  constructor(sha512: Hash, seed: Uint8Array) {
    this.#sha512 = sha512
    this.#secret = secretNumber(seed, sha512)
    const own = times(basePoint, this.#secret)
    this.honest = encodePoint(own)
    this.mixed = encodePoint(add(own, torsionPoint))
  }

  /** Signs the first of some messages whose hash suits. */
  claim(publicKey: Uint8Array, { r, s, suits = () => true }: Pair, text = 'lattice'): Claim {
    for (let attempt = 0; ; attempt++) {
      const message = toUtf8(attempt === 0 ? text : `${text} ${attempt}`)
      const hash = numberOf(this.#sha512(concatBytes(r, publicKey, message)))
      if (suits(hash)) return { publicKey, message, signature: concatBytes(r, bytesOf(s(hash))) }
    }
  }

  /** S of whoever knows the secret and the number behind R. */
  knowing(number: bigint): Pair['s'] {
    return hash => (number + hash * this.#secret) % groupOrder
  }
}

type Named = readonly [name: string, claim: Claim]

function valid(forge: Forge): readonly Named[] {
  const { honest, mixed, free } = forge
  const s = forge.knowing(spare)
  const both = encodePoint(add(times(basePoint, spare), opposite(torsionPoint)))
  return [
    ['R is not the one that RFC 8032 makes', forge.claim(honest, { r: free, s })],
    ['empty message', forge.claim(honest, { r: free, s }, '')],
    [
      'key with a part of small order, which the hash cancels',
      forge.claim(mixed, { r: free, s, suits: hash => rest(hash) === 0 }),
    ],
    [
      'key and R with parts of small order, which cancel each other',
      forge.claim(mixed, { r: both, s, suits: hash => rest(hash) === 1 }),
    ],
  ]
}

function refused(forge: Forge): readonly Named[] {
  const { honest, mixed, free } = forge
  const s = forge.knowing(spare)
  const good = forge.claim(honest, { r: free, s })
  const changed = (change: Partial<Claim>): Claim => ({ ...good, ...change })
  const withS = (by: bigint): Claim =>
    changed({ signature: concatBytes(free, raised(good.signature.slice(32), by)) })
  const justS = forge.knowing(0n)
  return [
    ['S + L', withS(groupOrder)],
    ['S + 8 L', withS(8n * groupOrder)],
    ['S with the highest bit', withS(highestBit)],
    ['S of the message before', changed({ message: toUtf8('lattice.') })],
    ['63 bytes', changed({ signature: good.signature.slice(0, 63) })],
    ['65 bytes', changed({ signature: concatBytes(good.signature, Uint8Array.of(0)) })],
    ['key that is no point of the curve', changed({ publicKey: bytesOf(2n) })],
    ['key of 31 bytes', changed({ publicKey: honest.slice(0, 31) })],
    ['R is the neutral point', forge.claim(honest, { r: small(0), s: justS })],
    [
      'R is the neutral point, sign of a zero',
      forge.claim(honest, { r: raised(small(0), highestBit), s: justS }),
    ],
    ['R is the neutral point, y + p', forge.claim(honest, { r: raised(small(0), fieldPrime), s: justS })],
    ...[1, 2, 4].map((multiple): Named => [
      `R of order ${8 / multiple}, which the key cancels`,
      forge.claim(mixed, { r: small(8 - multiple), s: justS, suits: hash => rest(hash) === multiple }),
    ]),
    [
      'R with a part of small order: good only times the cofactor',
      forge.claim(honest, { r: encodePoint(add(times(basePoint, spare), torsionPoint)), s }),
    ],
    [
      'key with a part of small order: good only times the cofactor',
      forge.claim(mixed, { r: free, s, suits: hash => rest(hash) !== 0 && hash % 8n !== 0n }),
    ],
    [
      'key with a part of small order: good only where the hash is not taken modulo L',
      forge.claim(mixed, { r: free, s, suits: hash => rest(hash) !== 0 && hash % 8n === 0n }),
    ],
    ...smallKeys().map(([spelling, order, key]): Named => [
      `key of order ${order}${spelling}: ${toHex(key).slice(0, 8)}…`,
      forge.claim(key, { r: free, s: () => spare, suits: hash => rest(hash, order) === 0 }),
    ]),
    [
      'key and R of order 8',
      forge.claim(small(1), { r: small(1), s: () => 0n, suits: hash => rest(hash) === 7 }),
    ],
  ]
}

/** Claims of both kinds. The seed is that of alice. */
export function signatures(sha512: Hash, seed: Uint8Array): unknown {
  const forge = new Forge(sha512, seed)
  const told = ({ publicKey, message, signature }: Claim): object => ({
    publicKey: toHex(publicKey),
    message: toHex(message),
    signature: toHex(signature),
  })
  return {
    valid: valid(forge).map(([name, claim]) => ({ name, ...told(claim) })),
    refused: refused(forge).map(([reason, claim]) => ({ reason, ...told(claim) })),
  }
}

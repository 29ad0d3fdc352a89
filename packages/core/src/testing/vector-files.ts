/** The content of vectors/: what any implementation must reproduce, from fixed keys, times and values. */
import { fromHex, toHex } from '../bytes.ts'
import { MerkleTrie, pathOf } from '../merkle.ts'
import type { Hash, Signer } from '../ports.ts'
import type { JsonValue } from '../units.ts'
import { encodeValue } from '../value.ts'
import { bounds } from './vector-bounds.ts'
import { described, refusedEntries, signedEntries } from './vector-entries.ts'
import { frames } from './vector-frames.ts'
import { proofs } from './vector-proofs.ts'
import { readings } from './vector-readings.ts'
import { signatures } from './vector-signatures.ts'

/** What the vectors are made with: SHA-2, and Ed25519 keys whose seeds are 32 bytes of 01 and of 02. */
export interface VectorKeys {
  /** SHA-256. */
  readonly hash: Hash
  /** SHA-512. */
  readonly wideHash: Hash
  readonly alice: Signer
  readonly bob: Signer
}

function values(): unknown {
  const good: JsonValue[] = [
    null, true, false, 0, 23, 24, -1, -25, 65536, Number.MAX_SAFE_INTEGER, 2 ** 53, 1.5, 5e-324, 1e300,
    '', 'é', '\ufeffmark', [], [1, [2]], {}, { b: 1, a: 2, aa: 3 }, 
    JSON.parse('{"__proto__":1}') as JsonValue,
  ] // prettier-ignore
  const refused = [
    ['half float', 'f93c00'], ['single float', 'fa3fc00000'], ['integer as a float', 'fb3ff0000000000000'],
    ['negative zero', 'fb8000000000000000'], ['longer form', '1801'], 
    ['beyond 2^53 - 1', '1b0020000000000000'],
    ['members out of order', 'a2616201616101'], ['member twice', 'a2616101616102'], ['indefinite', '9f01ff'],
    ['tag', 'c001'], ['bytes', '4101'], ['undefined', 'f7'], ['not UTF-8', '61ff'], 
    ['65 levels', `${'81'.repeat(65)}00`], ['nothing', ''], ['two values', '0000'], ['cut short', '81'],
    ['not a number', 'fb7ff8000000000000'], ['infinity', 'fb7ff0000000000000'], ['simple value', 'e0'],
    ['name that is no text', 'a10101'], ['text in pieces', '7f6161ff'], ['longer length', '780161'],
    ['half of a surrogate pair', '63eda080'], ['longer spelling of UTF-8', '62c1ab'], ['number of any size', 'c24101'],
  ] // prettier-ignore
  return {
    valid: good.map(value => ({ json: JSON.stringify(value), cbor: toHex(encodeValue(value)) })),
    refused: refused.map(([reason, cbor]) => ({ reason, cbor })),
  }
}

function merkle(keys: VectorKeys): unknown {
  const { hash } = keys
  const signed = signedEntries(keys)
  const roots = [0, 1, 2, 3, signed.length].map(count => {
    const trie = new MerkleTrie(hash)
    const entries = signed.filter(([name]) => name !== 'register over a delete' && name !== 'element removed')
    const taken = entries.slice(0, count).map(([, entry]) => entry)
    taken.forEach(({ key, slot, digest }, at) => trie.set(pathOf(key, slot, hash), digest, at + 1))
    return { entries: taken.map(({ bytes }) => toHex(bytes)), root: toHex(trie.root()) }
  })
  const pair = [0x00, 0x01].map(last => {
    const path = new Uint8Array(64)
    path[63] = last
    return { path, digest: hash(Uint8Array.of(last)) }
  })
  const trie = new MerkleTrie(hash)
  for (const { path, digest } of pair) trie.set(path, digest, 1)
  const paths = pair.map(({ path, digest }) => ({ path: toHex(path), digest: toHex(digest) }))
  return { byEntries: roots, byPaths: [{ leaves: paths, root: toHex(trie.root()) }] }
}

/** File name → exact text. */
export function vectorFiles(keys: VectorKeys): ReadonlyMap<string, string> {
  const seeds = { alice: '01'.repeat(32), bob: '02'.repeat(32) }
  const text = (content: unknown): string => `${JSON.stringify(content, null, 1)}\n`
  return new Map([
    [
      'entries.json',
      text({
        seeds,
        valid: signedEntries(keys).map(each => described(each, keys.hash)),
        refused: refusedEntries(keys),
      }),
    ],
    ['values.json', text(values())],
    ['signatures.json', text(signatures(keys.wideHash, fromHex(seeds.alice) as Uint8Array))],
    ['readings.json', text(readings(keys))],
    ['merkle.json', text(merkle(keys))],
    ['proofs.json', text(proofs(keys))],
    ['frames.json', text(frames(keys))],
    ['bounds.json', text(bounds(keys))],
  ])
}

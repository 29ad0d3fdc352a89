/** What short digests do not tell apart is found all the same, also while both sides are written to. */
import { expect, it } from '@jest/globals'
import { toHex, type VerifiedEntry } from '@lattice/core'
import { leafDigest, pathOf } from '../src/merkle.ts'
import { shortDigestBytes } from '../src/reconcile.ts'
import { alice, bob, carol, sha256 } from './crypto.ts'
import { EnginePair, type Place } from './engine-pair.ts'
import { entryOf } from './replicas.ts'

/** Two entries of one slot whose leaf digests begin alike: found among some hundred thousand. */
const [older, newer] = [105_983, 117_418].map(tick => entryOf({ key: 'same', tick }, alice)) as [
  VerifiedEntry,
  VerifiedEntry,
]

/** How often each side is written to, in ms: more often than a question takes. */
const writeEveryMs = 8

function entries(prefix: string, count: number): VerifiedEntry[] {
  return Array.from({ length: count }, (_, tick) =>
    entryOf({ key: `${prefix}${tick}`, tick: tick + 1 }, carol),
  )
}

function digestOf({ key, digest }: VerifiedEntry): string {
  return toHex(leafDigest(pathOf(key, '', sha256), digest, sha256).subarray(0, shortDigestBytes))
}

it('two entries that begin alike, where no journal goes on and neither root rests', async () => {
  expect(digestOf(older)).toBe(digestOf(newer))
  const pair = new EnginePair([
    { signer: alice, aheadMs: 0, dials: true },
    { signer: bob, aheadMs: 0, dials: true },
  ])
  const write = (to: Place, written: readonly VerifiedEntry[]): Promise<void> =>
    pair.announce(to, carol.nodeId, written)
  await write(0, [...entries('both', 100), older])
  await write(1, [...entries('both', 100), newer])
  await pair.start()
  for (let turns = 0; turns < 2_500 && pair.nodes[0].engine.replica.isNews(newer); turns++) {
    for (const place of [0, 1] as const) await write(place, entries(`late${turns}/${place}/`, 1))
    await pair.pass(writeEveryMs)
  }
  expect(pair.nodes[0].engine.replica.isNews(newer)).toBe(false)
})

/** What is let in, and how much of it at once. */
import { describe, expect, it } from '@jest/globals'
import { encodeMessage, encodeValue, signEntry, versionAt } from '@lattice/core'
import { createVirtualClock } from '@lattice/core/testing'
import { Admission } from '../src/admission.ts'
import { createVerifier, sha256 } from '../src/host/crypto.ts'
import { identityFromSeed } from '../src/host/identity.ts'

const peer = identityFromSeed(Buffer.alloc(32, 8), 'generated')
const other = identityFromSeed(Buffer.alloc(32, 9), 'generated')

function signedAt(wall: number, { signer } = peer): Uint8Array {
  const content = { key: 'k', slot: '', value: encodeValue(1), base: 0n, version: versionAt(wall) }
  return signEntry(content, signer, sha256).bytes
}

it('of what cannot be taken in, and is missed, the least version is told', async () => {
  const admission = new Admission({
    hash: sha256,
    verifier: createVerifier(),
    knows: author => author === peer.nodeId,
    isNews: ({ version }) => version !== versionAt(4),
    clock: createVirtualClock(),
    log: () => undefined,
  })
  const refusedOf = async (...entries: Uint8Array[]): Promise<unknown> =>
    (await admission.admit({ entries }, peer.nodeId)).refused
  const [authors, nobody] = [new Set([other.nodeId]), new Set()]
  const [known, strange, stranger] = [signedAt(1), signedAt(5, other), signedAt(3, other)]
  const forged = signedAt(2)
  forged[forged.length - 1] = 0xff ^ (forged.at(-1) as number)
  expect(await refusedOf(known, signedAt(4, other))).toBeUndefined()
  expect(await refusedOf(strange, known, stranger)).toEqual({ version: versionAt(3), authors })
  expect(await refusedOf(strange, forged)).toEqual({ version: versionAt(2), authors })
  expect(await refusedOf(known, Uint8Array.of(1))).toEqual({ version: 0n, authors: nobody })
})

describe('frames that nobody asked for', () => {
  const bytes = signedAt(1)
  const frame = encodeMessage({ entries: [bytes] })

  /** One whose verifier has its hands full until it is told to go on. */
  const busy = (): { admission: Admission; verifying: () => number; goOn: () => void } => {
    const { verify } = createVerifier()
    const open = Promise.withResolvers<void>()
    let count = 0
    const admission = new Admission({
      hash: sha256,
      verifier: {
        verify: async items => {
          count++
          await open.promise
          return verify(items)
        },
      },
      knows: () => true,
      isNews: () => true,
      clock: createVirtualClock(),
      log: () => undefined,
    })
    return { admission, verifying: () => count, goOn: open.resolve }
  }

  it('wait for the verifier in bounded number, and each peer for itself', async () => {
    const { admission, verifying, goOn } = busy()
    const announces = Array.from({ length: 500 }, () => admission.announced(frame, peer.nodeId))
    const requests = Array.from({ length: 500 }, () => admission.requested(frame, peer.nodeId))
    const outcomes = Promise.allSettled(requests)
    expect(verifying()).toBe(64 + 32)
    const others = admission.announced(frame, other.nodeId)
    expect(verifying()).toBe(64 + 32 + 1)
    goOn()
    expect(await others).toMatchObject({ entries: [{ key: 'k' }] })
    expect(announces.filter(each => each !== undefined)).toHaveLength(64)
    const refused = (await outcomes).filter(each => each.status === 'rejected')
    expect(refused).toHaveLength(500 - 32)
    expect(refused[0]).toMatchObject({ reason: { code: 'OVERLOADED' } })
    await Promise.all(announces.filter(each => each !== undefined))
    expect(admission.announced(frame, peer.nodeId)).toBeDefined()
  })
})

it('frames of one peer that cannot be read are a line, and then one a minute with their number', () => {
  const [one, other] = [8, 9].map(seed => identityFromSeed(Buffer.alloc(32, seed), 'generated').nodeId)
  if (one === undefined || other === undefined) throw new Error('two peers')
  const lines: unknown[] = []
  const clock = createVirtualClock()
  const admission = new Admission({
    hash: sha256,
    verifier: createVerifier(),
    knows: () => true,
    isNews: () => true,
    clock,
    log: (_level, _message, { peer, repeated }) => lines.push([peer, repeated]),
  })
  const garbage = (peer: typeof one, count: number): void => {
    for (let at = 0; at < count; at += 1) void admission.announced(Uint8Array.of(255, at), peer)
  }
  garbage(one, 1000)
  garbage(other, 1)
  expect(lines.splice(0)).toEqual([
    [one, undefined],
    [other, undefined],
  ])
  while (clock.ringNext(60_000));
  expect(lines.splice(0)).toEqual([[one, 999]])
  garbage(one, 5)
  expect(lines).toEqual([])
  admission.stop()
  expect(lines.splice(0)).toEqual([[one, 5]])
  garbage(one, 5)
  expect(lines).toEqual([])
})

/** Whose bodies are received, and how many at once. */
import { describe, expect, it } from '@jest/globals'
import { newSigner } from './harness.ts'
import { caller, frame, open, outcome, withHeader } from './handler-world.ts'

describe('a body', () => {
  const unread = async (): Promise<Uint8Array> => {
    throw new Error('the body was asked for')
  }

  it('is not received where its head says already that it will be refused', async () => {
    const { handler, draft } = await open()
    const used = draft()
    expect(outcome(await handler.handle(used))).toBe('200')
    const forged = withHeader(draft(), 'signature', `s=:${Buffer.alloc(64, 1).toString('base64')}:`)
    const refused = [used, forged, draft({ signer: newSigner() }), draft({ dest: caller.nodeId })]
    const outcomes: string[] = []
    for (const request of refused) outcomes.push(outcome(await handler.handle({ ...request, body: unread })))
    expect(outcomes).toEqual([
      '401 REPLAYED',
      '401 SIGNATURE_INVALID',
      '401 NOT_TRUSTED',
      '421 PEER_MISMATCH',
    ])
  })

  it('is received once from a member, 64 at a time', async () => {
    const { handler, calls, draft } = await open()
    const arriving = Promise.withResolvers<Uint8Array>()
    let received = 0
    const body = (): Promise<Uint8Array> => {
      received++
      return arriving.promise
    }
    const all = Array.from({ length: 100 }, () => handler.handle({ ...draft(), body }))
    expect(received).toBe(64)
    arriving.resolve(frame)
    const outcomes = (await Promise.all(all)).map(outcome)
    expect(outcomes.filter(each => each === '200')).toHaveLength(64)
    expect(outcomes.filter(each => each === '503 OVERLOADED')).toHaveLength(36)
    expect(calls).toHaveLength(64)
    expect(outcome(await handler.handle(draft()))).toBe('200')
  })
})

/** Signatures made in threads are those made here, and nothing is lost with a thread. */
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import type { Event, Signer } from '@lattice/core'
import { BatchSigner } from '../src/batch-signer.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import { SignCrew } from '../src/host/sign-crew.ts'

const { signer } = identityFromSeed(new Uint8Array(32).fill(7), 'configured')
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const messagesOf = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, at) => randomBytes(1 + (at % 300)))

describe('the signing threads', () => {
  it.each([1, 15, 33, 500])('sign %i messages as the main thread would, in order', async count => {
    const messages = messagesOf(count)
    const signatures = await signer.signMany?.(messages)
    expect(signatures?.map(hex)).toEqual(messages.map(message => hex(signer.sign(message))))
  })

  it('requests that overlap get their own answers', async () => {
    const batches = [40, 3, 90, 1].map(messagesOf)
    const answers = await Promise.all(batches.map(async batch => signer.signMany?.(batch)))
    answers.forEach((signatures, at) =>
      expect(signatures?.map(hex)).toEqual(batches[at]?.map(message => hex(signer.sign(message)))),
    )
  })

  it('who waits for a thread that dies is told', async () => {
    const crew = new SignCrew({} as never)
    await expect(crew.sign(messagesOf(20))).rejects.toThrow('has ended')
  })
})

describe('the engine’s wish to sign', () => {
  const readable = (event: Event): unknown =>
    event.type === 'signed' ? { ...event, signatures: event.signatures.map(hex) } : event
  const run = async (own: Signer, count: number) => {
    const [events, errors]: [unknown[], string[]] = [[], []]
    const log = (level: string, message: string): void => void errors.push(`${level}: ${message}`)
    const batches = new BatchSigner({ signer: own, log })
    const messages = messagesOf(count)
    const signing = batches.sign({ type: 'sign', id: 5, messages }, event => events.push(readable(event)))
    const atOnce = events.length
    await signing
    await batches.settled()
    const signatures = messages.map(message => hex(signer.sign(message)))
    return { events, errors, atOnce, expected: [{ type: 'signed', id: 5, signatures }] }
  }

  it('is met in threads where there are any', async () => {
    const { events, atOnce, errors, expected } = await run(signer, 20)
    expect([events, atOnce, errors]).toEqual([expected, 0, []])
  })

  it('is met here when a thread fails, and the log says so', async () => {
    const broken = { ...signer, signMany: () => Promise.reject(new Error('a thread has ended')) }
    const { events, errors, expected } = await run(broken, 20)
    expect(events).toEqual(expected)
    expect(errors).toEqual([expect.stringMatching(/^error: entries are signed in the main thread/)])
  })

  it('is met at once where there are none', async () => {
    const { events, atOnce, expected } = await run({ nodeId: signer.nodeId, sign: signer.sign }, 20)
    expect([events, atOnce]).toEqual([expected, 1])
  })
})

/** Signatures made in threads are those made here, and nothing is lost with a thread. */
import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import {
  entrySignature,
  parseEntry,
  type Event,
  type Operation,
  type Signer,
  type Store,
} from '@lattice/core'
import { BatchSigner } from '../src/batch-signer.ts'
import { Crew } from '../src/host/crew.ts'
import { createVerifier, sha256 } from '../src/host/crypto.ts'
import { createSign, signWithNode, signWithSodium } from '../src/host/ed25519-sign.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import { SignCrew } from '../src/host/sign-crew.ts'
import type { SignRequest } from '../src/host/sign-thread.ts'
import type { Runtime } from '../src/runtime.ts'
import { openLoneRuntime } from './lone-runtime.ts'

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

  it('end with the daemon that had them', async () => {
    const own = identityFromSeed(new Uint8Array(32).fill(9), 'configured')
    const threads = jest.spyOn(Worker.prototype, 'terminate')
    await own.signer.signMany?.(messagesOf(32))
    await own.release()
    expect(threads.mock.contexts.length).toBeGreaterThan(0)
    for (const thread of threads.mock.contexts) expect((thread as Worker).threadId).toBe(-1)
    expect(await own.signer.signMany?.(messagesOf(1))).toHaveLength(1)
    await own.release()
  })

  it('who waits for a thread that dies is told', async () => {
    const crew = new SignCrew(new Uint8Array(31))
    await expect(crew.sign(messagesOf(20))).rejects.toThrow('has ended')
  })
})

describe('a request that cannot be sent', () => {
  it('is refused, and the next one gets its own answer', async () => {
    const workerData = { role: 'sign', seed: new Uint8Array(32).fill(7) } as const
    const crew = new Crew<SignRequest, Uint8Array>({ script: 'sign-thread', workerData })
    const requestOf = (message: Uint8Array): SignRequest => ({
      ends: Uint32Array.of(message.length),
      bytes: new Uint8Array(message),
    })
    const [lost, kept] = messagesOf(2) as [Uint8Array, Uint8Array]
    const gone = requestOf(lost)
    const buffer = gone.bytes.buffer as ArrayBuffer
    structuredClone(undefined, { transfer: [buffer] })
    await expect(async () => crew.ask(0, gone, [buffer])).rejects.toThrow(/transfer/)
    const answer = await Promise.race([crew.ask(0, requestOf(kept), []), crew.ask(0, requestOf(lost), [])])
    expect(hex(answer)).toBe(hex(signer.sign(kept)))
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

  it('that fails altogether holds nobody up who waits for the others', async () => {
    const reject = (): Promise<never> => Promise.reject(new Error('a thread has ended'))
    const sign = (): never => {
      throw new Error('no key')
    }
    const batches = new BatchSigner({
      signer: { nodeId: signer.nodeId, sign, signMany: reject },
      log: () => {},
    })
    const signing = batches.sign({ type: 'sign', id: 5, messages: messagesOf(20) }, () => {})
    await expect(signing).rejects.toThrow('no key')
    await batches.settled()
  })

  it('is met at once where there are none', async () => {
    const { events, atOnce, expected } = await run({ nodeId: signer.nodeId, sign: signer.sign }, 20)
    expect([events, atOnce]).toEqual([expected, 1])
  })
})

describe('a node whose entries are signed in threads', () => {
  const running: Runtime[] = []
  afterEach(async () => {
    for (const runtime of running.splice(0)) await runtime.stop()
  })

  const open = (own: Signer) => {
    const lone = openLoneRuntime(own)
    running.push(lone.runtime)
    return lone
  }
  const forged = async (store: Store): Promise<number> => {
    const entries = store.after(0, 1_000).map(({ bytes }) => parseEntry(bytes, sha256))
    const signed = entries.flatMap(entry => (entry === undefined ? [] : [entrySignature(entry)]))
    expect(signed).toHaveLength(entries.length)
    return (await createVerifier().verify(signed)).filter(verdict => !verdict).length
  }
  const puts = (count: number, value: number): Operation[] =>
    Array.from({ length: count }, (_, at) => ({ op: 'put', key: `k${at}`, value }))

  it('builds on what is not signed yet, and acknowledges what is signed and stored', async () => {
    const { store, runtime, complaints } = open(signer)
    const increments = Array.from({ length: 60 }, (): Operation[] => [{ op: 'increment', key: 'n', by: 1 }])
    const transactions = [puts(200, 1), ...increments, puts(200, 2)]
    const receipts = await Promise.all(transactions.map(operations => runtime.write(operations)))
    const versions = receipts.map(({ version }) => version)
    expect(versions).toEqual(versions.toSorted((a, b) => (a < b ? -1 : 1)))
    expect([runtime.read('n')?.value, runtime.read('k7')?.value, complaints]).toEqual([60, 2, []])
    expect(await forged(store)).toBe(0)
  })

  it('loses no write with a thread', async () => {
    const failing = { ...signer, signMany: () => Promise.reject(new Error('a thread has ended')) }
    const { store, runtime, complaints } = open(failing)
    await runtime.write(puts(50, 3))
    expect([runtime.read('k49')?.value, complaints.length]).toEqual([3, 1])
    expect(await forged(store)).toBe(0)
  })

  it('signs what it was given before it stops', async () => {
    const { runtime, store } = open(signer)
    const written = runtime.write(puts(100, 4))
    await runtime.stop()
    await written
    expect(await forged(store)).toBe(0)
    expect(store.lastSeq).toBe(100)
  })
})

describe('both libraries that sign', () => {
  it('make the same bytes', () => {
    for (let count = 0; count < 50; count++) {
      const seed = randomBytes(32)
      const message = randomBytes(count * 7)
      const [here, there] = [signWithNode(seed), signWithSodium(seed)]
      expect(there?.(message).length).toBe(64)
      expect(hex(there?.(message) ?? seed)).toBe(hex(here(message)))
    }
  })

  it('refuse a seed of another length', () => {
    for (const create of [signWithNode, signWithSodium, createSign])
      expect(() => create(new Uint8Array(31))).toThrow(/asn1|seed/i)
  })
})

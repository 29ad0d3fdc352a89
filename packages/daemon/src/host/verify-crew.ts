/**
 * Threads that verify signatures in batches, so that bulk data does not hold the event loop up: to hand one
 * item to libuv's own pool costs the main thread 40 µs, a share of a batch 3.
 *
 * They start with the first batch, keep no process alive, and are replaced when they die. Nothing is lost
 * with them: what a dead thread owes is verified here.
 */
import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { SignedMessage } from '@lattice/core'
import { createEd25519, type VerifyOne } from './ed25519.ts'
import type { VerifyOptions, VerifyRequest } from './verify-thread.ts'

// More would only take the cores from the engine and the disk.
const threadsMax = 2
// Items per share at least: a thread is not worth waking for less.
const shareMin = 32

interface Duty {
  readonly items: readonly SignedMessage[]
  readonly resolve: (verdicts: readonly boolean[]) => void
}

/** One thread and what it owes, oldest first. */
interface Hand {
  readonly worker: Worker
  readonly duties: Duty[]
}

/** Verifies batches in threads. */
export class VerifyCrew {
  readonly #verifyOne: VerifyOne = createEd25519()
  readonly #hands = new Map<number, Hand>()

  /** One verdict per item, in order. */
  async verify(items: readonly SignedMessage[]): Promise<readonly boolean[]> {
    const shares = Math.max(
      1,
      Math.min(threadsMax, availableParallelism(), Math.floor(items.length / shareMin)),
    )
    const size = Math.ceil(items.length / shares)
    const parts = Array.from({ length: shares }, (_, at) => items.slice(at * size, (at + 1) * size))
    const verdicts = await Promise.all(parts.map((part, at) => this.#hand(at, part)))
    return verdicts.flat()
  }

  #hand(at: number, items: readonly SignedMessage[]): Promise<readonly boolean[]> {
    const { worker, duties } = this.#hands.get(at) ?? this.#start(at)
    const { promise, resolve } = Promise.withResolvers<readonly boolean[]>()
    duties.push({ items, resolve })
    worker.ref()
    const request = pack(items)
    worker.postMessage(request, [request.bytes.buffer as ArrayBuffer])
    return promise
  }

  #start(at: number): Hand {
    // The same extension as this file: .ts in a checkout, .js once built.
    const script = new URL(`./verify-thread${extname(import.meta.url)}`, import.meta.url)
    const workerData: VerifyOptions = { role: 'verify' }
    const hand: Hand = { worker: new Worker(script, { workerData, name: 'verify' }), duties: [] }
    this.#hands.set(at, hand)
    hand.worker.on('message', (verdicts: Uint8Array) => {
      hand.duties.shift()?.resolve(Array.from(verdicts, verdict => verdict === 1))
      if (hand.duties.length === 0) hand.worker.unref()
    })
    const lose = (): void => {
      if (this.#hands.get(at) === hand) this.#hands.delete(at)
      for (const { items, resolve } of hand.duties.splice(0))
        resolve(items.map(({ author, message, signature }) => this.#verifyOne(author, message, signature)))
    }
    hand.worker.on('error', lose)
    hand.worker.on('exit', lose)
    return hand
  }
}

function pack(items: readonly SignedMessage[]): VerifyRequest {
  const places = new Map<string, number>()
  const sizes = new Uint32Array(3 * items.length)
  const bytes = new Uint8Array(
    items.reduce((sum, { signature, message }) => sum + signature.length + message.length, 0),
  )
  let at = 0
  items.forEach(({ author, signature, message }, item) => {
    const place = places.get(author) ?? places.size
    places.set(author, place)
    sizes.set([place, signature.length, message.length], 3 * item)
    bytes.set(signature, at)
    bytes.set(message, at + signature.length)
    at += signature.length + message.length
  })
  return { authors: [...places.keys()], sizes, bytes }
}

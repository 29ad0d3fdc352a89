/**
 * Verifies signatures in threads (crew.ts), so that bulk data does not hold the event loop up: to hand one
 * item to libuv's own pool costs the main thread 40 µs, a share of a batch 3. Nothing is lost with a thread:
 * what a dead one owes is verified here.
 */
import { assert, type SignedMessage } from '@lattice/core'
import { Crew } from './crew.ts'
import { createEd25519, type VerifyOne } from './ed25519.ts'
import type { VerifyOptions, VerifyRequest } from './verify-thread.ts'

// Items per share at least: a thread is not worth waking for less.
const shareMin = 32

const workerData: VerifyOptions = { role: 'verify' }

/** Verifies batches in threads. */
export class VerifyCrew {
  readonly #verifyOne: VerifyOne = createEd25519()
  readonly #crew = new Crew<VerifyRequest, Uint8Array>({ script: 'verify-thread', workerData })

  /** One verdict per item, in order. */
  async verify(items: readonly SignedMessage[]): Promise<readonly boolean[]> {
    return this.#crew.share(items, shareMin, async (share, thread) => {
      const request = pack(share)
      try {
        const verdicts = await this.#crew.ask(thread, request, [request.bytes.buffer as ArrayBuffer])
        assert(verdicts.length === share.length, 'a thread answers what it was asked')
        return Array.from(verdicts, verdict => verdict === 1)
      } catch {
        return share.map(({ author, message, signature }) => this.#verifyOne(author, message, signature))
      }
    })
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

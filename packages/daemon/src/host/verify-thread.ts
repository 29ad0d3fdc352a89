/** A thread that verifies batches of signatures: one message there, one message back, in the same order. */
import { isMainThread, parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { createEd25519, type VerifyOne } from './ed25519.ts'
import { standBack } from './thread-priority.ts'

/** What the thread is started with; `role` keeps an import elsewhere from doing anything. */
export interface VerifyOptions {
  readonly role: 'verify'
}

/** Signatures to check, in columns: a thousand small objects cost more to send than to verify. */
export interface VerifyRequest {
  readonly authors: readonly string[]
  /** Per item its author's place in `authors`, and the lengths of signature and message. */
  readonly sizes: Uint32Array
  /** Signature and message of one item after the other. */
  readonly bytes: Uint8Array
}

function answer(verifyOne: VerifyOne, { authors, sizes, bytes }: VerifyRequest): Uint8Array {
  const verdicts = new Uint8Array(sizes.length / 3)
  let at = 0
  for (let item = 0; item < verdicts.length; item++) {
    const [author, signed, told] = sizes.subarray(3 * item, 3 * item + 3) as unknown as [
      number,
      number,
      number,
    ]
    const signature = bytes.subarray(at, at + signed)
    const message = bytes.subarray(at + signed, at + signed + told)
    at += signed + told
    verdicts[item] = verifyOne(authors[author] ?? '', message, signature) ? 1 : 0
  }
  return verdicts
}

function run(port: MessagePort): void {
  // Bulk data comes through here, on both cores of a small machine; callers and heartbeats do not wait for it.
  standBack()
  const verifyOne = createEd25519()
  port.on('message', (request: VerifyRequest) => port.postMessage(answer(verifyOne, request)))
}

const options = workerData as Partial<VerifyOptions> | null
if (!isMainThread && parentPort && options?.role === 'verify') run(parentPort)

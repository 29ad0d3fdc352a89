/** A thread that signs batches: one message there, one message back, in the same order. */
import { sign, type KeyObject } from 'node:crypto'
import { isMainThread, parentPort, workerData, type MessagePort } from 'node:worker_threads'

/** What the thread is started with; `role` keeps an import elsewhere from doing anything. */
export interface SignOptions {
  readonly role: 'sign'
  readonly privateKey: KeyObject
}

/** Bytes of an Ed25519 signature (RFC 8032 §5.1.6). */
const signatureBytes = 64

/** Messages to sign, one after the other: one block costs a tenth of many small arrays to send. */
export interface SignRequest {
  /** Where each message ends in `bytes`. */
  readonly ends: Uint32Array
  readonly bytes: Uint8Array
}

function answer({ ends, bytes }: SignRequest, privateKey: KeyObject): Uint8Array<ArrayBuffer> {
  const signatures = new Uint8Array(signatureBytes * ends.length)
  let at = 0
  ends.forEach((end, item) => {
    signatures.set(sign(null, bytes.subarray(at, end), privateKey), signatureBytes * item)
    at = end
  })
  return signatures
}

function run(port: MessagePort, { privateKey }: SignOptions): void {
  port.on('message', (request: SignRequest) => {
    const signatures = answer(request, privateKey)
    port.postMessage(signatures, [signatures.buffer])
  })
}

const options = workerData as Partial<SignOptions> | null
if (!isMainThread && parentPort && options?.role === 'sign') run(parentPort, options as SignOptions)

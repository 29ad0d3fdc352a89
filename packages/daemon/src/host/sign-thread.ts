/** A thread that signs batches: one message there, one message back, in the same order. */
import { isMainThread, parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { createSign, signatureBytes, type SignOne } from './ed25519-sign.ts'

/** What the thread is started with; `role` keeps an import elsewhere from doing anything. */
export interface SignOptions {
  readonly role: 'sign'
  /** 32 bytes. */
  readonly seed: Uint8Array
}

/** Messages to sign, one after the other: one block costs a tenth of many small arrays to send. */
export interface SignRequest {
  /** Where each message ends in `bytes`. */
  readonly ends: Uint32Array
  readonly bytes: Uint8Array
}

function answer({ ends, bytes }: SignRequest, signOne: SignOne): Uint8Array<ArrayBuffer> {
  const signatures = new Uint8Array(signatureBytes * ends.length)
  let at = 0
  ends.forEach((end, item) => {
    signatures.set(signOne(bytes.subarray(at, end)), signatureBytes * item)
    at = end
  })
  return signatures
}

function run(port: MessagePort, { seed }: SignOptions): void {
  const signOne = createSign(seed)
  port.on('message', (request: SignRequest) => {
    const signatures = answer(request, signOne)
    port.postMessage(signatures, [signatures.buffer])
  })
}

const options = workerData as Partial<SignOptions> | null
if (!isMainThread && parentPort && options?.role === 'sign') run(parentPort, options as SignOptions)

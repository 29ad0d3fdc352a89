/**
 * How many Ed25519 signatures this machine verifies with nothing else to do: one worker thread per core, the
 * same messages as in the benchmark. The yardstick for everything that has to verify.
 */
import { randomBytes, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'

/** Length of a run: long enough for the clock, short enough to stay within one mood of a shared machine. */
const runMs = 2_000

/** Signatures verified per second by all cores together. @param messageBytes length of what is signed */
export async function bareVerifyRate(messageBytes: number): Promise<number> {
  const workers = Array.from({ length: availableParallelism() }, () => new Worker(new URL(import.meta.url)))
  await Promise.all(workers.map(worker => once(worker, 'online')))
  const counts = workers.map(async worker => {
    worker.postMessage(messageBytes)
    const [count] = (await once(worker, 'message')) as [number]
    return count
  })
  const sum = (await Promise.all(counts)).reduce((all, count) => all + count, 0)
  await Promise.all(workers.map(worker => worker.terminate()))
  return sum / (runMs / 1000)
}

function countVerified(messageBytes: number): number {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = createPublicKey(publicKey.export({ type: 'spki', format: 'pem' }))
  const message = randomBytes(messageBytes)
  const signature = sign(null, message, privateKey)
  const end = performance.now() + runMs
  let count = 0
  for (; performance.now() < end; count++)
    if (!verify(null, message, key, signature)) throw new Error('a good signature was refused')
  return count
}

if (!isMainThread)
  parentPort?.once('message', (messageBytes: number) => parentPort?.postMessage(countVerified(messageBytes)))

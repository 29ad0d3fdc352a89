/**
 * The history of this node: a sample every 10 s, handed to a thread once a minute. The thread starts with the
 * first hand-over or the first reader; whatever becomes of it or its file, the node goes on.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { LatticeError } from '@lattice/core'
import type { Clock } from '@lattice/core'
import type { HistoryQuery, HistoryReading } from './history-file.ts'
import type { HistoryReply, HistoryRequest, HistoryThreadOptions } from './history-thread.ts'
import { tiers } from './rollup.ts'
import type { Sample } from './rollup.ts'

/** What history needs. */
export interface HistoryOptions {
  /** Of the file; its directory must exist. */
  readonly path: string
  /** Hard cap of the file, in bytes. */
  readonly bytesMax: number
  readonly clock: Clock
  /** The figures of this moment, by series name; `seconds` have passed since the last call. */
  readonly sample: (seconds: number) => ReadonlyMap<string, number>
  /** Told once per outage of the file. */
  readonly onFailure: (message: string) => void
}

/** A running history. */
export interface History {
  /** @throws LatticeError OVERLOADED while many wait, STORE_UNAVAILABLE when the file cannot be read */
  read(query: Omit<HistoryQuery, 'now'>): Promise<HistoryReading>
  /** Hands over what is left and ends the thread. */
  stop(): Promise<void>
}

/** The finest resolution there is. */
const sampleMs = tiers[0]?.stepMs ?? 10_000

/** Samples handed over at once: a minute, which is what a killed process loses. */
const batchSamples = 6

/** Samples held while the file cannot be written or its disk hangs: ten minutes, then the oldest go. */
const heldSamplesMax = 60

/** Readers that wait at the same time; a reading takes some milliseconds. */
const readersMax = 16

/** A disk that hangs must not hold up the end of the process. */
const stopMsMax = 2000

/** Starts to keep history, until `stop`. */
export function keepHistory(options: HistoryOptions): History {
  const { clock } = options
  const thread = new HistoryThread({ role: 'history', path: options.path, bytesMax: options.bytesMax })
  let held: Sample[] = []
  let failing = false
  let readers = 0
  let last = clock.now()
  let cancel = (): void => {}

  let handing: Promise<void> | undefined
  const send = async (): Promise<void> => {
    const samples = held.splice(0)
    if (samples.length === 0) return
    const reply = await thread.ask({ kind: 'append', samples, now: clock.now().wall })
    if (reply.kind === 'appended') failing = false
    if (reply.kind !== 'failed') return
    held = [...samples, ...held].slice(-heldSamplesMax)
    if (!failing) options.onFailure(reply.message)
    failing = true
  }
  /** One at a time: behind a disk that hangs none queue up. */
  const handOver = (): Promise<void> => (handing ??= send().finally(() => (handing = undefined)))
  const handAllOver = async (): Promise<void> => {
    await handing
    await handOver()
  }
  const tick = (): void => {
    const now = clock.now()
    const taken = { at: now.wall, values: options.sample((now.mono - last.mono) / 1000) }
    held = [...held, taken].slice(-heldSamplesMax)
    last = now
    if (held.length >= batchSamples) void handOver()
    arm()
  }
  const arm = (): void => {
    const { mono, wall } = clock.now()
    // In step with the wall clock, so that every bucket gets one sample.
    cancel = clock.alarm(mono + sampleMs - (wall % sampleMs), tick)
  }
  arm()
  return {
    read: async query => {
      if (readers >= readersMax) throw new LatticeError('OVERLOADED', 'too many readers of the history')
      readers += 1
      try {
        await handAllOver()
        return await thread.read({ ...query, now: clock.now().wall })
      } finally {
        readers -= 1
      }
    },
    stop: async () => {
      cancel()
      await atMost(
        stopMsMax,
        handAllOver().then(() => thread.close()),
      )
    },
  }
}

/** Waits for what is under way, but no longer than this. */
async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const late = AbortSignal.timeout(ms)
  await Promise.race([work, new Promise(resolve => late.addEventListener('abort', resolve, { once: true }))])
}

/** The worker, started when it is needed and again after it has failed. */
class HistoryThread {
  readonly #options: HistoryThreadOptions
  #worker: Worker | undefined
  #waiting: ((reply: HistoryReply) => void)[] = []

  constructor(options: HistoryThreadOptions) {
    this.#options = options
  }

  /** Never rejects: a failure is a reply. */
  ask(request: Exclude<HistoryRequest, { kind: 'close' }>): Promise<HistoryReply> {
    return new Promise(resolve => {
      this.#worker ??= this.#start()
      this.#waiting.push(resolve)
      this.#worker.postMessage(request)
    })
  }

  /** @throws LatticeError STORE_UNAVAILABLE */
  async read(query: HistoryQuery): Promise<HistoryReading> {
    const reply = await this.ask({ kind: 'read', query })
    if (reply.kind === 'found') return reply.reading
    const why = reply.kind === 'failed' ? reply.message : reply.kind
    throw new LatticeError('STORE_UNAVAILABLE', `the history cannot be read: ${why}`)
  }

  async close(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    const gone = new Promise(resolve => worker.once('exit', resolve))
    worker.postMessage({ kind: 'close' } satisfies HistoryRequest)
    await gone
  }

  #start(): Worker {
    // The same extension as this file: .ts in a checkout, .js once built.
    const script = new URL(`./history-thread${extname(import.meta.url)}`, import.meta.url)
    const worker = new Worker(script, { workerData: this.#options, name: 'history' })
    worker.on('message', (reply: HistoryReply) => this.#waiting.shift()?.(reply))
    worker.on('error', error => this.#lose(worker, String(error)))
    worker.on('exit', () => this.#lose(worker, 'its thread has ended'))
    return worker
  }

  #lose(worker: Worker, message: string): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const resolve of this.#waiting.splice(0)) resolve({ kind: 'failed', message })
  }
}

/**
 * The thread of the history: a slow disk delays charts and nothing else. Answers come in the order of the
 * requests.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { standBack } from '../host/thread-priority.ts'
import { HistoryFile } from './history-file.ts'
import type { HistoryQuery, HistoryReading } from './history-file.ts'
import type { Sample } from './rollup.ts'

/** What the thread is started with; `role` keeps an import elsewhere from doing anything. */
export interface HistoryThreadOptions {
  readonly role: 'history'
  readonly path: string
  readonly bytesMax: number
}

/** To the thread. */
export type HistoryRequest =
  | { readonly kind: 'append'; readonly samples: readonly Sample[]; readonly now: number }
  | { readonly kind: 'read'; readonly query: HistoryQuery }
  | { readonly kind: 'close' }

/** From the thread: one for each request but `close`. */
export type HistoryReply =
  | { readonly kind: 'appended' }
  | { readonly kind: 'found'; readonly reading: HistoryReading }
  | { readonly kind: 'failed'; readonly message: string }

function answer(file: HistoryFile, request: Exclude<HistoryRequest, { kind: 'close' }>): HistoryReply {
  try {
    if (request.kind === 'read') return { kind: 'found', reading: file.read(request.query) }
    file.append(request.samples, request.now)
    return { kind: 'appended' }
  } catch (error) {
    return { kind: 'failed', message: Error.isError(error) ? error.message : String(error) }
  }
}

function run(port: MessagePort, { path, bytesMax }: HistoryThreadOptions): void {
  standBack()
  const file = new HistoryFile(path, bytesMax)
  port.on('message', (request: HistoryRequest) => {
    if (request.kind === 'close') {
      port.close()
      file.close()
    } else port.postMessage(answer(file, request))
  })
}

const options = workerData as Partial<HistoryThreadOptions> | null
if (!isMainThread && parentPort && options?.role === 'history')
  run(parentPort, options as HistoryThreadOptions)

/** What the store and its writer thread say to each other. */
import type { ErrorCode, Incarnation, StoreRemedy } from '@lattice/core'
import type { IndexLag } from './sqlite-index.ts'
import type { StoreNote } from './sqlite-open.ts'
import type { RowRange } from './sqlite-places.ts'

/** What the thread is started with; `role` keeps an import elsewhere from doing anything. */
export interface WriterOptions {
  readonly role: 'sqlite-writer'
  readonly directory: string
  /** What the store needs before it is used (sqlite-open.ts). */
  readonly remedy?: StoreRemedy
  /** How far the indexes lag; tests make it small. */
  readonly lag?: IndexLag
  /** What stays free for deletes; tests make it large. */
  readonly reserveBytes?: number
  /** One shared counter, raised and notified after every request. */
  readonly bell: Int32Array<SharedArrayBuffer>
}

/**
 * To the writer: a packed batch; the first rows of the next one, which its block then leaves out; rows whose
 * places are to be looked at; that what was prepared will not be committed; or the wish to end.
 */
export type WriterRequest =
  Uint8Array | { readonly part: Uint8Array } | { readonly places: RowRange } | 'discard' | 'close'

/** An error on its way between threads. Without a code it is a bug of ours. */
export interface WriterFailure {
  readonly code?: ErrorCode
  readonly message: string
}

/**
 * From the writer. `committed` answers the oldest batches, one verdict each, and says up to which sequence
 * all rows are indexed.
 */
export type WriterReply =
  | {
      readonly kind: 'opened'
      readonly incarnation: Incarnation
      readonly lastSeq: number
      readonly notes: readonly StoreNote[]
    }
  | { readonly kind: 'failed'; readonly failure: WriterFailure }
  | { readonly kind: 'mended'; readonly count: number; readonly failure: WriterFailure | undefined }
  | {
      readonly kind: 'committed'
      readonly verdicts: ReadonlyArray<WriterFailure | undefined>
      readonly marker: number
    }

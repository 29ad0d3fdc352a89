/**
 * Own entries on their way to a signature. Ed25519 costs more than everything else the core does for an
 * entry, so it is made outside of its turn: an entry is staged as a *draft*, without signature and digests,
 * and whatever is written meanwhile builds on it. A few drafts are signed on the spot when their batch
 * closes, because a trip to another thread would take longer; many are handed out in jobs, which may end in
 * any order.
 */
import { draftEntry, finishEntry, type EntryContent, type EntryDraft, type VerifiedEntry } from './entry.ts'
import { assert } from './errors.ts'
import { leafDigest, pathOf } from './merkle.ts'
import type { Hash, Signer } from './ports.ts'
import type { StagedRow } from './staged.ts'
import type { Sequence } from './units.ts'

/** Drafts that make a job: from here on a trip to a thread is no slower than signing here (measured). */
const jobMin = 8

/** The most of one job: the first of a batch are on their way to the disk while the rest is signed. */
const jobMax = 128

const nothing = new Uint8Array(0)

/** Messages to sign, answered with their signatures in the same order. */
export interface SigningJob {
  readonly id: number
  readonly messages: readonly Uint8Array[]
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] }

interface Draft extends EntryDraft {
  readonly row: StagedRow
}

/** Drafts that wait for a signature, here or elsewhere. */
export class Signing {
  readonly #signer: Signer
  readonly #hash: Hash
  #waiting: Draft[] = []
  readonly #jobs = new Map<number, readonly Draft[]>()
  /** Jobs of the closed batch that are out. */
  #owed = new Set<number>()
  #nextId = 1

  constructor(signer: Signer, hash: Hash) {
    this.#signer = signer
    this.#hash = hash
  }

  /** The row of an own entry, whose signature and digests are to come. */
  draft(content: EntryContent, seq: Sequence, keyHash: Uint8Array): StagedRow {
    const { key, slot } = content
    const draft = draftEntry(content, this.#signer.nodeId)
    const { bytes } = draft.entry
    const entry = draft.entry as VerifiedEntry
    const path = pathOf(key, slot, this.#hash, keyHash)
    const row: StagedRow = {
      seq,
      key,
      slot,
      digest: nothing,
      bytes,
      path,
      leaf: nothing,
      entry,
      origin: 'local',
    }
    this.#waiting.push({ ...draft, row })
    return row
  }

  /** Hands out drafts that wait, where they are many enough; `finish` or `clear` must follow. */
  takeJob(): SigningJob | undefined {
    const waiting = this.#waiting.length
    if (waiting < jobMin) return undefined
    const id = this.#nextId++
    const drafts = this.#waiting.splice(0, Math.ceil(waiting / Math.ceil(waiting / jobMax)))
    this.#jobs.set(id, drafts)
    return { id, messages: drafts.map(({ message }) => message) }
  }

  /** The batch of all drafts so far takes no more: signs those here that have not been handed out. */
  close(): void {
    for (const draft of this.#waiting) this.#sign(draft, this.#signer.sign(draft.message))
    this.#waiting = []
    this.#owed = new Set(this.#jobs.keys())
  }

  /** Whether all of the batch that was closed last is signed. */
  get isComplete(): boolean {
    return this.#owed.size === 0
  }

  /** A job has come back. One that was given up meanwhile is ignored. */
  finish(id: number, signatures: readonly Uint8Array[]): void {
    const drafts = this.#jobs.get(id)
    if (drafts === undefined) return
    assert(signatures.length === drafts.length, 'a job brings one signature for each message')
    this.#jobs.delete(id)
    this.#owed.delete(id)
    drafts.forEach((draft, at) => this.#sign(draft, signatures[at] as Uint8Array))
  }

  /** Gives up all drafts. */
  clear(): void {
    this.#waiting = []
    this.#jobs.clear()
    this.#owed.clear()
  }

  #sign(draft: Draft, signature: Uint8Array): void {
    const row: Writable<StagedRow> = draft.row
    row.digest = finishEntry(draft, signature, this.#hash).digest
    row.leaf = leafDigest(row.path, row.digest, this.#hash)
  }
}

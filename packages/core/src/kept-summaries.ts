/**
 * The summaries of keys that have many slots, kept in memory.
 *
 * To read, check and parse thousands of rows for each element that is added to a set would hold up the
 * engine for a second.
 */
import type { KeySummary } from './key-summary.ts'

/** Keys with fewer slots are looked through each time. */
export const slotsMin = 64

/** Keys kept: some 500 bytes each beside the key. */
const keysMax = 4_096

/** Keeps keys by their last use; those used longest ago go first. */
export class KeptSummaries {
  readonly #keys = new Map<string, KeySummary>()

  /**
   * The summary of a key, if it is kept.
   * @param count how many slots the trie has: a damaged row that was taken out there counts no more
   */
  get(key: string, count: () => number): KeySummary | undefined {
    const summary = this.#keys.get(key)
    if (summary === undefined) return undefined
    this.#keys.delete(key)
    if (summary.count !== count()) return undefined
    this.#keys.set(key, summary)
    return summary
  }

  /** Takes note of what all committed slots of a key come to. */
  keep(key: string, summary: KeySummary): void {
    this.#keys.delete(key)
    if (summary.count < slotsMin) return
    this.#keys.set(key, summary)
    const [oldest] = this.#keys.keys()
    if (this.#keys.size > keysMax && oldest !== undefined) this.#keys.delete(oldest)
  }
}

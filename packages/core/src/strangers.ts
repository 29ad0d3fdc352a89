/** Authors unknown to this node, of entries that its peers hold: somewhere a configuration lacks a key. */
import type { NodeId } from './units.ts'

/** Peers that hold such entries offer them again at least this often: with each descent. */
const recentMs = 300_000

/** Authors that are remembered: what is missing is a key or two, and anybody may name any number. */
const strangersMax = 4

/** Remembers who was refused of late. */
export class Strangers {
  readonly #lastMono = new Map<NodeId, number>()

  /** Entries of these authors have been refused. */
  note(authors: Iterable<NodeId>, mono: number): void {
    for (const author of authors) {
      this.#lastMono.delete(author)
      this.#lastMono.set(author, mono)
    }
    for (const oldest of this.#lastMono.keys()) {
      if (this.#lastMono.size <= strangersMax) return
      this.#lastMono.delete(oldest)
    }
  }

  /** Those of the last minutes. */
  recent(mono: number): NodeId[] {
    return [...this.#lastMono].filter(([, last]) => mono - last < recentMs).map(([author]) => author)
  }
}

/** A walk through facts in pieces, for which nothing but where it stands is kept. */
import type { Store } from './ports.ts'

type Facts = ReturnType<Store['facts']>

/** What one piece of the walk has come by. */
export interface WalkedFacts {
  readonly facts: Facts
  /** The walk has seen all, and begins anew. */
  readonly isEnd: boolean
}

/**
 * Goes through the facts whose names are `prefix` and hex digits, all of one length, by what the digits begin
 * with. What is there from one end of a walk to the next is seen; what comes or goes meanwhile may be.
 */
export class FactWalk {
  readonly #store: Pick<Store, 'facts'>
  readonly #prefix: string
  /** The next facts begin with these digits. */
  #digits = ''

  constructor(store: Pick<Store, 'facts'>, prefix: string) {
    this.#store = store
    this.#prefix = prefix
  }

  /** The next facts: about `count`, twice that at most; as many are read in vain at most. */
  next(count: number): WalkedFacts {
    const facts: Facts[number][] = []
    for (let read = 0; read < count;) {
      const begin = this.#prefix + this.#digits
      const page = this.#store.facts(begin, count)
      read += Math.max(1, page.length)
      if (page.length === count && page[0]?.[0] !== begin) {
        // There may be more that begin so.
        this.#digits += '0'
        continue
      }
      facts.push(...page)
      this.#digits = following(this.#digits)
      if (this.#digits === '') return { facts, isEnd: true }
    }
    return { facts, isEnd: false }
  }
}

/** The digits after these and all that begin with them; none after the last. */
function following(digits: string): string {
  const kept = digits.replace(/f+$/, '')
  if (kept === '') return ''
  return kept.slice(0, -1) + (Number.parseInt(kept.slice(-1), 16) + 1).toString(16)
}

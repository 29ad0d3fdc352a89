/**
 * Answers requests once what they brought is durable, and at once where they brought nothing: a flush that
 * takes ten seconds must not make this node look dead. Long polls wait for something to tell.
 */
import { withoutDescent } from './bulk.ts'
import type { CommitPipeline } from './commits.ts'
import type { AnswerManner, Dialect } from './dialect.ts'
import type { Effect } from './events.ts'
import { followedBy, type Composer } from './exchange.ts'
import type { Message } from './message.ts'
import type { Peer } from './peers.ts'
import type { Standing } from './sync-plan.ts'
import type { Instant } from './units.ts'

/**
 * Requests of one peer that may wait here at a time; further ones are answered as soon as they are durable.
 */
const heldPerPeerMax = 4

interface Held {
  readonly id: number
  readonly peer: Peer
  readonly request: Message
  readonly manner: AnswerManner
  readonly holdUntil: number
  settled: boolean
}

/** Keeps the requests that are not answered yet. */
export class Responder {
  readonly #composer: Composer
  readonly #dialect: Dialect
  readonly #commits: CommitPipeline
  readonly #held = new Map<number, Held>()

  constructor(composer: Composer, dialect: Dialect, commits: CommitPipeline) {
    this.#composer = composer
    this.#dialect = dialect
    this.#commits = commits
  }

  /** Takes a request in whose entries have been staged. */
  take(id: number, peer: Peer, request: Message, manner: AnswerManner, at: Instant): void {
    const waiting = [...this.#held.values()].filter(held => held.peer === peer).length
    const waitMs = waiting < heldPerPeerMax ? (request.waitMs ?? 0) : 0
    const held: Held = {
      id,
      peer,
      request,
      manner,
      holdUntil: at.mono + waitMs,
      settled: !bringsEntries(request),
    }
    this.#held.set(id, held)
    if (!held.settled) this.#commits.whenSettled(() => (held.settled = true))
  }

  /** The asker has gone. */
  forget(id: number): void {
    this.#held.delete(id)
  }

  /** Answers whatever is durable and has waited long enough, or whose asker should hear the news. */
  answer(own: Standing, hasNewsFor: (peer: Peer) => boolean, at: Instant): Effect[] {
    const effects: Effect[] = []
    for (const { id, peer, request, manner, holdUntil, settled } of this.#held.values()) {
      if (!settled || (at.mono < holdUntil && !hasNewsFor(peer))) continue
      this.#held.delete(id)
      const greeting: Message = manner.greets
        ? this.#composer.greeting(peer, at, request.info !== undefined)
        : this.#composer.horizonReport()
      const work = this.#composer.answer(withoutDescent(request, peer, own), peer, greeting.entries)
      // Reading what it answers may have found damage.
      const message = followedBy({ ...greeting, ...this.#composer.horizonReport() }, work)
      effects.push({ type: 'reply', id, message: this.#phrase(message, peer, manner, request) })
      if (manner.greets) peer.toldCursor = peer.cursor
    }
    return effects
  }

  /** Answers everybody at once: this node is leaving. */
  farewell(at: Instant): Effect[] {
    const waiting = [...this.#held.values()]
    this.#held.clear()
    return waiting.map(({ id, peer, manner: { version } }) => {
      const message = this.#composer.greeting(peer, at, false)
      return { type: 'reply', id, message: this.#dialect.phrase(message, peer, { version, lone: true }) }
    })
  }

  #phrase(message: Message, peer: Peer, { version }: AnswerManner, { beat }: Message): Message {
    return this.#dialect.phrase(message, peer, { version, root: beat?.root })
  }

  /** When waiting ends for each request. */
  deadlines(): number[] {
    return [...this.#held.values()].map(({ holdUntil }) => holdUntil)
  }
}

/** Whether the answer acknowledges more than what is durable already. Cursors never do. */
function bringsEntries({ rows, entries }: Message): boolean {
  return rows !== undefined || entries !== undefined
}

/**
 * Lines of the log that a peer can cause as often as it sends: the first of its kind is written at once, and
 * as long as they go on, one a minute that says how many there were.
 */
import type { Clock, NodeId } from '@lattice/core'

const windowMs = 60_000

/** What a line says besides its sentence. */
export interface PeerFields {
  readonly peer: NodeId
  readonly [name: string]: unknown
}

interface Held {
  readonly message: string
  /** Of the last line that was held back. */
  fields: PeerFields
  repeated: number
  cancel: () => void
}

/** Where they are written. */
export interface LinesParts {
  readonly clock: Clock
  readonly log: (level: 'warn', message: string, fields: Readonly<Record<string, unknown>>) => void
}

/** Writes warnings of peers, one of each message and peer within a minute. */
export class RepeatedLines {
  readonly #parts: LinesParts
  readonly #held = new Map<string, Held>()
  #isStopped = false

  constructor(parts: LinesParts) {
    this.#parts = parts
  }

  /** Writes the line, or counts it. */
  warn(message: string, fields: PeerFields): void {
    if (this.#isStopped) return
    const kind = `${fields.peer} ${message}`
    const held = this.#held.get(kind)
    if (held !== undefined) {
      held.repeated += 1
      held.fields = fields
      return
    }
    this.#parts.log('warn', message, fields)
    const fresh: Held = { message, fields, repeated: 0, cancel: () => undefined }
    this.#held.set(kind, fresh)
    this.#wait(kind, fresh)
  }

  /** Writes what has been counted, and waits no more. */
  stop(): void {
    this.#isStopped = true
    for (const held of this.#held.values()) {
      held.cancel()
      this.#tell(held)
    }
    this.#held.clear()
  }

  #wait(kind: string, held: Held): void {
    const { clock } = this.#parts
    held.cancel = clock.alarm(clock.now().mono + windowMs, () => {
      if (!this.#tell(held)) this.#held.delete(kind)
      else this.#wait(kind, held)
    })
  }

  /** Whether there was anything to tell. */
  #tell(held: Held): boolean {
    const { message, fields, repeated } = held
    if (repeated === 0) return false
    held.repeated = 0
    this.#parts.log('warn', message, { ...fields, repeated })
    return true
  }
}

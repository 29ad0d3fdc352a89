/**
 * A value that must never be printed: whatever turns it into text shows `***` (reliability §5, secrets in
 * logs).
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { inspect } from 'node:util'

/** What every printed secret looks like. */
export const secretMask = '***'

/** A secret text. Only `reveal()` hands it out, so each use can be found by its name. */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The secret itself: for use, never for output. */
  reveal(): string {
    return this.#text
  }

  /** Whether `text` is the secret; takes equally long wherever they differ. */
  matches(text: string): boolean {
    return timingSafeEqual(digest(text), digest(this.#text))
  }

  toString(): string {
    return secretMask
  }

  toJSON(): string {
    return secretMask
  }

  [Symbol.toPrimitive](): string {
    return secretMask
  }

  [inspect.custom](): string {
    return secretMask
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

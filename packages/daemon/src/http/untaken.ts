/** Long answers that their readers have not taken yet: what they come to is bounded, for all together. */
import type { Response } from 'express'
import { HttpProblem } from './problems.ts'

/** From this length on an answer is counted, and sent at the pace of its reader: 64 KiB of ASCII. */
export const longChars = 64 * 1024

/** Characters, of one or two bytes each, that may wait at once: reads are open to strangers. */
const charsMax = 64 * 1024 * 1024

/** Counts them. */
export class UntakenAnswers {
  #chars = 0

  /**
   * Counts an answer of `chars` until its response is closed. One alone may be of any length.
   * @throws HttpProblem OVERLOADED
   */
  admit(response: Response, chars: number): void {
    if (response.closed || response.destroyed) return
    if (this.#chars > 0 && this.#chars + chars > charsMax)
      throw new HttpProblem('OVERLOADED', 'too many callers are slow to take long answers; ask again later')
    this.#chars += chars
    response.once('close', () => (this.#chars -= chars))
  }
}

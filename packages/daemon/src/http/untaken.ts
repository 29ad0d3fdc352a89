/** Long answers that their readers have not taken yet: what they come to is bounded, for all together. */
import { sendJsonText } from './json-answer.ts'
import { HttpProblem } from './problems.ts'
import { Readers, type Reader } from './readers.ts'
import { sendPieces } from './streaming.ts'

/** From this length on an answer is counted, and sent at the pace of its reader: 64 KiB of ASCII. */
export const longChars = 64 * 1024

/** Characters, of one or two bytes each, that may wait at once: reads are open to strangers. */
const charsMax = 64 * 1024 * 1024

/** Counts them. */
export class UntakenAnswers {
  readonly #readers = new Readers()
  #chars = 0

  /**
   * Counts an answer of `chars` until its response is closed. One alone may be of any length.
   * @throws HttpProblem OVERLOADED
   */
  admit(reader: Reader, chars: number): void {
    const { caller, response } = reader
    if (response.closed || response.destroyed) return
    while (this.#chars > 0 && this.#chars + chars > charsMax)
      if (!this.#readers.makeRoom(caller, chars))
        throw new HttpProblem('OVERLOADED', 'too many callers are slow to take long answers; ask again later')
    this.#chars += chars
    const leave = this.#readers.wait(reader, chars, () => (this.#chars -= chars))
    response.once('close', leave)
  }

  /**
   * Answers 200 with JSON; a long one is counted.
   * @throws HttpProblem OVERLOADED
   */
  async sendJsonText(reader: Reader, text: string, headers: Readonly<Record<string, string>>): Promise<void> {
    const { response } = reader
    if (text.length < longChars) return sendJsonText(response, text, headers)
    this.admit(reader, text.length)
    response.set({ ...headers, 'Content-Length': String(Buffer.byteLength(text)) }).type('json')
    await sendPieces(response, [text], { before: '', between: '', after: '' })
  }
}

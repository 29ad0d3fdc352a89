/**
 * What happened, as one number: two runs of a seed took the same course if and only if their traces hash
 * alike.
 */
import { createHash } from 'node:crypto'

/** Hex digits of a digest: 64 bits tell a few million histories apart. */
const digestDigits = 16

/** Collects what happens. */
export class Trace {
  readonly #print: ((line: string) => void) | undefined
  readonly #hash = createHash('sha256')

  /** @param print shows every line, for a replay */
  constructor(print?: (line: string) => void) {
    this.#print = print
  }

  /** Notes one happening at a true time in ms. */
  note(time: number, who: string, what: string): void {
    const line = `${time.toFixed(3)} ${who} ${what}`
    this.#hash.update(`${line}\n`)
    this.#print?.(line)
  }

  /** Notes the bytes of a frame without printing them. */
  bytes(bytes: Uint8Array): void {
    this.#hash.update(bytes)
  }

  /** Over everything noted so far, in hex. */
  get digest(): string {
    return this.#hash.copy().digest('hex').slice(0, digestDigits)
  }
}

/**
 * What happened, as one number: two runs of a seed took the same course if and only if their traces hash
 * alike.
 */

/** Collects what happens. */
export class Trace {
  readonly #print: ((line: string) => void) | undefined
  #a = 0x811c9dc5
  #b = 0x01000193
  #lines = 0

  /** @param print shows every line, for a replay */
  constructor(print?: (line: string) => void) {
    this.#print = print
  }

  /** Notes one happening at a true time in ms. */
  note(time: number, who: string, what: string): void {
    this.#lines++
    const line = `${time.toFixed(3)} ${who} ${what}`
    for (let at = 0; at < line.length; at++) this.#mix(line.charCodeAt(at))
    this.#print?.(line)
  }

  /** Notes the bytes of a frame without printing them. */
  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) this.#mix(byte)
  }

  /** 16 hex digits over everything noted so far, and how much it was. */
  get digest(): string {
    const hex = (half: number): string => (half >>> 0).toString(16).padStart(8, '0')
    return `${hex(this.#a ^ this.#lines)}${hex(this.#b)}`
  }

  #mix(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x01000193)
    this.#b = Math.imul(this.#b ^ value ^ (this.#a >>> 15), 0x85ebca6b)
  }
}

/** What a command may touch of the process it runs in; tests pass their own. */
import { stripVTControlCharacters, styleText } from 'node:util'

import { stringify } from 'yaml'

import { wantsColour } from '../host/colour.ts'
export { visible } from '../visible.ts'

/** A place to write text to. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
}

/** Streams, environment and interruption of one run. */
export interface CliIo {
  readonly stdout: Output
  readonly stderr: Output
  /** Source of `-` arguments. */
  readonly stdin: AsyncIterable<Uint8Array | string>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** How documents are written; JSON where undefined. */
  readonly form?: 'json' | 'yaml'
  /** Fires on Ctrl-C and SIGTERM, and when nobody reads standard output any more. */
  readonly signal: AbortSignal
}

/** Paints text for one output; leaves it as it is where colour is not welcome. */
export type Paint = (style: Parameters<typeof styleText>[0], text: string) => string

/** Colours for standard output. */
export function painter(io: CliIo): Paint {
  const colour = wantsColour(io.stdout, io.env)
  return (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text)
}

/** Writes lines to standard output. */
export function print(io: CliIo, ...lines: readonly string[]): void {
  io.stdout.write(lines.map(line => `${line}\n`).join(''))
}

/** Writes one document to standard output: JSON, pretty for eyes and one line for pipes, or YAML. */
export function printJson(io: CliIo, document: unknown): void {
  if (io.form === 'yaml') {
    io.stdout.write(stringify(document, { directives: true }))
    return
  }
  io.stdout.write(`${JSON.stringify(document, undefined, io.stdout.isTTY === true ? 2 : undefined)}\n`)
}

/** Aligned columns, two blanks apart, without trailing blanks. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, widthOf(cell))
  }
  return rows.map(row =>
    row
      .map((cell, index) => cell + ' '.repeat((widths[index] ?? 0) - widthOf(cell)))
      .join('  ')
      .trimEnd(),
  )
}

function widthOf(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length
}

/** `84 ms`, `3.2 s`, `12 min`, `2 h 11 min`, `3 d`: how long something lasted or is ago. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  const seconds = ms / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d`
}

/** First and last digits of a root or id: enough to compare by eye. */
export function brief(hex: string): string {
  return hex.length <= 10 ? hex : `${hex.slice(0, 4)}…${hex.slice(-4)}`
}
